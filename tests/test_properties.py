"""What must hold for every input, tried on inputs that hypothesis makes up: the same ones each
time, so that a run that passed passes again."""
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binom

from rssr.attacks import Ball
from rssr.core import content_hash, derived_seed, parse_numbers
from rssr.draws import BLOCK, block_seeds
from rssr.linear import Interpolation, interpolation_matrix
from rssr.metrics import interval, paired
from rssr.operators import Downsampling, degrade, resize_matrix
from rssr.recipe import TrainConfig, learning_rate
from rssr.rows import JobFolder, Layout, add_job, publish, read_rows, turns
from rssr.statistics import (
    bernstein,
    half_mass_radius,
    sample_levels,
    shift,
    shifted_mean,
    upper_mean,
    upper_probability,
)
from rssr.units import STD, grey_levels, normalise, norms, radius, to_pixels

settings.register_profile('same each time', derandomize=True, deadline=None, max_examples=100,
                          database=None)
settings.load_profile('same each time')


# ---------------------------------------------------------------- what is tried

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 9)
WIDER = st.integers(2, 9)       # PyTorch resizes to a single column wrongly
RADII = st.floats(1e-3, 1e3)
SMALL = st.just(0.) | st.floats(1e-9, 10)
ALPHAS = st.floats(1e-6, .5)
SCALES = st.sampled_from((1, 2, 3, 4))
KERNELS = st.sampled_from(('bilinear', 'bicubic'))


@st.composite
def tensors(draw, largest=1e3):
    "Two images (2, 3, h, w) in float64, of a size between 1e-3 and `largest`."
    generator = torch.Generator().manual_seed(draw(SEEDS))
    shape = (2, 3, draw(SIDES), draw(SIDES))
    size = 10**draw(st.floats(-3, math.log10(largest)))
    return size*torch.randn(shape, generator=generator, dtype=torch.float64)


@st.composite
def operators(draw):
    "A degradation and photographs (2, 3, h, w) that it takes, pixels in float64."
    operator = Downsampling(draw(SCALES), draw(KERNELS))
    h, w = draw(WIDER)*operator.scale, draw(WIDER)*operator.scale
    generator = torch.Generator().manual_seed(draw(SEEDS))
    return operator, torch.rand(2, 3, h, w, generator=generator, dtype=torch.float64)


def like(x, seed):
    "Normal values of the same shape."
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(x.shape, generator=generator, dtype=x.dtype)


# ---------------------------------------------------------------- units

@given(tensors(), RADII)
def test_normalising_and_back_changes_nothing_in_range(e, size):
    pixels = e.sigmoid()
    assert (to_pixels(normalise(pixels)) - pixels).abs().max() < 1e-6
    assert to_pixels(size*e).min() >= 0
    assert to_pixels(size*e).max() <= 1


@given(SMALL, SMALL, SIDES, SIDES)
def test_a_radius_grows_with_eps_and_is_the_norm_of_an_even_change(a, b, h, w):
    shape = (3, h, w)
    e = torch.full((1, *shape), a, dtype=torch.float64)
    for norm in ('l2', 'linf'):
        assert math.isclose(radius(a, shape, norm), float(norms(e, norm)), rel_tol=1e-9)
        assert radius(min(a + b, 10), shape, norm) >= radius(a, shape, norm)


@given(st.floats(1e-6, 10))
def test_grey_levels_are_the_root_mean_square_of_an_even_change(eps_rel):
    pixels = 255*eps_rel*STD.double()
    assert math.isclose(grey_levels(eps_rel), float(pixels.square().mean().sqrt()), rel_tol=1e-5)


# ---------------------------------------------------------------- balls

@given(tensors(), RADII, st.sampled_from(('l2', 'linf')), SEEDS)
def test_a_projection_lies_inside_stays_and_is_the_nearest_point(e, eps, norm, seed):
    ball = Ball(eps, norm)
    p = ball.project(e)
    assert norms(p, norm).max() <= eps*(1 + 1e-9)
    torch.testing.assert_close(ball.project(p), p, rtol=1e-9, atol=0)
    inside = norms(e, norm).flatten() <= eps
    assert torch.equal(p[inside], e[inside])
    other = ball.project(p + eps*like(e, seed)/10)                # somewhere else in the ball
    assert (norms(p - e) <= norms(other - e)*(1 + 1e-9)).all()


@given(tensors(), RADII, SEEDS)
def test_a_direction_has_norm_one_and_none_climbs_faster(e, eps, seed):
    for norm in ('l2', 'linf'):
        ball = Ball(eps, norm)
        d = ball.direction(e)
        torch.testing.assert_close(norms(d, norm), torch.ones(2, 1, 1, 1, dtype=e.dtype))
        near = e + e.std()*like(e, seed)
        other = near/norms(near, norm)
        climbs = (d*e).sum((1, 2, 3))
        assert (climbs >= (other*e).sum((1, 2, 3)) - 1e-9*climbs.abs()).all()


