"""The floors: what the network passes of a work cost alone, in the best form known here."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rssr.core import part_sizes
from rssr.smoothing import fastest_batch
from rssr.units import Estimator


def forward_passes(
    f: Estimator,
    y: Tensor,  # one image (1, 3, h, w)
    count: int,
) -> Callable[[], None]:
    """`count` forward passes, in calls of the fastest size, without anything else."""
    size = fastest_batch(f, y)
    batches = [torch.randn(n, *y.shape[1:]) for n in part_sizes(count, size)]

    def run() -> None:
        with torch.no_grad():
            for batch in batches:
                f(batch)

    return run


def gradient_passes(
    f: Estimator,  # without parameter gradients
    y: Tensor,  # images (N, 3, h, w)
    gradients: int,
    forward: int = 0,  # passes without a gradient
) -> Callable[[], None]:
    """Passes forward and back to the input, all images in each."""

    def run() -> None:
        for _ in range(gradients):
            z = y.clone().requires_grad_()
            torch.autograd.grad(f(z).square().mean(), z)
        with torch.no_grad():
            for _ in range(forward):
                f(y)

    return run


def training_passes(
    f: torch.nn.Module,  # in training mode
    y: Tensor,  # crops (N, 3, h, w)
    precision: torch.dtype,
) -> Callable[[], None]:
    """One pass forward and back to the weights."""

    def run() -> None:
        f.zero_grad()
        with torch.autocast('cpu', precision, enabled=precision != torch.float32):
            out = f(y)
        out.float().square().mean().backward()

    return run
