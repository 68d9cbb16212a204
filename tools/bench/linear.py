"""What the bar costs: fit, worst case and certificate of a learned linear map."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rssr.data import Crops, Photographs, batches, find_images, holdout, open_photographs
from rssr.grid import PLAYERS
from rssr.linear import (
    LearnedLinear,
    TrustRegion,
    fit_linear,
    fit_minimax,
    patch_moments,
    squared_norm,
)
from rssr.operators import Downsampling, Threat, pair
from rssr.units import STD

SIGMA = .05            # noise of the fit, normalised units
THREAT = Threat(.01)
JUDGED = 60            # photographs whose worst case is sought


@dataclass(frozen=True)
class Stage:
    """Seconds of one part of the work."""

    scale: int  # upsampling factor
    stage: str
    photographs: int  # that it takes
    seconds: float


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and how long that took."""
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


def linear(data: str) -> Iterator[Stage]:
    """Every stage at both scales, photographs read from their files."""
    files, _ = holdout(find_images(data, 'train'))
    judged = open_photographs(data, 'val', images=JUDGED)
    for scale in (2, 4):
        yield from stages(files, judged, Downsampling(scale))


def stages(
    files: list[Path],  # to fit on
    judged: Photographs | Crops,
    operator: Downsampling,
) -> Iterator[Stage]:
    """One scale."""
    scale = operator.scale
    players = open_photographs(files, images=PLAYERS)
    moments, seconds = timed(lambda: patch_moments(Photographs(files), operator))
    yield Stage(scale, 'moments of patches', len(files), seconds)
    f, seconds = timed(lambda: fit_linear(moments, operator, SIGMA))
    yield Stage(scale, 'fit with noise', len(files), seconds)
    _, seconds = timed(lambda: certified(f, judged, operator))
    yield Stage(scale, 'worst cases and certificates', JUDGED, seconds)
    _, seconds = timed(lambda: fit_minimax(players, operator, f, THREAT))
    yield Stage(scale, 'the game', PLAYERS, seconds)


def certified(
    f: LearnedLinear,
    judged: Photographs | Crops,
    operator: Downsampling,
) -> list[tuple[float, float]]:
    """Squared error of each photograph at its worst, and what no change exceeds."""
    found: list[tuple[float, float]] = []
    squared = 0.
    for _, p in batches(judged, 20):
        y, x = pair(p, operator)
        squared = squared or squared_norm(f, y.shape[1:], STD, slack=2e-3)
        worst = TrustRegion(f, y, x, STD).worst(THREAT.radius(y.shape[1:]), squared)
        found += zip(worst.reached.tolist(), worst.bound.tolist())
    return found
