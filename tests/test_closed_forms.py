"""Bounds from many draws of a random image whose moments are known: they must come out as such."""
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from rssr.certification import (
    BOXES,
    CELLS,
    NAIVE,
    Affected,
    _spread,
    _within_budget,
    change_bound,
    drift_bound,
    estimate_bound,
    least_error,
    naive_quality_bound,
    pixel_bounds,
    quality_bound,
)
from rssr.draws import Part, Pixels, summary_of
from rssr.statistics import mean_distance

SPREAD = .01       # of the image, root mean square
ERROR = .05        # of its centre
LIMIT = 6*SPREAD   # no draw is larger
DRAWS = 200_000
ALPHA = .001


@pytest.fixture(scope='module')
def summary():
    """V = SPREAD xi everywhere, xi normal: one direction, in which the truth lies as well."""
    source = torch.manual_seed(0)
    pilot = torch.randn(4096, generator=source).clamp(-4, 4)
    image = torch.ones(3, 2, 2)
    part = Part(SPREAD*(pilot - pilot.mean()).view(-1, 1, 1, 1)*image, LIMIT, ERROR*image)
    for xi in torch.randn(DRAWS, generator=source).clamp(-6, 6).split(4000):
        part.add(SPREAD*xi.view(-1, 1, 1, 1)*image)
    return summary_of(part)


def test_a_draw_beyond_the_cut_counts_and_is_in_no_moment():
    pilot = torch.tensor([.4, .6]).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    part = Part(pilot)
    part.add(torch.cat([pilot, torch.ones(1, 3, 2, 2)]))
    s = summary_of(part)
    assert (s.n, s.beyond) == (3, 1) and part.cut == pytest.approx(.11, abs=1e-4)
    assert (s.trace, s.largest, s.centre) == pytest.approx((.02/3, .02/3, 0), abs=1e-6)
    assert s.fourth == pytest.approx(2e-4/3, rel=1e-3)
    assert s.sizes[-1] == pytest.approx(.5)


def moved(tail, t, top):
    "The largest mean of a scalar under a shift of t, from its tail probabilities."
    return quad(lambda v: norm.cdf(norm.ppf(tail(v)) + t), 0, top, limit=200)[0]


def size_tail(v):
    "Of |xi|."
    return 2*norm.sf(v)


@pytest.mark.parametrize('t', [.25, .5, 1.])
def test_each_way_to_bound_the_drift_is_its_formula(summary, t):
    ways = _spread(summary, ALPHA)
    expected = dict(
        about_the_centre=math.exp(t*t/2),
        over_the_mean=math.sqrt(math.expm1(t*t)),
        by_fourth_moment=math.exp(t*t/6)*3**.25)
    for name, value in expected.items():
        found = getattr(ways, name)(t)/SPREAD
        assert value <= found < value + .06, name
        assert t <= found                              # the drift itself
    least = min(*expected.values(), moved(size_tail, t, 6))
    assert t <= drift_bound(summary, t, ALPHA)/SPREAD < least + .06


