"""When torch.compile pays: what its first step takes, and what every other step saves."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Compiling:
    """One training step on 16 crops, seconds."""

    first: float  # with nothing compiled before
    compiled: float  # each step after it
    plain: float  # a step without compiling
    steps: float  # after which it has paid


_CODE = """
import json, time, torch
from rssr.recipe import TrainConfig
from rssr.training import _step, fresh_state
from rssr.core import BatchGenerator

def seconds(compile, steps=8):
    cfg = TrainConfig(sigma_f=.1, precision='bfloat16', compile=compile)
    state = fresh_state(cfg, '.')
    state.model.train()
    pixels, source, taken = torch.rand(16, 3, 160, 160), BatchGenerator(), []
    for _ in range(steps):
        start = time.perf_counter()
        _step(state, pixels, cfg, source)
        taken.append(time.perf_counter() - start)
    return taken[0], sorted(taken[1:])[len(taken)//2 - 1]

print(json.dumps([*seconds(True), seconds(False)[1]]))
"""


def compiling() -> Iterator[Compiling]:
    """In a process and with a cache of their own."""
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, '-c', _CODE], check=True, text=True, stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
            env=dict(os.environ, TORCHINDUCTOR_CACHE_DIR=cache))
    first, compiled, plain = json.loads(done.stdout.splitlines()[-1])
    yield Compiling(first, compiled, plain, (first - compiled) / (plain - compiled))