@given(tensors(), RADII, SEEDS)
def test_a_random_point_lies_inside_and_is_that_of_its_generator(y, eps, seed):
    for norm in ('l2', 'linf'):
        first, again = (
            Ball(eps, norm).random_point(y, torch.Generator().manual_seed(seed)) for _ in range(2)
        )
        assert norms(first, norm).max() <= eps*(1 + 1e-9)
        assert torch.equal(first, again)
    on_sphere = Ball(eps).on_sphere(y, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(norms(on_sphere), torch.full((2, 1, 1, 1), eps, dtype=y.dtype))


# ---------------------------------------------------------------- degradation

@given(operators(), SEEDS)
def test_the_adjoint_is_the_transpose(case, seed):
    operator, x = case
    y = like(operator.A(x), seed)
    there, back = (operator.A(x)*y).sum(), (x*operator.A_adjoint(y)).sum()
    assert abs(there - back) <= 1e-9*(norms(operator.A(x))*norms(y)).sum()


@given(operators())
def test_a_pseudo_inverse_gives_what_was_measured_and_is_the_smallest(case):
    operator, x = case
    y = operator.A(x)
    smallest = operator.A_dagger(y)
    torch.testing.assert_close(operator.A(smallest), y, rtol=1e-7, atol=1e-9)
    assert (norms(smallest) <= norms(x)*(1 + 1e-9)).all()


@given(operators(), st.floats(-100, 100))
def test_what_is_flat_stays_flat_and_measuring_is_linear(case, grey):
    operator, x = case
    flat = torch.full_like(x, grey)
    torch.testing.assert_close(degrade(flat, operator), flat, rtol=1e-9, atol=1e-9)
    both = degrade(grey*x + flat, operator)
    torch.testing.assert_close(both, grey*degrade(x, operator) + flat, rtol=1e-9, atol=1e-6)


@given(operators())
def test_measuring_agrees_with_pil_within_a_grey_level(case):
    operator, x = case
    grey = (255*x[0]).round().byte()
    picture = Image.fromarray(grey.permute(1, 2, 0).numpy())
    size = (x.shape[-1]//operator.scale, x.shape[-2]//operator.scale)
    theirs = np.asarray(picture.resize(size, getattr(Image.Resampling, operator.kernel.upper())))
    ours = operator.A(grey[None].double())[0].permute(1, 2, 0).numpy().clip(0, 255)
    assert np.abs(ours - theirs).max() <= 1 + 1e-6


@given(st.integers(1, 12), st.integers(1, 12), KERNELS)
def test_rows_of_a_resize_sum_to_one(n_in, n_out, kernel):
    assert np.allclose(resize_matrix(n_in, n_out, kernel).sum(1), 1)


# ---------------------------------------------------------------- interpolation

@given(st.sampled_from((2, 4)), st.integers(2, 6), SEEDS)
def test_the_projection_is_one_and_leaves_every_interpolated_image(scale, m, seed):
    P = interpolation_matrix(m*scale, scale, 'projection')
    assert torch.allclose(P @ P, P, atol=1e-9)
    assert torch.allclose(P, P.T, atol=1e-9)
    x = torch.rand(1, 3, m*scale, m*scale, dtype=torch.float64,
                   generator=torch.Generator().manual_seed(seed))
    y = degrade(x, Downsampling(scale))
    torch.testing.assert_close(Interpolation(scale, 'projection')(y), y, rtol=0, atol=1e-9)
    small = Interpolation(scale, 'lowres')(y)                     # the measurement, recovered
    torch.testing.assert_close(small, Downsampling(scale).A(x), rtol=0, atol=1e-9)


# ---------------------------------------------------------------- statistics

@given(st.integers(1, 400), st.data(), ALPHAS, ALPHAS)
def test_a_bound_of_a_probability_is_above_the_frequency_and_moves_the_right_way(n, data, a, b):
    k = data.draw(st.integers(0, n))
    bound = upper_probability(k, n, a)
    assert k/n <= bound <= 1
    assert upper_probability(min(k + 1, n), n, a) >= bound
    assert upper_probability(k, n, min(a, b)) >= upper_probability(k, n, max(a, b))
    if k < n: assert math.isclose(binom.cdf(k, n, bound), a, rel_tol=1e-6)


@given(st.floats(0, 1), st.integers(2, 10**6), ALPHAS, ALPHAS)
def test_bounds_of_a_mean_are_above_it_and_fall_with_draws_and_error(mean, n, a, b):
    bound = upper_mean(mean, n, a)
    assert mean - 1e-9 <= bound <= 1
    assert upper_mean(mean, 2*n, a) <= bound + 1e-9
    assert upper_mean(mean, n, min(a, b)) >= upper_mean(mean, n, max(a, b)) - 1e-9
    variance = mean*(1 - mean)
    assert 0 < bernstein(variance, 2*n, a) < bernstein(variance, n, a)
    assert bernstein(0, n, a) <= bernstein(variance, n, a)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(0, 5), st.floats(0, 5))
def test_shifts_are_ordered_and_shifting_back_undoes_them(p, t, more):
    assert shift(p, 0) == pytest.approx(p)
    assert shift(p, -t) <= p + 1e-12
    assert p - 1e-12 <= shift(p, t) <= shift(p, t + more) <= 1
    if t < 2: assert shift(shift(p, t), -t) == pytest.approx(p, rel=1e-4)


@given(SEEDS, st.integers(2, 300), st.floats(0, 2), st.floats(0, 2), ALPHAS)
def test_a_mean_under_shift_is_above_the_sample_below_the_top_and_grows(seed, n, t, more, alpha):
    h = np.random.default_rng(seed).random(n)
    levels = sample_levels(h)
    bound = shifted_mean(levels, n, 1., t, alpha)
    assert h.mean() <= bound + 1e-9
    assert bound <= shifted_mean(levels, n, 1., t + more, alpha) + 1e-9 <= 1 + 2e-9
    assert bound <= shifted_mean(levels, n, 2., t, alpha) + 1e-9  # a higher top allows more


@given(SEEDS, st.integers(1, 300), st.floats(0, 2), st.floats(0, 2), ALPHAS)
def test_a_ball_of_half_the_mass_holds_half_of_the_sample_and_grows(seed, n, t, more, alpha):
    distances = np.random.default_rng(seed).random(n)
    found = half_mass_radius(distances, t, alpha)
    assert found >= np.median(distances) or n < 3
    assert found <= half_mass_radius(distances, t + more, alpha)


@settings(max_examples=6)
@given(st.floats(.02, .98), st.sampled_from((20, 200)), st.sampled_from((.02, .2)), SEEDS)
def test_bounds_fail_no_more_often_than_they_may(p, n, alpha, seed):
    seen = np.random.default_rng(seed).binomial(n, p, 4000)
    may = alpha + 4*math.sqrt(alpha/len(seen))
    assert (upper_probability(seen, n, alpha) < p).mean() <= may
    assert (upper_mean(seen/n, n, alpha) < p).mean() <= may
    spread = bernstein(seen*(n - seen)/n/(n - 1), n, alpha)
    assert (seen/n + spread < p).mean() <= may
    if p < .9: assert (seen/n < p).mean() > may                   # the frequency is no bound


@given(SEEDS, st.integers(2, 50), st.floats(-1e3, 1e3))
def test_an_interval_moves_with_its_values_and_pairs_do_not_depend_on_order(seed, n, by):
    rng = np.random.default_rng(seed)
    a, b = (pd.Series(rng.normal(size=n), index=[f'{i}' for i in range(n)]) for _ in range(2))
    mean, half = interval(a)
    assert a.min() <= mean <= a.max()
    assert half > 0
    assert interval(a + by) == pytest.approx((mean + by, half), abs=1e-9)
    assert interval(3*a) == pytest.approx((3*mean, 3*half))
    there = paired(a, b.sample(frac=1, random_state=seed % 1000))
    assert there == pytest.approx(paired(a, b))
    assert paired(b, a) == pytest.approx((-there[0], there[1]))


# ---------------------------------------------------------------- the rate

SHARES = st.floats(0, 1) | st.sampled_from((0., .25 - 5e-7, 1.))       # onecycle turns at .25


@given(st.sampled_from(('cosine', 'onecycle', 'constant')), st.floats(1e-6, 1), SHARES)
def test_a_learning_rate_is_never_above_its_highest_nor_below_zero(schedule, lr, done):
    cfg = TrainConfig(schedule=schedule, lr=lr)
    assert 0 <= learning_rate(cfg, done) <= lr*(1 + 1e-12)
    step = abs(learning_rate(cfg, min(done + 1e-6, 1)) - learning_rate(cfg, done))
    assert step < 1e-5*lr                                         # it does not jump
    ends = learning_rate(cfg, 1)
    assert ends == (lr if schedule == 'constant' else pytest.approx(0, abs=1e-12))


# ---------------------------------------------------------------- numbers, hashes, seeds

FLOATS = st.floats(allow_nan=False)


@given(st.lists(FLOATS, min_size=1))
def test_numbers_that_were_written_are_read_again(numbers):
    assert parse_numbers(','.join(map(repr, numbers))) == tuple(numbers)
    assert parse_numbers(numbers) == tuple(numbers)


@given(st.text())
def test_text_is_a_list_of_numbers_or_a_value_error_that_quotes_it(text):
    try:
        numbers = parse_numbers(text)
    except ValueError as e:
        assert repr(text) in str(e)
    else:
        assert len(numbers) == 1 + text.count(',')


PARTS = st.binary() | st.text()


@given(st.lists(PARTS, max_size=4), st.lists(PARTS, max_size=4))
def test_other_parts_have_another_hash(parts, others):
    found = content_hash(*parts)
    assert found == content_hash(*parts)
    assert len(found) == 16 and int(found, 16) >= 0
    assert (found == content_hash(*others)) == (parts == others)


@given(tensors(), st.sampled_from((torch.float16, torch.float32, torch.float64)))
def test_a_hash_knows_shape_and_kind_and_not_memory(x, kind):
    x = x.to(kind)
    assert content_hash(x) == content_hash(x.mT.clone().mT)       # other strides
    assert content_hash(x) != content_hash(x.flatten())
    assert content_hash(x) != content_hash(x.view(torch.uint8))
    changed = x.clone()
    changed.view(torch.uint8).view(-1)[-1] ^= 1
    assert content_hash(x) != content_hash(changed)


@given(SEEDS, st.integers(0, 300), st.integers(0, 300))
def test_seeds_of_blocks_are_different_and_more_blocks_change_none(seed, count, more):
    seeds = block_seeds(seed, count)
    assert len(set(seeds)) == count
    assert all(0 <= s < 2**32 for s in seeds)
    assert block_seeds(seed, count + more)[:count] == seeds
    assert derived_seed(seed, count) == derived_seed(seed, count) != derived_seed(seed, count, 1)


def test_a_block_is_of_the_size_that_certificates_were_made_with():
    assert BLOCK == 32


# ---------------------------------------------------------------- rows

LAYOUT = Layout(
    name='rows', no_job='no job', command='no command', identity=('model', 'seed', 'content'),
    columns=('run', 'model', 'seed', 'photograph', 'content', 'psnr', 'data'),
    in_rows=('photograph', 'content', 'psnr'),
    text=('run', 'model', 'photograph', 'content', 'data'), whole=('seed',), known_by='model')
NAMES = st.text(st.characters(exclude_categories=('Cs',)), min_size=1)
NAMES |= st.sampled_from(('NA', 'nan', 'None', '001', '1e3', ' '))     # no numbers, not missing
FIGURES = st.floats() | st.sampled_from((math.inf, -math.inf, math.nan, 5e-324, .1 + .2))


@st.composite
def jobs(draw):
    "A job as commands write it: what is shared, and rows of photographs with figures."
    photographs = draw(st.dictionaries(NAMES, FIGURES, min_size=1, max_size=5))
    rows = [dict(photograph=name, content=content_hash(name), psnr=figure)
            for name, figure in photographs.items()]
    shared = dict(model=draw(NAMES), seed=draw(st.integers(0, 2**31)), data=draw(NAMES))
    return dict(**shared, rows=rows)


def came_back(job, table):
    "Whether a table holds exactly the rows of a job: text as text, numbers to the last digit."
    wanted = pd.DataFrame([{c: job[c] for c in ('model', 'seed', 'data')} | row
                           for row in job['rows']])
    columns = [*wanted.columns]
    pd.testing.assert_frame_equal(
        table[columns].sort_values('content', ignore_index=True),
        wanted.sort_values('content', ignore_index=True), check_exact=True, check_dtype=False)
    assert table['seed'].dtype == int
    assert table['psnr'].dtype == float


@settings(max_examples=40)
@given(jobs())
def test_rows_come_back_exactly_from_jobs_and_from_published_files(tmp_path_factory, job):
    folder = tmp_path_factory.mktemp('rows')
    kept = JobFolder(folder, LAYOUT)
    for _ in turns(kept, dict(job=job)): add_job(kept, job)
    came_back(job, read_rows(folder, LAYOUT))
    asked = {c: job[c] for c in ('model', 'seed')} | dict(content=job['rows'][0]['content'])
    assert asked in JobFolder(folder, LAYOUT)
    assert [path.suffix for path in kept.jobs.iterdir()] == ['.json']
    publish(read_rows(folder, LAYOUT), folder/'published', LAYOUT)
    came_back(job, read_rows(folder/'published', LAYOUT))


@given(st.lists(st.sampled_from('abcdef'), unique=True), st.data())
def test_each_job_has_its_turn_once_those_that_others_began_last(tmp_path_factory, names, data):
    kept = JobFolder(tmp_path_factory.mktemp('turns'), LAYOUT)
    begun = data.draw(st.sets(st.sampled_from(names))) if names else set()
    for name in begun: (kept.jobs/f'{name}.taken').touch()
    order = list(turns(kept, {name: name for name in names}))
    own = [name for name in names if name not in begun]
    assert order == own + [name for name in names if name in begun]
    assert not list(kept.jobs.iterdir())