def test_what_is_beyond_the_cut_is_paid_for(summary):
    often = summary._replace(beyond=DRAWS//100)
    for t in (0., 1.):
        known = float(norm.cdf(norm.ppf(.01) + t))*LIMIT
        change = change_bound(often, t, ALPHA) - change_bound(summary, t, ALPHA)
        assert change == pytest.approx(known + .01*LIMIT, rel=.1)
        assert _spread(often, ALPHA).beyond(t) == pytest.approx(known, rel=.1)


def test_the_change_is_its_formula(summary):
    for t in (.25, 1.):
        found = change_bound(summary, t, ALPHA)/SPREAD
        assert math.sqrt(math.expm1(t*t)) <= found < math.sqrt(math.expm1(t*t)) + .06


@pytest.mark.parametrize('t', [0., .25, .5, 1.])
def test_quality_is_its_formula(summary, t):
    linear = Affected(.02, ERROR + .02)
    drift = SPREAD*math.sqrt(math.expm1(t*t))
    square = linear.error**2 + 2*ERROR*SPREAD*t + 2*linear.change*drift + drift**2
    far = summary._replace(errors=[.5]*len(summary.errors), farthest=.5)   # naive: no better
    found = quality_bound(far, t, linear, ALPHA)
    assert math.sqrt(square) <= found < math.sqrt(square)*1.02

    def error_tail(v):
        "Of |ERROR + SPREAD xi|."
        return norm.sf((v - ERROR)/SPREAD) + norm.cdf((-v - ERROR)/SPREAD)

    naive = naive_quality_bound(summary, t, linear, ALPHA)
    value = linear.change + moved(error_tail, t, ERROR + LIMIT)
    assert value <= naive < value*1.02
    better = quality_bound(summary, t, linear, ALPHA)
    assert better == min(found, naive_quality_bound(summary, t, linear, NAIVE*ALPHA))


def test_no_draws_certify_less_than_the_error_that_is_there(summary):
    assert .98*ERROR < least_error(summary, ERROR, ALPHA) <= ERROR*1.001


@pytest.mark.parametrize('k', [20, 2000])
def test_an_estimate_of_k_draws_is_its_formula(summary, k):
    t = .5
    trace = moved(lambda v: size_tail(math.sqrt(v)), t, 36)*SPREAD**2
    largest = min(trace, math.exp(t*t/2)*math.sqrt(3)*SPREAD**2)
    sure = math.log(2/.05)
    top = summary.reach + math.sqrt(largest)
    along = math.sqrt(2*largest*sure/k) + top*sure/3/k
    around = mean_distance(trace, largest, summary.reach, k, .025)
    value = math.sqrt(ERROR**2 + 2*ERROR*along + around**2)
    found = estimate_bound(ERROR, summary, t, k, ALPHA, .05)
    assert value <= found*1.0001 and found < value*1.01
    draws = ERROR + SPREAD*(t + np.random.default_rng(0).standard_normal((2000, k)).mean(1))
    at_worst = estimate_bound(ERROR + SPREAD*t, summary, t, k, ALPHA, .05)
    assert (np.abs(draws) > at_worst).mean() <= .05


def squared_quantile(q, t):
    "Of the square of a uniform number whose normal score is moved by t."
    return norm.cdf(norm.ppf(q) + t)**2


CENTRES = {
    'B1': lambda t: quad(squared_quantile, 0, 1, args=(t,))[0],
    'B2': lambda t: quad(squared_quantile, 0, 1, args=(t,))[0],
    'B2-trimmed': lambda t: 2*quad(squared_quantile, .25, .75, args=(t,))[0],
    'B3': lambda t: squared_quantile(.5, t),
}
NEAR = {'B1': .09, 'B2': .065, 'B2-trimmed': .07, 'B3': .13}    # steps of levels, confidence


@pytest.fixture(scope='module')
def pixels():
    "Every value is the square of the same uniform number."
    source = torch.manual_seed(1)
    kept = Pixels(torch.rand(4096, 1, 1, 1, generator=source).square().expand(-1, 3, 2, 2))
    for u in torch.rand(DRAWS, generator=source).split(4000):
        kept.add(u.square().view(-1, 1, 1, 1).expand(-1, 3, 2, 2))
    return kept


@pytest.mark.parametrize('method', BOXES)
@pytest.mark.parametrize('t', [0., .3, 1.])
def test_an_interval_holds_the_worst_and_little_more(pixels, method, t):
    low, high = pixel_bounds(pixels, method, t, ALPHA)
    least, largest = CENTRES[method](-t), CENTRES[method](t)
    assert least - NEAR[method] < low.min() <= low.max() <= least
    assert largest <= high.min() <= high.max() < largest + NEAR[method]


STEPS = np.arange(1, CELLS + 1).reshape(-1, 1)/CELLS


def test_what_values_do_together_within_a_budget():
    "The square of what each does grows with its share of the budget: the sum is the budget."
    together = _within_budget(np.square(STEPS)*np.ones(1000), 1., .25)
    assert .5 <= together < .6


def test_a_value_that_jumps_costs_what_the_jump_costs():
    "Each jumps beyond 3/16 of the radius, and the budget is enough for half of them."
    jumps = (STEPS > 3/CELLS)*np.ones(1000)
    together = _within_budget(jumps, 1., .5*(3/CELLS)**2)
    assert .5 <= together**2 < .51
    assert _within_budget(jumps, 1., 1.) == pytest.approx(1)
