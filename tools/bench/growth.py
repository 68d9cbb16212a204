"""How time and memory grow: with draws, with the size of an image, with the number of images."""
from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from rssr.attacks import Ascent, pgd
from rssr.core import seeded
from rssr.draws import observe
from rssr.models import load_model
from rssr.smoothing import Noise, smooth

from .timing import Work, seconds_of
from .works import THREAT, photographs


@dataclass(frozen=True)
class Growth:
    """One point of a curve, and the exponent of the curve."""

    work: str
    grows: str  # what is varied
    value: int
    seconds: float  # fastest of three
    exponent: float  # of seconds ~ value**exponent, over all points of the curve


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Slope of a straight line through the logarithms, by least squares."""
    logs = [(math.log(value), math.log(seconds)) for value, seconds in points]
    middle = sum(value for value, _ in logs) / len(logs)
    over = sum((value - middle) * seconds for value, seconds in logs)
    return over / sum((value - middle) ** 2 for value, _ in logs)


def curve(
    work: str,
    grows: str,
    make: Callable[[int], Callable[[], object]],  # what is timed, for a value
    values: Sequence[int],
) -> list[Growth]:
    """Time each value, the fastest of three after one that makes everything ready."""
    points = []
    for value in values:
        run = Work(work, make(value))
        tries = [seconds_of(run) for _ in range(4)]
        points.append((value, min(tries[1:])))
    slope = exponent(points)
    return [Growth(work, grows, value, seconds, slope) for value, seconds in points]


def curves() -> Iterator[list[Growth]]:
    """All of them."""
    f = load_model('x2_smoothing_0.1').folded()
    split = load_model('x2_split_0.5').folded()
    y, x = photographs(16)

    @torch.no_grad()
    def smoothed(k: int = 32, side: int = 160, images: int = 1) -> None:
        smooth(f, torch.randn(images, 3, side, side), Noise(.15, k))

    def attacked(images: int) -> None:
        pgd(f, y[:images], x[:images], THREAT, Ascent(3), generator=seeded(0, 'cpu'))

    def drawn(n: int) -> None:
        observe(split, y[:1], Noise(.5, n), x[:1], pilot=32)

    yield curve('smooth', 'draws k', lambda k: partial(smoothed, k), (16, 32, 64, 128))
    yield curve('smooth', 'side of the image', lambda side: partial(smoothed, 16, side),
                (80, 160, 320, 640))
    yield curve('smooth', 'images', lambda n: partial(smoothed, 16, 160, n), (1, 2, 4, 8))
    yield curve('pgd', 'images', lambda n: partial(attacked, n), (2, 4, 8, 16))
    yield curve('draws for a certificate', 'draws n', lambda n: partial(drawn, n),
                (128, 256, 512, 1024))


@dataclass(frozen=True)
class Memory:
    """Most memory that a process has held."""

    work: str
    megabytes: float  # 1e6 bytes, of a process that does this alone
    above: float  # the same above a process that has only loaded the network


_PREPARE = """
import torch
from rssr.models import load_model
from rssr.smoothing import Noise, smooth
from rssr.draws import observe
f = load_model('x2_split_0.5').folded()
y = torch.randn(1, 3, 160, 160)
torch.set_grad_enabled(False)
f(y)
"""
_WORKS = {
    'network loaded': '',
    'smooth, k = 50': 'smooth(f, y, Noise(.5, 50))',
    'smooth, k = 500': 'smooth(f, y, Noise(.5, 500))',
    'smooth, k = 50, image of 640x640': 'smooth(f, torch.randn(1, 3, 640, 640), Noise(.5, 50))',
    'draws for B7, n = 1,000': 'observe(f, y, Noise(.5, 1000), y)',
    'draws for B7, n = 4,000': 'observe(f, y, Noise(.5, 4000), y)',
}
_REPORT = '''
from pathlib import Path
lines = Path('/proc/self/status').read_text().splitlines()
print([line.split()[1] for line in lines if line.startswith('VmHWM')][0])
'''  # not getrusage: a new process begins with the peak of the one that started it


def memory() -> list[Memory]:
    """Each work in a process of its own."""
    megabytes = {name: _peak(_PREPARE + code + _REPORT) for name, code in _WORKS.items()}
    base = megabytes['network loaded']
    return [Memory(name, size, size - base) for name, size in megabytes.items()]


def _peak(code: str) -> float:
    """Peak of the resident memory of a process, 1e6 bytes."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, '-c', code], check=True, cwd=root, text=True,
                          stdout=subprocess.PIPE)
    return int(done.stdout) * 1024 / 1e6

