"""{title}. Written by `rung export`.

    import model
    net = model.load()        # reads model.safetensors beside this file; every tensor must fit
    logits = net({input}
    names = [model.CLASSES[i] for i in logits.argmax(1)]
"""

import pathlib

import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

CLASSES = [{classes}]

{constant}


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        {init}

    def forward(self, x):
        {forward}
        return x


def load(path=None):
    """The trained model in eval mode."""
    model = Model()
    state = load_file(path or pathlib.Path(__file__).with_name("model.safetensors"))
    model.load_state_dict(state, strict=True)
    return model.eval()
