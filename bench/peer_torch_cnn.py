"""Trains one CNN on Fashion-MNIST with PyTorch on one thread; prints one line of JSON.

Arguments: the folder of the four gzip files, the network (cnn-4block or vgg-small), epochs, the seed, and `default` or
`tuned`: channels last and fused Adam.
"""

import gzip
import json
import os
import sys
import time

import numpy as np
import torch
from torch import nn

FOLDER, NETWORK, EPOCHS, SEED, HOW = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
BATCH, TRAINING = 128, 54_000
LAYOUT = torch.channels_last if HOW == "tuned" else torch.contiguous_format


def read(name, offset):
    with gzip.open(os.path.join(FOLDER, name + ".gz")) as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def blocks(widths, kernel, bias, dropout):
    layers, inputs = [], 1
    for width in widths:
        for _ in range(2):
            layers += [nn.Conv2d(inputs, width, kernel, padding=kernel // 2, bias=bias), nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
        layers += [nn.MaxPool2d(2), nn.Dropout(dropout)] if dropout else [nn.MaxPool2d(2)]
    return layers


def network():
    if NETWORK == "vgg-small":
        head = [nn.Linear(1152, 128), nn.ReLU(), nn.Linear(128, 10)]
        return nn.Sequential(*blocks([32, 64, 128], 3, False, None), nn.Flatten(), *head)
    head = [nn.Linear(576, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10)]
    return nn.Sequential(*blocks([32, 32, 64], 5, True, 0.3), nn.Flatten(), *head)


def begin(layer):
    """Weights as Rung's begin by default: Keras's."""
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


torch.set_num_threads(1)
torch.manual_seed(SEED)
images = torch.from_numpy(read("train-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).astype("float32") / 255)
labels = torch.from_numpy(read("train-labels-idx1-ubyte", 8).astype("int64"))
model = network().apply(begin).to(memory_format=LAYOUT)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=HOW == "tuned")
for _ in range(EPOCHS):
    start = time.perf_counter()
    model.train()
    for index in torch.randperm(TRAINING).split(BATCH):
        loss = nn.functional.cross_entropy(model(images[index].to(memory_format=LAYOUT)), labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        parts = images[TRAINING:].split(250)
        answers = torch.cat([model(part.to(memory_format=LAYOUT)).argmax(1) for part in parts])
    seconds = time.perf_counter() - start
print(
    json.dumps(
        {
            "seconds": seconds,
            "val_accuracy": (answers == labels[TRAINING:]).double().mean().item(),
            "parameters": sum(part.numel() for part in model.parameters()),
        }
    )
)
