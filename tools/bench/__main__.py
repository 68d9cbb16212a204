"""Time the library and write nbs/results/speed: `python -m tools.bench [--data FOLDER]`."""
from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from .compiling import compiling
from .growth import curves, memory
from .linear import linear
from .losses import losses
from .team import team
from .timing import Timing, time_in_turn
from .training_curves import training_curves
from .works import groups

RESULTS = Path(__file__).resolve().parents[2] / 'nbs/results/speed'


def main(argv: Sequence[str] | None = None) -> None:
    """What is asked for, one table a part."""
    parser = argparse.ArgumentParser(prog='python -m tools.bench', description=__doc__)
    parser.add_argument('parts', nargs='*', help='some of the files that it writes; or all')
    parser.add_argument('--data', default='', help='folder of photographs, to read and to train on')
    parser.add_argument('--groups', default='', help='only these groups of timings, as a,b')
    parser.add_argument('--rounds', type=int, default=7, help='of each group')
    parser.add_argument('--images', type=int, default=16, help='photographs for losses')
    parser.add_argument('--out', type=Path, default=RESULTS, help='folder of the csv files')
    options = parser.parse_args(argv)
    makers = dict(timings=timings, growth=all_growth, memory=all_memory, losses=all_losses,
                  compiling=said(compiling), team=said(team), curves=all_curves,
                  linear=said(lambda: linear(options.data)))
    if not options.data:
        del makers['curves'], makers['linear']
    for part in options.parts or makers:
        if part not in makers:
            parser.error(f'{part!r} is no part, or needs --data: use one of {list(makers)}')
        lines = makers[part](options)
        table = pd.DataFrame(map(asdict, lines)).assign(**machine())
        write(table, options.out / f'{part}.csv', keep=bool(options.groups))


def machine() -> dict[str, Any]:
    """What all lines of a run share."""
    return dict(machine=processor(), threads=torch.get_num_threads(), torch=torch.__version__)


def processor() -> str:
    """Its name, and whether it multiplies matrices of bfloat16."""
    info = Path('/proc/cpuinfo')
    text = info.read_text() if info.exists() else ''
    named = [line.split(': ', 1)[1] for line in text.splitlines() if line.startswith('model name')]
    name = named[0] if named else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores{', AMX' if 'amx_bf16' in text else ''}"


def timings(options: argparse.Namespace) -> list[Timing]:
    """Every work in turn with its floor, printed as they come."""
    lines = []
    names = [name for name in options.groups.split(',') if name]
    for group, works in groups(options.data, names):
        for line in time_in_turn(group, works, options.rounds):
            print(told(line), flush=True)
            lines.append(line)
    return lines


def told(line: Timing) -> str:
    """A line of the table, for whoever waits."""
    text = f'{line.group:<14}{line.work:<46}{line.seconds:8.3f} s'
    if line.ratio is None:
        return text
    goal = f' (goal {line.goal:.2f}: {line.met})' if line.goal else ''
    return f'{text}  {line.ratio:5.2f} of {line.floor}{goal}'


def said(lines: Callable[[], Iterable]) -> Callable[[argparse.Namespace], list]:
    """What makes these lines, printed as they come."""
    def made(options: argparse.Namespace) -> list:
        found = []
        for line in lines():
            print(line, flush=True)
            found.append(line)
        return found

    return made


def all_curves(options: argparse.Namespace) -> list:
    """Trainings; each says itself how it goes."""
    return list(training_curves(options.data))


def all_growth(options: argparse.Namespace) -> list:
    """Growth, printed as it comes."""
    lines = []
    for points in curves():
        print(f'{points[0].work}: {points[0].grows} to the {points[0].exponent:.2f}', flush=True)
        lines += points
    return lines


def all_memory(options: argparse.Namespace) -> list:
    """Memory, printed."""
    lines = memory()
    for line in lines:
        print(f'{line.work:<40}{line.megabytes:8.0f} MB, {line.above:6.0f} above', flush=True)
    return lines


def all_losses(options: argparse.Namespace) -> list:
    """Losses, printed as they come."""
    lines = []
    for line in losses(options.images):
        print(f'{line.model} {line.attack}, {line.eps_rel}: error {line.ratio:.4f} '
              f'(worst photograph {line.least:.4f}), time {line.time:.2f}', flush=True)
        lines.append(line)
    return lines


def write(
    table: pd.DataFrame,
    path: Path,
    keep: bool,  # groups of an earlier run that this one did not time
) -> None:
    """One csv file, six digits a figure."""
    if keep and path.exists():
        old = pd.read_csv(path, keep_default_na=False)
        table = pd.concat([old[~old['group'].isin(table['group'])], table])
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format='%.6g')


if __name__ == '__main__':
    main()
