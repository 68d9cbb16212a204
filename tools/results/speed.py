"How long a network takes for an image on this machine."
from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rssr.adaptive import Rounded
from rssr.models import (
    load_model,
)
from rssr.sweep import (
    Setting,
)
from rssr.unet import PRECISIONS, UNet


class Speed(NamedTuple):
    "Seconds that a network takes for an image on this machine, alone on it."
    forward: float        # a pass
    gradient: float       # a pass and its way back
    rounded: float        # the same in bfloat16

    def of(self, setting: Setting) -> tuple[float, float]:
        "Of a pass forward and of one backward, as `forecast` counts them."
        rounded = any(isinstance(attack, Rounded) for attack in setting.attacks)
        return self.forward, (self.rounded if rounded else self.gradient) - self.forward


@torch.no_grad()
def seconds_of(
    work: Callable[[Tensor], object],     # is given images
    device: str,                          # cpu, cuda, ...
) -> float:                               # for an image, the fastest of three times
    "How long a network is at work."
    y = torch.zeros(8, 3, 160, 160, device=device)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        work(y)
        times.append((time.perf_counter() - start)/len(y))
    return min(times[1:])


def measured_speed(
    device: str,                          # cpu, cuda, ...
) -> Speed:
    "Of this machine as it is now."
    f = load_model('x2_standard', device)
    assert isinstance(f, UNet)
    networks = {precision: f.folded(precision) for precision in PRECISIONS}

    def gradient(precision: str) -> Callable[[Tensor], object]:
        "A pass and its way back."
        def work(y: Tensor) -> object:
            y = y.clone().requires_grad_()
            with torch.enable_grad(): return networks[precision](y).square().sum().backward()
        return work

    works = (networks['float32'], gradient('float32'), gradient('bfloat16'))
    return Speed(*(seconds_of(work, device) for work in works))
