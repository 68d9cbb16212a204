"""Broken files for whatever reads files: photographs, cards, weights, results, certificates.

    python -m tools.fuzz --minutes 60          try for an hour
    python -m tools.fuzz --again FILE          what one of the files it found does

A case is a valid file in which chance has changed something. It may be read, or refused by an
exception that the reader declares. Anything else, five seconds, a gigabyte or a crash is a
finding, and its file is kept. The seed that is printed makes the same cases again.
"""
from __future__ import annotations

import argparse
import multiprocessing
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .faults import limit_memory
from .fuzz_readers import READERS, Reader

NUMBERS = (b'0', b'-1', b'1e999', b'-1e308', b'NaN', b'Infinity', b'2147483648', b'9'*30, b'1.5')
WORDS = (*NUMBERS, b'""', b'null', b'true', b'[]', b'{}', b'[[]]', b'"\\ud800"', b'['*100_000)
BYTES = (b'\0', b'\xff', b'\x7f', b'\x80', b'\n', b'\r', b'"', b',')
MEMORY = 2**30      # bytes that reading one file may take


# ---------------------------------------------------------------- a broken file

def _span(
    chance: random.Random,    # is asked where
    raw: bytes,               # a file
) -> tuple[int, int]:         # first byte and the one behind the last
    "A part of a file, short more often than long."
    start = chance.randrange(len(raw) + 1)
    return start, min(len(raw), start + int(2**chance.uniform(0, 12)))


def _word(
    chance: random.Random,    # is asked which
    raw: bytes,               # a file, with numbers and words between , : [ ] { } and line breaks
) -> bytes:
    "The file with one of its words changed for an interesting one."
    ends = [-1, *[i for i, byte in enumerate(raw) if byte in b',:[]{}\n'], len(raw)]
    i = chance.randrange(len(ends) - 1)
    return raw[:ends[i] + 1] + chance.choice(WORDS) + raw[ends[i+1]:]


def _changed(
    chance: random.Random,    # is asked how and where
    raw: bytes,               # a file
    other: bytes,             # another valid one of its kind
) -> bytes:
    "The file with one change."
    start, end = _span(chance, raw)
    cut, stop = _span(chance, other)
    return chance.choice((
        lambda: raw[:start] + bytes([chance.randrange(256)]) + raw[start + 1:],
        lambda: raw[:start] + chance.choice(BYTES)*chance.choice((1, 2, 4, 8)) + raw[end:],
        lambda: raw[:start] + raw[end:],
        lambda: raw[:start],
        lambda: raw[:end] + raw[start:],
        lambda: raw[:start] + other[cut:stop] + raw[end:],
        lambda: _word(chance, raw),
        lambda: _word(chance, raw),
    ))()


def broken(
    seeds: Sequence[bytes],   # valid files of one kind
    chance: random.Random,    # is asked everything
) -> bytes:
    "One of them with a few changes."
    raw = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        raw = _changed(chance, raw, chance.choice(seeds))
    return raw


# ---------------------------------------------------------------- one case

def _is_of_memory(
    fault: BaseException | None,    # an exception, or what it came from
) -> bool:
    "Whether memory had run out when it was raised."
    if fault is None: return False
    if isinstance(fault, MemoryError) or 'allocate memory' in str(fault): return True
    return _is_of_memory(fault.__context__)


def fault_of(
    reader: Reader,           # what reads
    raw: bytes,               # the file
    folder: Path,             # where it may stand
) -> str:                     # '' if it was read, or refused as declared
    "What is wrong with how a file is read: kind of exception and where it was raised."
    try:
        reader.read(folder, raw)
    except Exception as e:
        if isinstance(e, reader.declared) and not _is_of_memory(e): return ''
        own = [frame for frame in traceback.extract_tb(e.__traceback__) if 'rssr' in frame.filename]
        kind = 'memory' if _is_of_memory(e) else type(e).__name__
        return f'{kind} in {own[-1].name if own else "its reader"}'
    return ''


# ---------------------------------------------------------------- many cases

