"""The first B7 of this book, from the same draws as today's: what the later proofs have gained."""
from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rssr.certification import Affected
from rssr.draws import Summary
from rssr.statistics import shift, upper_mean, upper_probability

LEVELS = 64


def mean_under_shift(
    h: NDArray,        # draws, (n,)
    top: float,        # none can be larger
    t: float,          # eps/sigma
    alpha: float,      # probability of error
) -> float:
    "With levels at ranks that fall by a constant factor, and half of alpha for the last."
    values = np.sort(h)
    n = len(values)
    ranks = np.geomspace(1, n - 1, LEVELS - 1).round().astype(int)
    above = np.append(np.unique(ranks)[::-1], 0)
    others = len(above) - 1
    alphas = np.append(np.full(others, alpha/2/others), alpha/2)
    levels = values[n - 1 - above]
    steps = np.diff(levels, append=max(top, levels[-1]))
    return float(levels[0] + steps @ shift(upper_probability(above, n, alphas), t))


def drift(
    s: Summary,        # of all draws
    first: Summary,    # of the first 512, whose eigenvalue it is
    t: float,          # eps/sigma
    alpha: float,      # probability of error
) -> float:
    "From the second moment about the pilot's centre."
    escape = float(upper_probability(s.beyond, s.n, alpha/2))
    mean = min(first.largest/s.cut**2, 1)
    moment = s.cut**2*float(upper_mean(mean, first.n, alpha/2))
    within = math.exp(min(t*t, 500.)/2)*math.sqrt(moment)
    return min(within + float(shift(escape, t))*s.reach, s.reach)


def first_quality_bound(
    projections: NDArray,  # of all draws, (n,)
    s: Summary,            # of them
    first: Summary,        # of the first 512
    t: float,              # eps/sigma
    linear: Affected,      # what the linear part does
    alpha: float,          # probability of error
) -> float:                # root mean square, pixels
    "Upper bound of ||g(y+e) - x||, as it was."
    scalar = mean_under_shift(projections, s.top, t, alpha/2)
    moved = drift(s, first, t, alpha/2)
    square = linear.error**2 + 2*scalar + 2*linear.change*moved + moved**2
    return math.sqrt(max(square, 0.))
