"""Every folder of nbs/results again, from the shipped models:

    python -m tools.results IMAGENET_SAMPLE [--device cuda] [--only embedded,...] [--how-long]
    python -m tools.results IMAGENET_SAMPLE --set-aside

Photographs that are measured already are not measured again, so an interrupted run goes on. What
is there of a folder that is not whole yet lies under begun, where no table reads it; --set-aside
packs it into an archive, to be committed.
A finished folder keeps what was asked for and nothing else: rows of an older way of drawing, of
older networks or of an older version go. Hours on 2 CPU cores.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from tools.results.bar import fresh, fresh_attacked
from tools.results.certificates import (
    certificates_attacked,
    certificates_compared,
    curved,
    front,
    gained,
    looks,
    smoothed,
)
from tools.results.source import Source
from tools.results.speed import measured_speed
from tools.results.tables import SWEEPS, set_aside, sigma_g
from tools.results.trainings import average, linear, start

OTHERS = (certificates_compared, looks, front, certificates_attacked, start, average, linear,
          fresh, fresh_attacked, curved, smoothed, gained)


def say_how_long(
    source: Source,                       # photographs
    parts: list[Callable],                # of SWEEPS
) -> None:
    "Print what the sweeps would take from nothing, one folder a line."
    speed = measured_speed(source.device)
    hours = {folder.name: folder.hours(source, speed) for part in parts for folder in part()}
    print(f'an image takes {1e3*speed.forward:.1f} ms, with its gradient '
          f'{1e3*speed.gradient:.1f} ms, in bfloat16 {1e3*speed.rounded:.1f} ms')
    for name, needed in hours.items(): print(f'{name:16} {60*needed:6.0f} minutes from nothing')
    print(f'{"all sweeps":16} {60*sum(hours.values()):6.0f} minutes on one such process, less '
          'what is there already', flush=True)


def parser_of(
    names: list[str],                     # of the parts
) -> argparse.ArgumentParser:
    "What the command line may say."
    described = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=described)
    parser.add_argument('data', type=Path, help='ImageNet-sample, with train and val')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--only', default=','.join(names), help='some of the default')
    parser.add_argument('--how-long', action='store_true', help='predict the sweeps, and end')
    parser.add_argument('--set-aside', action='store_true', help='pack unfinished sweeps, and end')
    return parser


def compute(
    source: Source,                       # photographs
    wanted: list[str],                    # names of parts
) -> None:
    "What is asked for; the choices first, since the tables are made with them."
    if 'sigma_g' in wanted: sigma_g(source)
    for part in SWEEPS:
        if part.__name__ not in wanted: continue
        for folder in part(): folder.compute(source)
    for other in OTHERS:
        if other.__name__ in wanted: other(source)


def main(argv: list[str] | None = None) -> None:
    "Compute what the command line asks for."
    names = [part.__name__ for part in (sigma_g, *SWEEPS, *OTHERS)]
    parser = parser_of(names)
    args = parser.parse_args(argv)
    wanted = args.only.split(',')
    if unknown := set(wanted) - set(names): parser.error(f'no part {unknown.pop()}: {names}')
    source = Source(args.data, args.device, f'{args.data.resolve().name}/val')
    if args.set_aside:
        print('set aside:', *set_aside(source))
        return
    sweeps = [part for part in SWEEPS if part.__name__ in wanted]
    if sweeps: say_how_long(source, sweeps)
    if not args.how_long: compute(source, wanted)


if __name__ == '__main__': main()
