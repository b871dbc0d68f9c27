"""{title}. Written by `rung export`.

    import ensemble
    net = ensemble.load()     # reads the members' folders beside this file; every tensor must fit
    logits = net({input}
    names = [ensemble.CLASSES[i] for i in logits.argmax(1)]

What comes out is the logarithm of the vote's probabilities, so a softmax gives these.
"""

import importlib.util
import math
import pathlib

import torch
from torch import nn

CLASSES = [{classes}]

{constant}

# The members' folders, and how often each counts.
MEMBERS = [{members}]

# The least probability that a loss is computed from.
LEAST = 2.0**-126

# What fits the vote on validation.
TEMPERATURE = {temperature}


class Ensemble(nn.Module):
    def __init__(self, members):
        super().__init__()
        self.members = nn.ModuleList(members)

    def distribution(self, member, x):
        {distribution}

    def forward(self, x):
        said = torch.stack([self.distribution(member, x) for member in self.members])
        {vote}
        sharp = together.clamp_min(LEAST).log() / TEMPERATURE
        return sharp.log_softmax(1).clamp_min(math.log(LEAST)).to(x.dtype)


def member(folder):
    """The trained model of a member's folder."""
    spec = importlib.util.spec_from_file_location(folder.name.replace("-", "_"), folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()


def load(path=None):
    """The trained members in eval mode."""
    folder = pathlib.Path(path or pathlib.Path(__file__).parent)
    return Ensemble([member(folder / name) for name, _ in MEMBERS]).eval()
