"""What training one network by two processes changes, beside training it by one."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rssr.core import write_file
from rssr.data import Crops, embedded_photographs
from rssr.recipe import TrainConfig
from rssr.training import _epoch, fresh_state, launched

HARD = dict(sigma_f=.1, eps_rel=.05, attack_iterations=1, draw='uniform', loss='relative')


@dataclass(frozen=True)
class Setting:
    """What is trained on the embedded photographs."""

    name: str
    side: int  # of a crop, pixels
    batch_size: int  # crops, shared by all processes
    recipe: dict  # more fields of TrainConfig


SETTINGS = (
    Setting('residual', 160, 8, {}),
    Setting('residual, noise and attack', 160, 8, HARD),
    Setting('residual, noise and attack', 64, 8, HARD),
    Setting('residual, noise and attack', 64, 4, HARD),
    Setting('direct', 64, 8, dict(residual=False)),
)


@dataclass(frozen=True)
class Shared:
    """One epoch of one setting."""

    network: str
    side: int  # of a crop, pixels
    crops: int  # of each of the two processes
    epoch: int
    alone: float  # loss of one process
    shared: float  # loss of two
    differs: float  # relative difference


def losses(setting: Setting) -> list[float]:
    """Of two epochs, in this process or as one of a team."""
    images = embedded_photographs(setting.side).images
    photos = Crops(images, [str(i) for i in range(len(images))])
    cfg = TrainConfig('m', epochs=2, batch_size=setting.batch_size, **setting.recipe)
    with launched('cpu'):
        state = fresh_state(cfg, '.')
        for _ in range(cfg.epochs):
            state.history.append(dict(loss=_epoch(state, cfg, photos, 'cpu')))
    return [row['loss'] for row in state.history]


def _of_two(setting: Setting) -> list[float]:
    """The same by two processes, as torchrun starts them."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'losses.json'
        launch = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2', '-m']
        subprocess.run([*launch, 'tools.bench.team', json.dumps(asdict(setting)), str(out)],
                       check=True, cwd=Path(__file__).resolve().parents[2],
                       env=dict(os.environ, OMP_NUM_THREADS='1'))
        return json.loads(out.read_text())


def team() -> Iterator[Shared]:
    """All settings."""
    for setting in SETTINGS:
        for epoch, (one, two) in enumerate(zip(losses(setting), _of_two(setting)), 1):
            yield Shared(setting.name, setting.side, setting.batch_size // 2, epoch, one, two,
                         abs(two / one - 1))


if __name__ == '__main__':
    write_file(sys.argv[2], json.dumps(losses(Setting(**json.loads(sys.argv[1])))).encode())
