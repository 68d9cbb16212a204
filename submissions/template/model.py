"An entry of the board: replace what stands here by your own estimator."
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad


class Sharpened(nn.Module):
    "What a blur of 3 x 3 pixels removes, once more."
    def __init__(
        self,
        strength: float = .5,     # how much of it is added
    ):
        super().__init__()
        self.strength = strength
        side = torch.tensor([.25, .5, .25])
        self.register_buffer('kernel', torch.outer(side, side).expand(3, 1, 3, 3))

    def forward(
        self,
        y: Tensor,                # lifted measurement (N, 3, h, w), normalised
    ) -> Tensor:                  # photograph (N, 3, h, w), normalised
        "The sharpened picture."
        blurred = conv2d(pad(y, [1, 1, 1, 1], 'reflect'), self.kernel, groups=3)
        return y + self.strength*(y - blurred)


def make() -> nn.Module:
    "The estimator that is entered."
    return Sharpened()
