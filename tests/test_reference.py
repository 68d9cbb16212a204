"Attack and smoothing against other methods: scipy's optimizers, dense eigenvectors, quadrature."
import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize

from rssr.adaptive import Attack
from rssr.attacks import Ascent, pgd
from rssr.linear import Interpolation, linear_worst_case
from rssr.metrics import mse
from rssr.operators import Threat
from rssr.smoothing import Noise, Smoothed, smooth
from rssr.units import norms, radius


def generator(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def uniform(*shape, seed):
    "Between -1/2 and 1/2."
    return torch.rand(*shape, generator=generator(seed), dtype=torch.float64) - .5


# ---------------------------------------------------------------- pgd

def onto_l2_ball(u):
    "All of space onto the open unit ball."
    return u/(1 + u.square().sum()).sqrt()


BALL = dict(l2=onto_l2_ball, linf=torch.tanh)


def by_scipy(
    f,           # estimator
    y,           # one input (1, 3, h, w), float64
    x,           # its truth
    threat,      # eps_rel and norm
    starts=3,    # of L-BFGS
):
    "The largest loss that L-BFGS finds for one image, over unbounded variables."
    eps = threat.radius(y.shape[1:])

    def loss_and_gradient(variables):
        u = torch.tensor(variables, requires_grad=True)
        loss = mse(f(y + eps*BALL[threat.norm](u).view_as(y)), x).sum()
        loss.backward()
        return -loss.item(), -u.grad.numpy()

    rng = np.random.default_rng(0)
    found = []
    for _ in range(starts):
        start = rng.normal(size=y.numel())
        result = minimize(
            loss_and_gradient, start, jac=True, method='L-BFGS-B', options=dict(maxiter=100)
        )
        found.append(-result.fun)
    return max(found)


def each_by_scipy(f, y, x, threat):
    return torch.tensor([by_scipy(f, y[i:i+1], x[i:i+1], threat) for i in range(len(y))])


@pytest.mark.parametrize('norm', ['l2', 'linf'])
def test_pgd_finds_what_lbfgs_finds(norm):
    torch.manual_seed(0)
    into = torch.nn.Conv2d(3, 6, 3, padding=1)
    out_of = torch.nn.Conv2d(6, 3, 3, padding=1)
    f = torch.nn.Sequential(into, torch.nn.Tanh(), out_of).double()
    y = normal(2, 3, 8, 8, seed=1)
    x = normal(2, 3, 8, 8, seed=2)
    threat = Threat(.3, norm)
    z = pgd(f, y, x, threat, Ascent(iterations=200, restarts=4), generator=generator(3))
    with torch.no_grad():
        ours = mse(f(z), x)
        clean = mse(f(y), x)
    best = each_by_scipy(f, y, x, threat)
    assert (best > 1.1*clean).all()                       # else the comparison would mean little
    assert (norms(z - y, norm) <= threat.radius((3, 8, 8))*(1 + 1e-9)).all()
    assert (ours >= .99*best).all()


def cubes_by_hand(
    start,        # input, flat
    truth,        # flat
    eps,          # radius
    falling,      # whether the step falls to zero
    memory,       # share of the last direction that is kept
):
    "The worst of six iterates of an ascent on f(z) = z^3: five steps of .7 eps."
    e = np.zeros(48)
    heading = np.zeros(48)
    losses = []
    iterates = []
    for i in range(6):
        z = start + e
        losses.append(np.mean((z**3 - truth)**2))
        iterates.append(e)
        grad = (z**3 - truth)*z**2
        heading = memory*heading + grad/np.linalg.norm(grad)
        length = .7*eps*(1 - i/5 if falling else 1)
        e = e + length*heading/np.linalg.norm(heading)
        e = e*min(1, eps/np.linalg.norm(e))
    return iterates[np.argmax(losses)]


@pytest.mark.parametrize('schedule, memory', [('fixed', 0.), ('linear', 0.), ('linear', .6)])
def test_pgd_takes_the_steps_that_it_states(schedule, memory):
    y = normal(1, 3, 4, 4, seed=1)
    x = normal(1, 3, 4, 4, seed=2)
    eps = radius(.3, (3, 4, 4))
    start = y.numpy().ravel()
    truth = x.numpy().ravel()
    expected = cubes_by_hand(start, truth, eps, schedule == 'linear', memory)
    ascent = Ascent(5, .7, schedule, random_start=False, memory=memory)
    found = pgd(lambda z: z**3, y, x, Threat(.3), ascent) - y
    assert found.numpy().ravel() == pytest.approx(expected, abs=1e-9)


# ---------------------------------------------------------------- linear_worst_case

class Separable:
    "y -> A y B^T, with a matrix for each side of the input."

    def __init__(self, matrices):
        self.matrices = matrices

    def matrix(self, n):
        return self.matrices[n]

    def __call__(self, y):
        return self.matrix(y.shape[-2]) @ y @ self.matrix(y.shape[-1]).T


def dense_worst_case(
    f,        # with a matrix
    y,        # one input (3, h, w), float64
    x,        # its truth
    eps,      # radius
):
    """The largest ||f(y+e) - x||^2 over ||e|| <= eps, from the whole matrix of f and its
    eigenvectors (More and Sorensen 1983)."""
    rows, columns = [f.matrix(n).numpy() for n in y.shape[-2:]]
    A = np.kron(np.eye(3), np.kron(rows, columns))
    error = A @ y.numpy().ravel() - x.numpy().ravel()
    w, V = np.linalg.eigh(A.T @ A)
    slope = V.T @ (A.T @ error)
    top = w.max()
    below = w < top - 1e-9*(top + 1e-300)

    def step(lam):
        return np.divide(slope, lam - w, out=np.zeros_like(slope), where=below | (lam > top))

    def too_long(lam):
        return np.linalg.norm(step(lam)) - eps

    nothing_along_the_top = np.abs(slope[~below]).max() < 1e-12
    if nothing_along_the_top and too_long(top) < 0:       # the hard case:
        e = step(top)
        e[-1] += np.sqrt(eps**2 - e @ e)                  # what is left goes along the top
    else:
        low = top + np.linalg.norm(slope[~below])/eps*.999
        high = top + np.linalg.norm(slope)/eps*1.001
        e = step(brentq(too_long, low, high, xtol=1e-14))
    return np.sum((A @ V @ e + error)**2)


def each_dense(f, y, x, eps):
    return [dense_worst_case(f, y[i], x[i], eps) for i in range(len(y))]


def squared_errors(f, z, x):
    return (f(z) - x).square().flatten(1).sum(1).tolist()


def random_matrix(m, n, rank, seed):
    return normal(m, rank, seed=seed) @ normal(rank, n, seed=seed + 1)


SHAPES = {  # sides of the output, and ranks
    'full rank': ((8, 6), (8, 6)),
    'rank-deficient': ((8, 6), (3, 2)),
    'to a smaller image': ((4, 3), (4, 3)),
}


@pytest.mark.parametrize('sides, ranks', SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize('eps_rel', [.01, 1.])
def test_linear_worst_case_is_the_worst(sides, ranks, eps_rel):
    rows = random_matrix(sides[0], 8, ranks[0], 0)
    columns = random_matrix(sides[1], 6, ranks[1], 2)
    f = Separable({8: rows, 6: columns})
    y = normal(3, 3, 8, 6, seed=4)
    x = normal(3, 3, *sides, seed=5)
    eps = radius(eps_rel, (3, 8, 6))
    z = linear_worst_case(f, y, x, Threat(eps_rel))
    assert norms(z - y).flatten().tolist() == pytest.approx([eps]*3, rel=1e-9)
    assert squared_errors(f, z, x) == pytest.approx(each_dense(f, y, x, eps), rel=1e-9)


def test_linear_worst_case_where_the_residual_has_no_part_along_the_top():
    f = Separable({8: torch.diag(torch.tensor([3., 2, 1, 1, 1, 1, 1, 0], dtype=torch.float64))})
    y = normal(2, 3, 8, 8, seed=0)
    y[:, :, 0, 0] = 0                                     # in this basis the top direction
    x = torch.zeros_like(y)
    z = linear_worst_case(f, y, x, Threat(2.))
    expected = each_dense(f, y, x, radius(2., (3, 8, 8)))
    assert squared_errors(f, z, x) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('kind', ['identity', 'bicubic'])
def test_linear_worst_case_of_a_flat_photograph(kind):
    f = Interpolation(2, kind)
    x = torch.full((1, 3, 16, 16), .5)    # its bilinear input is exact: no residual to start from
    largest = float(torch.linalg.matrix_norm(f.matrix(16), 2))**2    # singular value, both sides
    found = float(mse(f(linear_worst_case(f, x, x, Threat(.1))), x))
    assert found == pytest.approx((.1*largest)**2, rel=1e-3)


# ---------------------------------------------------------------- smooth

def steep(z):
    return torch.tanh(5*z)


def test_smooth_is_the_integral():
    y = uniform(4, 3, 8, 8, seed=0)      # where f is not flat: a mean of rare jumps is not normal
    noise = Noise(.3, 2000, generator(1), batch=36)
    mean, error = smooth(steep, y, noise, error=True)
    nodes, weights = np.polynomial.hermite.hermgauss(200)
    seen = np.tanh(5*(y.numpy()[..., None] + 2**.5*.3*nodes))
    exact = (seen*weights).sum(-1)/np.pi**.5
    off = ((mean.numpy() - exact)/error.numpy()).ravel()
    assert np.abs(off).max() < 5
    assert .8 < np.mean(off**2) < 1.2    # 768 values: the reported error is of the right size


# ---------------------------------------------------------------- attack on a smoothed estimator

def steep_mean(z):
    "The mean of `steep` under noise of .3, by quadrature."
    nodes, weights = [torch.from_numpy(v) for v in np.polynomial.hermite.hermgauss(100)]
    return (steep(z[..., None] + 2**.5*.3*nodes)*weights).sum(-1)/np.pi**.5


def test_the_adaptive_attack_finds_what_lbfgs_finds_on_the_exact_mean():
    y = uniform(2, 3, 8, 8, seed=1)
    x = uniform(2, 3, 8, 8, seed=2)
    g = Smoothed(steep, Noise(.3))
    ours = {}
    for target in 'fg':
        attack = Attack(target, Ascent(100, 2., 'linear'), draws=16)
        z = attack(g, y, x, Threat(.2), generator=generator(3))
        ours[target] = mse(steep_mean(z), x)
    best = each_by_scipy(steep_mean, y, x, Threat(.2))
    assert (best > 1.1*mse(steep_mean(y), x)).all()
    assert (ours['g'] >= .99*best).all()
    assert (ours['g'] <= best*(1 + 1e-6)).all()
    assert (ours['g'] > ours['f']).all()  # f's gradient saturates where that of its mean does not


@pytest.mark.parametrize('fresh', [True, False])
def test_draws_are_new_at_each_step_only_where_that_is_asked_for(fresh):
    """A network without a gradient keeps the iterate where it is, so that what it sees differs
    by the noise alone."""
    seen = []

    def watcher(z):
        if z.requires_grad: seen.append(z.detach().clone())
        return 0*z

    y = torch.rand(2, 3, 8, 8, generator=generator(1))
    attack = Attack('g', Ascent(3, random_start=False), draws=2, fresh=fresh)
    attack(Smoothed(watcher, Noise(.3)), y, y, Threat(.1), generator=generator(2))
    steps = torch.stack(seen).view(3, -1)
    for other in steps[1:]: assert torch.equal(steps[0], other) != fresh
