"""Keras Tuner against Rung: the same Hyperband over the same networks on the same images, run in turn.

Rung draws a round's networks from the MLP space; Keras Tuner's own Hyperband is handed them in the same order. Prints a
row for every run, then medians, then the ratio.
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


def peer(python, args, listed):
    script = ROOT / "bench" / "peer_keras_mlp.py"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(listed, file)
        file.flush()
        command = [python, script, args.data, str(args.max_epochs), args.backend, file.name]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the peer failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def rung(args, seed):
    """Runs the study of a seed; returns its row, the networks that it drew, and how many it planned on each rung."""
    program = ROOT / "target" / "release" / "rung"
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "RUNG_STATE": folder, "RUNG_DATA": args.data, "RUNG_CONFIG": os.devnull}
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
        trials, plan = read("trial", "list", "@last"), read("plan", "mlp", *study)
    row = {
        "seconds": seconds,
        "epochs": shown["epochs"],
        "val_accuracy": best["value"],
        "test_accuracy": best["test"]["accuracy"],
    }
    listed = [trial["hparams"] for trial in sorted(trials, key=lambda trial: trial["trial"])]
    return row, listed, plan["brackets"]


def check(row, peer_row, brackets):
    """Both sides must have trained as many networks on each rung, for as many epochs."""
    planned = [
        {"s": bracket["s"], "rung": number, **rung}
        for bracket in brackets
        for number, rung in enumerate(bracket["rungs"])
    ]
    counted = peer_row.pop("rungs")
    if counted != sorted(planned, key=lambda rung: (rung["s"], rung["rung"])):
        sys.exit(f"the two sides trained on other rungs:\nrung        {planned}\nkeras-tuner {counted}")
    if row["epochs"] != peer_row["epochs"]:
        sys.exit(f"the two sides trained {row['epochs']} and {peer_row['epochs']} epochs")


def size(listed):
    """Parameters of a round's networks together, for the eye: the same on both sides."""
    total = 0
    for network in listed:
        widths = [784, *(network[f"units_{layer}"] for layer in range(network["layers"])), 10]
        total += sum((inputs + 1) * outputs for inputs, outputs in zip(widths, widths[1:]))
    return total


def show(name, row):
    print(
        f"{name:12} {row['seconds']:8.1f} {row['epochs']:7} {row['val_accuracy']:7.4f} {row['test_accuracy']:7.4f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, every round with other networks [3]")
    parser.add_argument("--max-epochs", type=int, default=9, help="Hyperband's R [9]")
    parser.add_argument("--workers", type=int, default=2, help="Rung's local workers [2]")
    parser.add_argument("--backend", choices=PACKAGES, default="tensorflow", help="Keras's backend [tensorflow]")
    parser.add_argument("--data", default=str(CACHE / "fashion-mnist"), help="folder of the four gzip files")
    args = parser.parse_args()

    python = python_with(args.backend)
    rows = {"keras-tuner": [], "rung": []}
    print(f"{'':12} {'seconds':>8} {'epochs':>7} {'val':>7} {'test':>7}")
    for seed in range(args.rounds):
        row, listed, brackets = rung(args, seed)
        print(f"seed {seed}: {len(listed)} networks, {size(listed):,} parameters together")
        show("rung", row)
        peer_row = peer(python, args, listed)
        check(row, peer_row, brackets)
        show("keras-tuner", peer_row)
        rows["rung"].append(row)
        rows["keras-tuner"].append(peer_row)
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in rows.items()
    }
    for name, row in medians.items():
        print(
            f"median {name}: {row['seconds']:.1f} s, {row['epochs']} epochs, "
            f"validation accuracy {row['val_accuracy']:.4f}, test accuracy {row['test_accuracy']:.4f}"
        )
    pairs = [peer["seconds"] / own["seconds"] for peer, own in zip(rows["keras-tuner"], rows["rung"])]
    print("ratio of each round: " + ", ".join(f"{pair:.2f}" for pair in pairs))
    print(f"the same networks on both sides; float32 on both; {args.backend} backend")
    print(f"ratio: {medians['keras-tuner']['seconds'] / medians['rung']['seconds']:.2f}")


main()
