"""Keras Tuner against Rung: the same Hyperband over the same MLP space on the same images, run in turn.

Prints a row for every run, then medians, then the ratio.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "rung"
# Keras Tuner imports tensorboard without depending on it.
PEER = ["keras-tuner==1.4.8", "tensorboard"]
PACKAGES = {"tensorflow": [*PEER, "tensorflow==2.21.0"], "torch": [*PEER, "torch==2.13.0"]}


def python_with(backend):
    """A Python that has the peer, made once."""
    folder = CACHE / "bench" / backend
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        print(f"installing {' '.join(PACKAGES[backend])} in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES[backend]], check=True)
        ready.touch()
    return python


def peer(python, args):
    script = ROOT / "bench" / "peer_keras_mlp.py"
    command = [python, script, args.data, str(args.max_epochs), args.backend]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the peer failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def rung(args, seed):
    program = ROOT / "target" / "release" / "rung"
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "RUNG_STATE": folder, "RUNG_DATA": args.data}
        study = ["--max-epochs", str(args.max_epochs), "--set", "scheduler.sizes=keras", "--seed", str(seed)]
        start = time.perf_counter()
        subprocess.run(
            [program, "run", "mlp", "--local", str(args.workers), *study], check=True, capture_output=True, env=env
        )
        seconds = time.perf_counter() - start

        def read(*verb):
            done = subprocess.run([program, *verb, "-o", "json"], check=True, capture_output=True, env=env)
            return json.loads(done.stdout)

        best, shown = read("best", "@last"), read("study", "show", "@last")
    return {
        "seconds": seconds,
        "epochs": shown["epochs"],
        "val_accuracy": best["value"],
        "test_accuracy": best["test"]["accuracy"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each [3]")
    parser.add_argument("--max-epochs", type=int, default=9, help="Hyperband's R [9]")
    parser.add_argument("--workers", type=int, default=2, help="Rung's local workers [2]")
    parser.add_argument("--backend", choices=PACKAGES, default="tensorflow", help="Keras's backend [tensorflow]")
    parser.add_argument("--data", default=str(CACHE / "fashion-mnist"), help="folder of the four gzip files")
    args = parser.parse_args()

    python = python_with(args.backend)
    rows = {"keras-tuner": [], "rung": []}
    print(f"{'':12} {'seconds':>8} {'epochs':>7} {'val':>7} {'test':>7}")
    for round in range(args.rounds):
        for name, run in [("keras-tuner", lambda: peer(python, args)), ("rung", lambda: rung(args, round))]:
            row = run()
            rows[name].append(row)
            print(
                f"{name:12} {row['seconds']:8.1f} {row['epochs']:7} {row['val_accuracy']:7.4f} {row['test_accuracy']:7.4f}",
                flush=True,
            )
    medians = {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in rows.items()}
    for name, row in medians.items():
        print(f"median {name}: {row['seconds']:.1f} s, {row['epochs']} epochs, test accuracy {row['test_accuracy']:.4f}")
    print(f"precision float32 on both; {args.backend} backend")
    print(f"ratio: {medians['keras-tuner']['seconds'] / medians['rung']['seconds']:.2f}")


main()
