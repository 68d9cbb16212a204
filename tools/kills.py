"""Commands that something happens to while they work, begun again, compared with undisturbed ones:

    python -m tools.kills --times 40

So many tries in all, the kinds in turn: SIGKILL and SIGTERM at a moment of chance, a full disk, an
output folder that is removed or closed, too little memory. A try is lost if the run ends in more
than one line, leaves a torn file, or if the same command does not come to the same figures (to the
last digit) and weights (to the last bit) afterwards. The table goes to nbs/results/faults.csv.
"""
from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch

from rssr.core import write_file

from .faults import (
    KINDS,
    NO_MEMORY,
    NOBODY,
    Fault,
    Work,
    folders_of,
    torn,
    write_photographs,
)

TABLE = Path(__file__).resolve().parents[1]/'nbs'/'results'/'faults.csv'
LONGEST = 240.      # seconds that a run may take
FRESH = multiprocessing.get_context('forkserver')    # imports once
FRESH.set_forkserver_preload(['tools.faults'])


# ---------------------------------------------------------------- a run

def _run(
    work: Work,                          # what is done
    data: Path,                          # photographs
    out: Path,                           # output folder
    inside: Callable[[], object],        # done before
) -> None:
    "A command, in a process of its own whose words go to files."
    for number in (1, 2):
        words = os.open(f'{_words(out, os.getpid())}.{number}', os.O_CREAT | os.O_WRONLY, 0o666)
        os.dup2(words, number)
    os.environ['MPLCONFIGDIR'] = f'{data.parent}/matplotlib'
    torch.set_num_threads(1)
    inside()
    work.run(data, out)


def _words(
    out: Path,                           # output folder of a run
    pid: int | None,                     # of the run
) -> Path:
    "Where it says how it goes; what it says as an error goes to `.2`."
    return out.with_name(f'{out.name}.words.{pid}')


@dataclass(frozen=True)
class Ended:
    "How a run ended."
    status: int | None                   # of its process; None: it did not end in time
    said: str                            # on stderr
    seconds: float                       # that it took

    @property
    def fault(self) -> str:
        "'' if it ended well."
        if self.status == 0: return ''
        return f'exit status {self.status}: {self.said.strip() or "no word"}'


def _begin(
    work: Work,                          # what is done
    data: Path,                          # photographs
    out: Path,                           # output folder
    inside: Callable[[], object] = int,  # done before; nothing by default
) -> BaseProcess:
    "Start a run."
    run = FRESH.Process(target=_run, args=(work, data, out, inside))
    run.start()
    return run


def _end(
    run: BaseProcess,                    # a run
    out: Path,                           # its output folder
) -> Ended:
    "Wait until it has ended."
    begun = time.time()
    run.join(LONGEST)
    status = run.exitcode
    if status is None: run.kill()
    run.join()
    words = Path(f'{_words(out, run.pid)}.2')
    return Ended(status, words.read_text() if words.exists() else '', time.time() - begun)


# ---------------------------------------------------------------- a try

@dataclass(frozen=True)
class Undisturbed:
    "What an undisturbed run comes to and takes."
    figures: str                         # all that must be the same again
    seconds: float                       # that it took
    size: int                            # bytes of its files


def undisturbed(
    work: Work,                          # what is done
    data: Path,                          # photographs
) -> Undisturbed:
    "Run it once. RuntimeError if that fails."
    out = data.parent/f'{work.name} undisturbed'
    ended = _end(_begin(work, data, out), out)
    if ended.fault: raise RuntimeError(f'{work.name}: {ended.fault}')
    size = sum(path.stat().st_size for path in out.rglob('*') if path.is_file())
    return Undisturbed(work.figures(out), ended.seconds, size)


def _disturb(
    work: Work,                          # what is done
    fault: Fault,                        # what happens to it
    places: tuple[Path, Path],           # photographs, output folder
    truth: Undisturbed,                  # how long it takes
    share: float,                        # when, of that
) -> tuple:                              # whether it happened, and how all runs ended
    "One or more runs, to the first of which something happens."
    data, out = places
    runs = [_begin(work, data, out, partial(fault.inside, share, truth.size))]
    runs += [_begin(work, data, out) for _ in range(work.at_once - 1)]
    runs[0].join(share*truth.seconds)
    if struck := fault.outside is not None and runs[0].is_alive(): fault.outside(runs[0], out)
    ended = [_end(run, out) for run in runs]
    for folder in folders_of(out): folder.chmod(0o700)
    return struck or bool(ended[0].fault), *ended


class Outcome(NamedTuple):
    "What came of a try."
    struck: bool                         # whether the fault came before the run had ended
    lost: str                            # what was lost; '' if nothing was


