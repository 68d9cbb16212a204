"""Whether a faster way to train learns the same: validation curves, epoch by epoch."""
from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn

from rssr.data import Photographs, find_images, holdout
from rssr.recipe import TrainConfig
from rssr.training import train

CROPS = 240  # a fifteenth of an epoch of the grid's longest runs: enough to see a difference
NOISE = TrainConfig('noise', sigma_f=.1, lr=5e-3, precision='bfloat16', epochs=4)
ADVERSARY = TrainConfig('adversary', eps_rel=.05, init='x2_standard', lr=1e-3, epochs=4,
                        attack_iterations=3, precision='bfloat16')


@dataclass(frozen=True)
class Point:
    """One epoch of one training."""

    recipe: str
    way: str  # how it was trained
    seed: int
    epoch: int
    loss: float  # of training
    psnr: float  # of validation, dB; under noise for the recipe with noise
    seconds: float  # of the epoch, validation included


def training_curves(data: str) -> Iterator[Point]:
    """The recipes in each way, with two seeds: a difference of seeds is what to compare with."""
    files, held_out = holdout(find_images(data, 'train'))
    for seed in (0, 1):
        for recipe, way, config in _ways(seed):
            photos = Photographs(files[:CROPS], crop='random', flip=True, seed=seed)
            yield from _trained(recipe, way, config, photos, Photographs(held_out))


def _ways(seed: int) -> Iterator[tuple[str, str, TrainConfig]]:
    """Recipe, way and configuration."""
    noise = replace(NOISE, seed=seed)
    adversary = replace(ADVERSARY, seed=seed)
    yield 'noise', 'plain', noise
    yield 'noise', 'compiled', replace(noise, compile=True)
    yield 'adversary', 'attack on the network', adversary
    yield 'adversary', 'attack on a folded copy', adversary


def _trained(
    recipe: str,
    way: str,
    config: TrainConfig,
    photos: Photographs,
    held_out: Photographs,
) -> Iterator[Point]:
    """The points of one training."""
    folder = Path(tempfile.mkdtemp())
    before = way == 'attack on the network'
    if before:
        with patch('rssr.recipe._for_attack', as_it_was):
            f = train(config, photos, held_out, folder)
    else:
        f = train(config, photos, held_out, folder)
    shutil.rmtree(folder)
    mean = f.card['seconds'] / config.epochs
    for epoch, row in enumerate(f.card['history'], 1):
        yield Point(recipe, way, config.seed, epoch, row['loss'], row['psnr'], mean)


def as_it_was(f: nn.Module, config: TrainConfig) -> Callable[[Tensor], Tensor]:
    """The network in evaluation mode, neither folded nor stored in bfloat16."""
    g = copy.deepcopy(f).eval().requires_grad_(False)

    def answer(y: Tensor) -> Tensor:
        with torch.autocast('cpu', torch.bfloat16, enabled=config.precision == 'bfloat16'):
            return g(y).float()

    return answer

