"""Whether a search that rounds to bfloat16 finds as much as one in full precision."""
from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rssr.adaptive import ATTACKS, AnyAttack, Rounded, pixel_error
from rssr.metrics import interval
from rssr.models import load_model
from rssr.operators import Threat
from rssr.smoothing import Noise, Smoothed

from .works import photographs

MODELS = ('x2_standard', 'x2_smoothing_0.1', 'x2_adversarial_0.05')
RADII = (.02, .1)
SMOOTHED = 'x2_smoothing_0.1'


@dataclass(frozen=True)
class Loss:
    """One attack on one model at one radius: error reached, bfloat16 over float32."""

    model: str
    attack: str
    eps_rel: float
    photographs: int
    ratio: float  # of the mean errors, both measured in float32
    half: float  # half of the 95% interval of the mean of the photographs' own ratios
    least: float  # ratio of the photograph that lost most
    time: float  # seconds, bfloat16 over float32


def losses(count: int) -> Iterator[Loss]:
    """The attacks on a network, and for one model those on its mean."""
    y, x = photographs(count)
    for name in MODELS:
        f = load_model(name).folded()
        for eps_rel in RADII:
            for attack in _of(name):
                g = Smoothed(f, Noise(.15, 50)) if attack.target == 'g' else f
                yield _compared(name, attack, g, y, x, Threat(eps_rel))


def _of(name: str) -> list[AnyAttack]:
    """The strongest set and the thesis's attack; those on the mean for one model only."""
    attacks = [*ATTACKS['thesis'], *ATTACKS['strongest']]
    return [a for a in attacks if a.target == 'f' or name == SMOOTHED]


def _compared(
    name: str,
    attack: AnyAttack,
    f: nn.Module,
    y: Tensor,
    x: Tensor,
    threat: Threat,
) -> Loss:
    """Both searches from the same starts with the same draws."""
    errors, seconds = [], []
    for search in (attack, Rounded(attack)):
        start = time.perf_counter()
        starts = [torch.Generator().manual_seed(i) for i in range(len(y))]
        z = search(f, y, x, threat, starts)
        seconds.append(time.perf_counter() - start)
        errors.append(_error(f, z, x))
    before, after = errors
    ratios = after / before
    return Loss(name, str(attack), threat.eps_rel, len(y),
                ratio=float(after.mean() / before.mean()), half=interval(ratios)[1],
                least=float(ratios.min()), time=seconds[1] / seconds[0])


@torch.no_grad()
def _error(f: nn.Module, z: Tensor, x: Tensor) -> Tensor:
    """In full precision; of a smoothed estimator on 50 draws that no attack has seen."""
    judge = f.redrawn(50, 12345) if isinstance(f, Smoothed) else f
    return pixel_error(judge(z), x)
