"""Loads what `rung export` wrote in PyTorch and compares it with what `rung predict` said of the same samples.

usage: export.py FOLDER SAMPLES PREDICTIONS

FOLDER has model.py, model.safetensors and model.pt; SAMPLES is an IDX file, a CSV file where the model takes rows of a
table, or a RAW file of images, channel by channel; PREDICTIONS is the JSON of `rung predict`.
"""

import csv
import json
import sys

import numpy
import torch
from safetensors.torch import load_file

folder, samples, predictions = sys.argv[1:]
sys.path.insert(0, folder)
import model  # noqa: E402  (the exported one)

CLOSE = 1e-5


def close(one, other, what):
    worst = (one - other).abs().max().item()
    assert one.shape == other.shape and worst <= CLOSE, f"{what}: {one.shape} {other.shape} differ by {worst}"


def rows(path):
    with open(path, newline="") as file:
        return torch.tensor([[float(row[name]) for name in model.COLUMNS] for row in csv.DictReader(file)])


def images(path):
    raw = numpy.fromfile(path, dtype=numpy.uint8)
    count, height, width = (int.from_bytes(raw[at : at + 4].tobytes(), "big") for at in (4, 8, 12))
    return torch.from_numpy(raw[16:].copy()).reshape(count, 1, height, width).float() * model.SCALE


def raw(path):
    shape = json.load(open(f"{folder}/model.json"))["input"]
    pixels = torch.from_numpy(numpy.fromfile(path, dtype=numpy.uint8))
    return pixels.reshape(-1, shape["channels"], shape["height"], shape["width"]).float() * model.SCALE


taken = {"csv": rows, "idx": images, "raw": raw}[samples.rsplit(".", 1)[1]](samples)

net = model.load()
assert not net.training
with torch.no_grad():
    logits = net(taken)

said = json.load(open(predictions))
assert len(said) == len(taken) > 0
close(logits, torch.tensor([row["logits"] for row in said]), "logits")
close(logits.softmax(1), torch.tensor([row["probabilities"] for row in said]), "probabilities")
assert [model.CLASSES[i] for i in logits.argmax(1)] == [row["class"] for row in said]

traced = torch.jit.load(f"{folder}/model.pt")
assert not traced.training
state = load_file(f"{folder}/model.safetensors")
found = traced.state_dict()
assert found.keys() == state.keys(), found.keys() ^ state.keys()
assert all(torch.equal(found[name], state[name]) for name in state)
assert {name for name, _ in traced.named_parameters()} == {name for name, _ in net.named_parameters()}
with torch.no_grad():
    for batch in (1, 3, 128):
        close(traced(taken[:batch]), logits[:batch], f"the traced model's logits of {batch}")
    # What lies in memory in another order is the same.
    order = (0, 2, 3, 1) if taken.dim() == 4 else (1, 0)
    other = taken[:5].permute(order).contiguous().permute((0, 3, 1, 2) if taken.dim() == 4 else (1, 0))
    close(traced(other), logits[:5], "the traced model's logits of channels-last images")

# What is no parameter goes where the samples are, as `traced.to("cuda")` moves parameters and buffers alone.
graph = traced.inlined_graph
for node in graph.findAllNodes("prim::Constant"):
    constant = node.output()
    if constant.type().kind() == "TensorType" and constant.toIValue().dim() > 0:
        users = {use.user.kind() for use in constant.uses()}
        assert users == {"aten::type_as"}, f"{users} take a constant of {constant.toIValue().shape}"

# A weight more or less is noticed.
first = next(name for name, _ in net.named_parameters())
fewer = {name: tensor for name, tensor in state.items() if name != first}
for wrong in ({**state, "more.weight": torch.zeros(1)}, fewer):
    try:
        net.load_state_dict(wrong, strict=True)
    except RuntimeError:
        continue
    raise AssertionError("a wrong state dict was taken")
print("same")
