"""Works that are timed in turn, so that a ratio compares what ran under the same conditions."""
from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Work:
    """Something to be timed, and what it is compared with."""

    name: str
    run: Callable[[], object]
    floors: Mapping[str, float | None] = field(default_factory=dict)  # other works, largest ratios


@dataclass(frozen=True)
class Timing:
    """One line of the table."""

    group: str
    work: str
    seconds: float  # median over the rounds
    fastest: float  # seconds
    slowest: float  # seconds
    rounds: int
    floor: str
    ratio: float | None  # to the floor: median of the ratios within a round
    goal: float | None

    @property
    def met(self) -> str:
        """Whether the goal is reached; '' if there is none."""
        if self.goal is None or self.ratio is None:
            return ''
        return 'yes' if self.ratio <= self.goal else 'no'


def seconds_of(work: Work) -> float:
    """Run it once."""
    start = time.perf_counter()
    work.run()
    return time.perf_counter() - start


def time_in_turn(
    group: str,
    works: Sequence[Work],
    rounds: int = 7,
) -> list[Timing]:
    """Run all works once, then `rounds` times in turn; a line for each and each of its floors."""
    for work in works:
        work.run()
    tries: dict[str, list[float]] = {work.name: [] for work in works}
    for _ in range(rounds):
        for work in works:
            tries[work.name].append(seconds_of(work))
    return [_line(group, work, floor, tries) for work in works for floor in work.floors or ['']]


def _line(
    group: str,
    work: Work,
    floor: str,  # one of its floors, or ''
    tries: dict[str, list[float]],  # seconds by work
) -> Timing:
    """What was measured of one work."""
    own = tries[work.name]
    ratio = None
    if floor:
        ratio = statistics.median(a / b for a, b in zip(own, tries[floor]))
    return Timing(group, work.name, statistics.median(own), min(own), max(own), len(own),
                  floor, ratio, work.floors.get(floor))
