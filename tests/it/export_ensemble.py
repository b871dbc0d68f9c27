"""Loads ensembles that `rung export` wrote in PyTorch and compares them with what `rung predict` said of the same samples.

usage: export_ensemble.py IMAGES FOLDER...

IMAGES is an IDX file; each FOLDER has ensemble.py, model.pt and the members' folders, and predictions.json, the JSON of
`rung predict`.
"""

import importlib.util
import json
import pathlib
import sys

import numpy
import torch

images, *folders = sys.argv[1:]
raw = numpy.fromfile(images, dtype=numpy.uint8)
count, height, width = (int.from_bytes(raw[at : at + 4].tobytes(), "big") for at in (4, 8, 12))
pixels = torch.from_numpy(raw[16:].copy()).reshape(count, 1, height, width).float()

CLOSE = 1e-5
seen = []


def close(one, other, what):
    worst = (one - other).abs().max().item()
    assert one.shape == other.shape and worst <= CLOSE, f"{what}: {one.shape} {other.shape} differ by {worst}"


for folder in map(pathlib.Path, folders):
    spec = importlib.util.spec_from_file_location("ensemble", folder / "ensemble.py")
    ensemble = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ensemble)
    net, traced = ensemble.load(), torch.jit.load(folder / "model.pt")
    assert not net.training and not traced.training
    said = json.load(open(folder / "predictions.json"))
    assert len(said) == count > 0 and all("logits" not in row for row in said)
    said_probabilities = torch.tensor([row["probabilities"] for row in said])
    with torch.no_grad():
        logits = net(pixels * ensemble.SCALE)
        close(logits.softmax(1), said_probabilities, f"{folder.name}: probabilities")
        for batch in (1, 3, 128):
            close(traced(pixels[:batch] * ensemble.SCALE).softmax(1), said_probabilities[:batch], f"{folder.name}, traced")
    assert [ensemble.CLASSES[i] for i in logits.argmax(1)] == [row["class"] for row in said]
    names = {f"member_{name.removeprefix('member-')}" for name, _ in ensemble.MEMBERS}
    assert {name.split(".")[0] for name in traced.state_dict()} == names
    seen.append(said_probabilities)
assert not torch.equal(seen[0], seen[1]), "votes that must differ are the same"
print("same")