def outcome(
    work: Work,                          # what is done
    fault: Fault,                        # what happens to it
    data: Path,                          # photographs
    truth: Undisturbed,                  # what it should come to
    share: float,                        # when it happens, of the time or of what is used
) -> Outcome:
    "Disturb a run, begin it again, and compare."
    out = data.parent/'disturbed'
    with _fresh_folder(out):
        struck, first, *others = _disturb(work, fault, (data, out), truth, share)
        found = [_of_words(fault, first), _of_files(torn(out))]
        others.append(_end(_begin(work, data, out), out))
        found += [f'it does not go on: {ended.fault}' for ended in others if ended.fault]
        if not others[-1].fault and not _alike(fault, work.figures(out), truth.figures):
            found.append('figures differ')
    return Outcome(struck, '; '.join(filter(None, found)))


def _alike(
    fault: Fault,                        # what happened
    now: str,                            # figures
    before: str,                         # figures of the undisturbed run
) -> bool:
    """Whether figures are the same, to the last digit; where memory was short, to a thousandth:
    a photograph that is measured alone is rounded otherwise than in company."""
    if fault is not NO_MEMORY: return now == before

    def short(text: str) -> str:
        return re.sub(r'\d+\.\d+', lambda number: f'{float(number[0]):.3f}', text)

    return short(now) == short(before)


def _of_words(
    fault: Fault,                        # what happened
    ended: Ended,                        # to this run
) -> str:                                # '' if that is well
    "What is wrong with what a run says at its end."
    if not ended.fault or not fault.says: return ''
    last = [line for line in ended.said.splitlines() if 'goes on with' not in line]
    well = 'Traceback' not in ended.said and len(last) <= 1
    return '' if well else f'it ends in more than a line: {ended.said}'


def _of_files(
    names: Sequence[str],                # of files that are not whole
) -> str:                                # '' if there are none
    "What is wrong with what a run leaves behind."
    return f"torn: {', '.join(names)}" if names else ''


@contextmanager
def _fresh_folder(
    out: Path,                           # does not exist
) -> Iterator[None]:
    "A folder that anybody may write to, which goes away with what lies beside it."
    out.mkdir()
    if os.getuid() == 0: os.chown(out, NOBODY, NOBODY)
    try:
        yield
    finally:
        shutil.rmtree(out, ignore_errors=True)
        for path in out.parent.glob(f'{out.name}.*'): path.unlink()


# ---------------------------------------------------------------- many tries

@contextmanager
def photographs() -> Iterator[Path]:
    "Photographs in a folder that anybody may use, and a server that has imported everything."
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        (Path(folder)/'matplotlib').mkdir()
        (Path(folder)/'matplotlib').chmod(0o777)
        first = FRESH.Process(target=int)
        first.start()
        first.join()
        yield write_photographs(Path(folder)/'photographs', 12)


def table(
    times: int,                                      # tries in all
    seed: int = 0,                                   # of the moments
    kinds: Sequence[tuple[Work, Fault]] = KINDS,     # what is done, and what happens to it
) -> pd.DataFrame:                                   # kind, tried, lost
    "Try the kinds in turn. What is lost is printed with its moment."
    names = [f'{work.name}: {fault.name}' for work, fault in kinds]
    rows = pd.DataFrame(dict(tried=0, lost=0), index=pd.Index(names, name='kind'))
    chance = random.Random(seed)
    with photographs() as data:
        truths = {work.name: undisturbed(work, data) for work in dict(kinds)}
        for i in range(times):
            name, (work, fault) = names[i % len(names)], kinds[i % len(names)]
            moment = chance.random()
            for share in (moment, moment/2, moment/4):   # sooner, if it came too late
                struck, why = outcome(work, fault, data, truths[work.name], share)
                if struck or why: break
            rows.loc[name] += pd.Series(dict(tried=struck or bool(why), lost=bool(why)))
            came = 'nothing lost' if struck else 'it came too late'
            print(f'{name} at {share:.2f}: {why or came}', flush=True)
    return rows.reset_index()


def main(
    argv: list[str] | None = None,       # arguments; the command line by default
) -> int:                                # 1 if anything was lost
    "Console command."
    described = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=described)
    parser.add_argument('--times', type=int, default=len(KINDS), help='tries in all')
    parser.add_argument('--seed', type=int, default=0, help='of the moments')
    parser.add_argument('--out', type=Path, default=TABLE, help='for the table')
    options = parser.parse_args(argv)
    found = table(options.times, options.seed)
    write_file(options.out, found.to_csv(index=False).encode())
    print(found.to_string(index=False))
    return int(found['lost'].any())


if __name__ == '__main__':
    sys.exit(main())