@dataclass(frozen=True)
class Plan:
    "What is tried."
    readers: dict[str, Reader]    # by name
    seed: int                     # of all cases
    seconds: float                # for all of them
    cases: int                    # at most so many
    each: float                   # seconds that one may take
    out: Path                     # gets the files that were found

    def case(self, number: int) -> tuple[str, bytes]:
        "Name of the reader and the file, of one case."
        name = sorted(self.readers)[number % len(self.readers)]
        chance = random.Random(f'{self.seed} {number}')
        return name, broken(self.readers[name].seeds(), chance)

    def keep(self, number: int, fault: str) -> None:
        "Write the file of a case, unless one with the same fault is there."
        name, raw = self.case(number)
        label = f'{name}-{fault}'.replace(' ', '_')
        if [*self.out.glob(f'{label}-*')]: return
        path = self.out/f'{label}-{self.seed}-{number}'
        path.write_bytes(raw)
        print(f'{name}: {fault}: python -m tools.fuzz --again {path}', flush=True)


def work(
    plan: Plan,               # what is tried
    first: int,               # number of the first case
    at: Path,                 # file that says which case is being read
    until: float,             # when to stop, by time.time()
) -> None:
    "Try case after case. A case that takes too long ends the process."
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with tempfile.TemporaryDirectory() as folder:
        plan.case(first)                              # what is made once is made
        limit_memory(MEMORY)
        for number in range(first, plan.cases):
            if time.time() > until: return
            name, raw = plan.case(number)
            at.write_text(f'{number}')
            signal.setitimer(signal.ITIMER_REAL, plan.each)
            fault = fault_of(plan.readers[name], raw, Path(folder))
            signal.setitimer(signal.ITIMER_REAL, 0)
            if fault: plan.keep(number, fault)


def fuzz(
    plan: Plan,               # what is tried
) -> int:                     # cases
    "Try for so long, in a process that is begun again when a case ends it."
    until = time.time() + plan.seconds
    plan.out.mkdir(parents=True, exist_ok=True)
    fresh = multiprocessing.get_context('forkserver')
    fresh.set_forkserver_preload(['tools.fuzz_readers'])
    at = plan.out/'at'
    tried = 0
    while tried < plan.cases and time.time() < until:
        worker = fresh.Process(target=work, args=(plan, tried, at, until))
        worker.start()
        worker.join()
        tried = int(at.read_text()) + 1
        if worker.exitcode: plan.keep(tried - 1, _end_of(worker.exitcode))
    at.unlink()
    return tried


def _end_of(
    exitcode: int,            # of a process that a case ended
) -> str:
    "What happened to it."
    if exitcode == -signal.SIGALRM: return 'hang'
    return signal.Signals(-exitcode).name if exitcode < 0 else f'exit status {exitcode}'


# ---------------------------------------------------------------- the command

def _again(
    path: Path,               # a file that was found
) -> int:                     # 1 if it still is a finding, and the traceback says where
    "Read one file once more."
    reader = READERS[path.name.split('-')[0]]
    limit_memory(MEMORY)
    with tempfile.TemporaryDirectory() as folder:
        fault = fault_of(reader, path.read_bytes(), Path(folder))
        print(fault or 'read, or refused as declared')
        if fault: reader.read(Path(folder), path.read_bytes())
    return int(bool(fault))


def main(
    argv: list[str] | None = None,    # arguments; the command line by default
) -> int:                             # 1 if something was found
    "Console command."
    described = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=described)
    parser.add_argument('--minutes', type=float, default=1.)
    parser.add_argument('--cases', type=int, default=10**9, help='at most so many')
    parser.add_argument('--seed', type=int, default=time.time_ns() % 10**6)
    parser.add_argument('--only', default=','.join(READERS), help='readers, comma-separated')
    parser.add_argument('--out', type=Path, default=Path('runs/fuzz'), help='for what it finds')
    parser.add_argument('--again', type=Path, help='a file that was found')
    options = parser.parse_args(argv)
    if options.again: return _again(options.again)
    readers = {name: READERS[name] for name in options.only.split(',')}
    print(f'seed {options.seed}', flush=True)
    plan = Plan(readers, options.seed, 60*options.minutes, options.cases, 5., options.out)
    cases = fuzz(plan)
    found = len([*options.out.iterdir()])
    print(f'{cases} cases, {found} findings in {options.out}')
    return int(bool(found))


if __name__ == '__main__':
    sys.exit(main())
