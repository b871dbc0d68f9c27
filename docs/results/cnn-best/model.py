"""Trial 0 of study paper-cnn-best-2-80: vgg, train_loss 0.3856 after 80 epochs. Written by `rung export`.

    import model
    net = model.load()        # reads model.safetensors beside this file; every tensor must fit
    logits = net(pixels)      # pixels: float, samples × 1 × 28 × 28, a byte times SCALE
    names = [model.CLASSES[i] for i in logits.argmax(1)]
"""

import pathlib

import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]

# What a pixel's byte is multiplied by.
SCALE = 1 / 255


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.block_1 = nn.Module()
        self.block_1.conv_0 = nn.Conv2d(1, 32, 3, padding=1, bias=False)
        self.block_1.norm_0 = nn.BatchNorm2d(32)
        self.block_1.conv_1 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.block_1.norm_1 = nn.BatchNorm2d(32)
        self.block_2 = nn.Module()
        self.block_2.conv_0 = nn.Conv2d(32, 64, 3, padding=1, bias=False)
        self.block_2.norm_0 = nn.BatchNorm2d(64)
        self.block_2.conv_1 = nn.Conv2d(64, 64, 3, padding=1, bias=False)
        self.block_2.norm_1 = nn.BatchNorm2d(64)
        self.block_3 = nn.Module()
        self.block_3.conv_0 = nn.Conv2d(64, 128, 3, padding=1, bias=False)
        self.block_3.norm_0 = nn.BatchNorm2d(128)
        self.block_3.conv_1 = nn.Conv2d(128, 128, 3, padding=1, bias=False)
        self.block_3.norm_1 = nn.BatchNorm2d(128)
        self.dense_0 = nn.Linear(128, 10)

    def forward(self, x):
        x = self.block_1.conv_0(x)
        x = self.block_1.norm_0(x)
        x = F.relu(x)
        x = self.block_1.conv_1(x)
        x = self.block_1.norm_1(x)
        x = F.relu(x)
        x = F.max_pool2d(x, 2)
        x = self.block_2.conv_0(x)
        x = self.block_2.norm_0(x)
        x = F.relu(x)
        x = self.block_2.conv_1(x)
        x = self.block_2.norm_1(x)
        x = F.relu(x)
        x = F.max_pool2d(x, 2)
        x = self.block_3.conv_0(x)
        x = self.block_3.norm_0(x)
        x = F.relu(x)
        x = self.block_3.conv_1(x)
        x = self.block_3.norm_1(x)
        x = F.relu(x)
        x = F.max_pool2d(x, 2)
        x = x.mean((2, 3))
        x = self.dense_0(x)
        return x


def load(path=None):
    """The trained model in eval mode."""
    model = Model()
    state = load_file(path or pathlib.Path(__file__).with_name("model.safetensors"))
    model.load_state_dict(state, strict=True)
    return model.eval()
