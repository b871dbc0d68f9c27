"""PyTorch against Rung: an epoch of 54,000 images of a CNN and its validation on 6,000, on one core each, run in turn.

Prints a row for every run, then medians, then the ratios. Rung's network is the preset's; PyTorch's must have as many
parameters.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "rung"
STUDY = """
name: bench
model: {family}
scheduler: {{kind: fixed, epochs: {epochs}, trials: [{{hparams: {hparams}}}]}}
train: {{batch_size: 128, optimizer: adam, learning_rate: 0.001}}
"""
NETWORKS = {
    "cnn-4block": ("cnn", {"blocks": 3, "filters_1": 32, "filters_2": 32, "filters_3": 64, "kernel": 5, "pool": 2, "dropout": 0.3}),
    "vgg-small": ("vgg", {"blocks": 3, "width": 32}),
}


def read(command, env):
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def rung(args, network, seed):
    program = ROOT / "target" / "release" / "rung"
    family, hparams = NETWORKS[network]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "RUNG_STATE": folder, "RUNG_DATA": args.data, "RUNG_CONFIG": os.devnull}
        file = pathlib.Path(folder) / "study.yaml"
        file.write_text(STUDY.format(family=family, epochs=args.epochs, hparams=json.dumps(hparams)))
        command = [program, "run", file, "--local", "1", "--seed", str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, env=env)
        if done.returncode != 0:
            sys.exit(f"rung failed:\n{done.stderr[-2000:]}")
        last = read([program, "trial", "show", "@last", "0", "-o", "json"], env)["curve"][-1]
        parameters = read([program, "model", "show", network, "-o", "json"], env)["parameters"]
    return {"seconds": last["seconds"], "val_accuracy": last["metrics"]["val_accuracy"], "parameters": parameters}


def pytorch(args, network, seed, how):
    python = pathlib.Path(args.pytorch)
    script = ROOT / "bench" / "peer_torch_cnn.py"
    env = {**os.environ, "PYTHONPATH": str(python)}
    return read([sys.executable, script, args.data, network, str(args.epochs), str(seed), how], env)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each [3]")
    parser.add_argument("--epochs", type=int, default=1, help="epochs of each run, of which the last counts [1]")
    parser.add_argument("--network", choices=NETWORKS, action="append", help="only this one [both]")
    parser.add_argument("--data", default=str(CACHE / "fashion-mnist"), help="folder of the four gzip files")
    default = CACHE / f"pytorch-2.13.0-{sys.implementation.cache_tag}"
    parser.add_argument("--pytorch", default=str(default), help="folder with the Python package torch")
    args = parser.parse_args()
    if not pathlib.Path(args.pytorch).is_dir():
        sys.exit(f"{args.pytorch} is not there: run `cargo xtask setup --pytorch`")

    for network in args.network or NETWORKS:
        sides = {
            "pytorch": lambda seed: pytorch(args, network, seed, "default"),
            "pytorch tuned": lambda seed: pytorch(args, network, seed, "tuned"),
            "rung": lambda seed: rung(args, network, seed),
        }
        rows = {name: [] for name in sides}
        print(f"{network:14} {'seconds':>8} {'val':>7}")
        for seed in range(args.rounds):
            for name, run in sides.items():
                row = run(seed)
                rows[name].append(row)
                print(f"{name:14} {row['seconds']:8.1f} {row['val_accuracy']:7.4f}", flush=True)
        if len({row["parameters"] for runs in rows.values() for row in runs}) != 1:
            sys.exit("the two sides trained networks of other sizes")
        medians = {name: statistics.median(row["seconds"] for row in runs) for name, runs in rows.items()}
        print("median seconds: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in medians.items()))
        for name in ("pytorch tuned", "pytorch"):
            print(f"ratio of {network} to {name}: {medians[name] / medians['rung']:.2f}")


main()
