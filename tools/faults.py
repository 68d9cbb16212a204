"""What `tools.kills` disturbs, and how: commands at their smallest, and faults."""
from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image
from safetensors import safe_open

from rssr.certified import rssr_certify
from rssr.certifying import read_certificates
from rssr.data import embedded_photographs
from rssr.evaluation import rssr_evaluate
from rssr.grid import GRID, rssr_grid
from rssr.recipe import TrainConfig
from rssr.sweep import read_results
from rssr.training import rssr_train

NOBODY = 65534
MODEL = 'x4_smoothed_0.005'


# ---------------------------------------------------------------- commands

@dataclass(frozen=True)
class Work:
    "A command with its smallest settings."
    name: str                                # of the row
    run: Callable[[Path, Path], object]      # given photographs and the output folder
    figures: Callable[[Path], str]           # all that must be the same again, of the folder
    at_once: int = 1                         # how many such processes work in one folder


def write_photographs(
    folder: Path,         # gets them; is made
    count: int,           # how many
) -> Path:                # the same
    "Larger than the crop, so that the place of each crop is part of what must be repeated."
    folder.mkdir()
    for i, image in enumerate(embedded_photographs(192).images[:count]):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder/f'{i}.png')
    return folder


def figures(
    rows: pd.DataFrame,   # as read_results and read_certificates give them
) -> pd.DataFrame:
    "Rows in an order of their own, without what differs from run to run."
    plain = rows.drop(columns=['run', 'seconds'])
    return plain.sort_values(list(plain.columns)).reset_index(drop=True)


def card_without_time(
    path: Path,           # of the card
) -> dict:
    "What must be the same again of a network besides its weights."
    card = json.loads(path.read_text())
    del card['seconds']
    return card


def evaluate_some(data: Path, out: Path) -> None:
    "Two photographs, one network, two radii."
    rssr_evaluate(['--data', f'{data}', '--out', f'{out}', '--models', MODEL, '--images', '2',
                   '--scale', '4', '--k', '2', '--attack-iterations', '2', '--eps-rel', '0,0.05'])


def certify_some(data: Path, out: Path) -> None:
    "Two photographs, two methods."
    rssr_certify(['--data', f'{data}', '--out', f'{out}', '--model', MODEL, '--images', '2',
                  '--n', '100', '--method', 'B6,B7'])


def train_some(data: Path, out: Path) -> None:
    "Three epochs."
    rssr_train(['--data', f'{data}', '--out', f'{out}', '--epochs', '3', '--batch-size', '4',
                '--sigma-f', '.1', '--ema', '.9'])


def train_two(data: Path, out: Path) -> None:
    "A grid of two lines, one of which starts from the other."
    first = TrainConfig('first', epochs=2, batch_size=4, lr=1e-3)
    second = TrainConfig('second', epochs=2, batch_size=4, lr=1e-3, init='first')
    GRID.clear()
    GRID.update(first=first, second=second)
    rssr_grid(['--models', '*', '--data', f'{data}', '--out', f'{out}', '--jobs', '2'])


def _rows_and_table(
    read: Callable[[Path], pd.DataFrame],    # of the folder
    out: Path,                               # folder
) -> str:
    "Rows to the last digit, and the table made of them."
    return figures(read(out)).to_csv(index=False) + (out/'table.md').read_text()


def _networks(
    out: Path,            # folder
) -> str:
    "Weights and cards."
    weights = {path.name: path.read_bytes().hex() for path in out.glob('*.safetensors')}
    cards = {path.name: card_without_time(path) for path in out.glob('*.json')}
    return json.dumps([weights, cards], sort_keys=True)


EVALUATION = Work('rssr_evaluate', evaluate_some, partial(_rows_and_table, read_results))
TWO = Work('two rssr_evaluate in one folder', evaluate_some, EVALUATION.figures, at_once=2)
CERTIFICATION = Work('rssr_certify', certify_some, partial(_rows_and_table, read_certificates))
TRAINING = Work('rssr_train', train_some, _networks)
THE_GRID = Work('rssr_grid', train_two, _networks)


# ---------------------------------------------------------------- faults

def _nothing(*_: object) -> None:
    "Do nothing."


@dataclass(frozen=True)
class Fault:
    "Something that goes wrong."
    name: str                                            # of the row
    outside: Callable[[BaseProcess, Path], object] | None = None    # done to a run and its folder
    inside: Callable[[float, int], object] = _nothing    # done in the run before it begins, given
                                                         # a share and the bytes it will write
    says: bool = True                                    # whether the run can still say a word


def _send(
    number: int,          # of a signal
    run: BaseProcess,     # gets it
    out: Path,            # its folder
) -> None:
    "Send a signal."
    assert run.pid
    os.kill(run.pid, number)


def _remove(run: BaseProcess, out: Path) -> None:
    "Delete the output folder."
    shutil.rmtree(out, ignore_errors=True)


def folders_of(out: Path) -> list[Path]:
    "The output folder and those in it."
    return [path for path in (out, *out.rglob('*')) if path.is_dir()]


def _close(run: BaseProcess, out: Path) -> None:
    "Nothing can be written to the output folder any more."
    for folder in folders_of(out): folder.chmod(0o500)


def _become_nobody(share: float, size: int) -> None:
    "Root would not be kept out."
    embedded_photographs()                 # imports what nobody may not read
    if os.getuid() == 0: os.setuid(NOBODY)


def _fill_the_disk(
    share: float,         # of what will be written
    size: int,            # bytes that will be written
) -> None:
    "The disk is full when a share has been written, in the midst of a file."
    left = share*size
    really = os.fsync

    def fsync(fd: Any) -> None:
        nonlocal left
        left -= os.fstat(fd).st_size
        if left < 0:
            os.ftruncate(fd, os.fstat(fd).st_size//2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really(fd)

    os.fsync = fsync


def limit_memory(
    more: int,            # bytes that this process may take from here on
) -> None:
    "What asks for more is refused."
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    most = pages*resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _lack_memory(share: float, size: int) -> None:
    "What two photographs take is of this order."
    limit_memory(int(share*2**27))


KILLED = Fault('killed (SIGKILL)', partial(_send, signal.SIGKILL), says=False)
TERMINATED = Fault('terminated (SIGTERM)', partial(_send, signal.SIGTERM))
REMOVED = Fault('output folder removed', _remove)
CLOSED = Fault('permission to write lost', _close, _become_nobody)
DISK_FULL = Fault('disk full', inside=_fill_the_disk)
NO_MEMORY = Fault('too little memory', inside=_lack_memory)

KINDS = [
    *((work, fault) for work in (EVALUATION, CERTIFICATION, TRAINING, THE_GRID, TWO)
      for fault in (KILLED, TERMINATED)),
    *((work, fault) for fault in (DISK_FULL, REMOVED, CLOSED, NO_MEMORY)
      for work in (EVALUATION, CERTIFICATION, TRAINING)),
]


# ---------------------------------------------------------------- what is left behind

def torn(
    out: Path,            # folder of a run that has ended
) -> list[str]:           # names of files
    "Files under their final names that are not whole."
    found = []
    for path in out.rglob('[!.]*.*'):
        try:
            if path.suffix == '.json': json.loads(path.read_bytes())
            if path.suffix == '.safetensors': safe_open(path, 'pt').__enter__()
            if path.suffix == '.png': Image.open(path).load()
        except Exception:
            found.append(path.name)
    return found
