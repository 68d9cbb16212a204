"Attack and smoothing against other methods: scipy's optimizers, dense eigenvectors, Gauss-Hermite quadrature."
import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize

from rssr.units import norms, radius
from rssr.metrics import mse
from rssr.linear import Interpolation, linear_worst_case
from rssr.attacks import pgd
from rssr.smoothing import smooth, Smoothed
from rssr.adaptive import Attack


@pytest.fixture(autouse=True, scope='module')
def one_thread():
    "Tensors this small are not worth sharing: on busy cores threads that wait for each other make it 20 times slower."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seeded(seed): return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------- pgd

BALL = dict(l2=lambda u: u/(1 + u.square().sum()).sqrt(), linf=torch.tanh)  # all of space onto the open unit ball


def by_scipy(f, y, x, eps, norm, starts=3):
    "The largest loss that L-BFGS finds for one image, over unbounded variables."
    def value(u):
        u = torch.tensor(u, requires_grad=True)
        loss = mse(f(y + eps*BALL[norm](u).view_as(y)), x).sum()
        loss.backward()
        return -loss.item(), -u.grad.numpy()
    rng = np.random.default_rng(0)
    return max(-minimize(value, rng.normal(size=y.numel()), jac=True, method='L-BFGS-B', options=dict(maxiter=100)).fun for _ in range(starts))


@pytest.mark.parametrize('norm', ['l2', 'linf'])
def test_pgd_finds_what_lbfgs_finds(norm):
    torch.manual_seed(0)
    f = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(6, 3, 3, padding=1)).double()
    y, x = (torch.randn(2, 3, 8, 8, generator=seeded(s), dtype=torch.float64) for s in (1, 2))
    eps = radius(.3, (3, 8, 8), norm)
    z = pgd(f, y, x, .3, norm, iterations=200, restarts=4, generator=seeded(3))
    with torch.no_grad(): ours, clean = mse(f(z), x), mse(f(y), x)
    best = torch.tensor([by_scipy(f, y[i:i+1], x[i:i+1], eps, norm) for i in range(2)])
    assert (best > 1.1*clean).all()                       # else the comparison would mean little
    assert (norms(z - y, norm) <= eps*(1 + 1e-9)).all()
    assert (ours >= .99*best).all()


@pytest.mark.parametrize('schedule, memory', [('fixed', 0.), ('linear', 0.), ('linear', .6)])
def test_pgd_takes_the_steps_that_it_states(schedule, memory):
    y, x = (torch.randn(1, 3, 4, 4, generator=seeded(s), dtype=torch.float64) for s in (1, 2))
    start, truth, eps = y.numpy().ravel(), x.numpy().ravel(), radius(.3, (3, 4, 4))
    e, kept, seen = np.zeros(48), np.zeros(48), []
    for i in range(6):                                    # f(z) = z^3, by hand
        z = start + e
        seen.append((np.mean((z**3 - truth)**2), e))
        grad = (z**3 - truth)*z**2
        kept = memory*kept + grad/np.linalg.norm(grad)
        e = e + .7*eps*(1 - i/5 if schedule == 'linear' else 1)*kept/np.linalg.norm(kept)
        e = e*min(1, eps/np.linalg.norm(e))
    found = pgd(lambda z: z**3, y, x, .3, iterations=5, step=.7, schedule=schedule, memory=memory, random_start=False) - y
    assert found.numpy().ravel() == pytest.approx(max(seen, key=lambda s: s[0])[1], abs=1e-9)


# ---------------------------------------------------------------- linear_worst_case

class Separable:
    "y -> A y B^T, with a matrix for each side."
    def __init__(self, **sides): self.sides = {int(n[1:]): m for n, m in sides.items()}
    def linear(self, n): return self.sides[n]
    def __call__(self, y): return self.linear(y.shape[-2]) @ y @ self.linear(y.shape[-1]).T


def dense_worst_case(f, y, x, eps):
    "The largest ||f(y+e) - x||^2 over ||e|| <= eps, from the whole matrix of f and its eigenvectors (More and Sorensen 1983)."
    A = np.kron(np.eye(3), np.kron(*(f.linear(n).numpy() for n in y.shape[-2:])))
    r = A @ y.numpy().ravel() - x.numpy().ravel()
    w, V = np.linalg.eigh(A.T @ A)
    g, top = V.T @ (A.T @ r), w.max()
    below = w < top - 1e-9*(top + 1e-300)

    def step(lam): return np.divide(g, lam - w, out=np.zeros_like(g), where=below | (lam > top))
    if np.abs(g[~below]).max() < 1e-12 and np.linalg.norm(step(top)) < eps:  # the hard case: what is left of the radius goes along the top
        e = step(top)
        e[-1] += np.sqrt(eps**2 - e @ e)
    else:
        low = top + np.linalg.norm(g[~below])/eps*.999                       # a little below the root or, if g has more than its top, far below
        e = step(brentq(lambda lam: np.linalg.norm(step(lam)) - eps, low, top + np.linalg.norm(g)/eps*1.001, xtol=1e-14))
    return np.sum((A @ V @ e + r)**2)


def random_matrix(m, n, rank, seed): return torch.randn(m, rank, generator=seeded(seed), dtype=torch.float64) @ torch.randn(rank, n, generator=seeded(seed+1), dtype=torch.float64)


@pytest.mark.parametrize('rows, ranks', [((8, 6), (8, 6)), ((8, 6), (3, 2)), ((4, 3), (4, 3))], ids=['full rank', 'rank-deficient', 'to a smaller image'])
@pytest.mark.parametrize('eps_rel', [.01, 1.])
def test_linear_worst_case_is_the_worst(rows, ranks, eps_rel):
    f = Separable(n8=random_matrix(rows[0], 8, ranks[0], 0), n6=random_matrix(rows[1], 6, ranks[1], 2))
    y = torch.randn(3, 3, 8, 6, generator=seeded(4), dtype=torch.float64)
    x = torch.randn(3, 3, *rows, generator=seeded(5), dtype=torch.float64)
    z, eps = linear_worst_case(f, y, x, eps_rel), radius(eps_rel, (3, 8, 6))
    found = (f(z) - x).square().flatten(1).sum(1)
    assert norms(z - y).flatten().tolist() == pytest.approx([eps]*3, rel=1e-9)
    assert found.tolist() == pytest.approx([dense_worst_case(f, y[i], x[i], eps) for i in range(3)], rel=1e-9)


def test_linear_worst_case_where_the_residual_has_no_part_along_the_top():
    d = torch.diag(torch.tensor([3., 2, 1, 1, 1, 1, 1, 0], dtype=torch.float64))
    f, y = Separable(n8=d), torch.randn(2, 3, 8, 8, generator=seeded(0), dtype=torch.float64)
    y[:, :, 0, 0] = 0                                     # in this basis the top direction
    x = torch.zeros_like(y)
    z, eps = linear_worst_case(f, y, x, 2.), radius(2., (3, 8, 8))
    assert (f(z) - x).square().flatten(1).sum(1).tolist() == pytest.approx([dense_worst_case(f, y[i], x[i], eps) for i in range(2)], rel=1e-6)


@pytest.mark.parametrize('kind', ['identity', 'bicubic'])
def test_linear_worst_case_of_a_flat_photograph(kind):
    f, x = Interpolation(2, kind), torch.full((1, 3, 16, 16), .5)  # its bilinear input is exact: no residual to start from
    top = float(torch.linalg.matrix_norm(f.linear(16), 2))**2      # largest singular value of M (x) M
    assert float(mse(f(linear_worst_case(f, x, x, .1)), x)) == pytest.approx((.1*top)**2, rel=1e-3)


# ---------------------------------------------------------------- smooth

def test_smooth_is_the_integral():
    sigma, k = .3, 2000
    y = torch.rand(4, 3, 8, 8, generator=seeded(0), dtype=torch.float64) - .5  # not where f is flat: a mean of rare jumps is not yet normal
    mean, error = smooth(lambda z: torch.tanh(5*z), y, sigma, k, seeded(1), batch=36, error=True)
    t, w = np.polynomial.hermite.hermgauss(200)
    exact = (np.tanh(5*(y.numpy()[..., None] + 2**.5*sigma*t))*w).sum(-1)/np.pi**.5
    off = ((mean.numpy() - exact)/error.numpy()).ravel()
    assert np.abs(off).max() < 5
    assert .8 < np.mean(off**2) < 1.2                     # 768 independent values: the reported error is neither too small nor too large


# ---------------------------------------------------------------- attack on a smoothed estimator

def test_the_adaptive_attack_finds_what_lbfgs_finds_on_the_exact_mean():
    sigma = .3
    t, w = (torch.from_numpy(v) for v in np.polynomial.hermite.hermgauss(100))
    def f(z): return torch.tanh(5*z)
    def g(z): return (f(z[..., None] + 2**.5*sigma*t)*w).sum(-1)/np.pi**.5
    y, x = (torch.rand(2, 3, 8, 8, generator=seeded(s), dtype=torch.float64) - .5 for s in (1, 2))
    found = {target: Attack(target, 100, 2., 'linear', draws=16)(Smoothed(f, sigma), y, x, .2, generator=seeded(3)) for target in 'fg'}
    ours = {target: mse(g(z), x) for target, z in found.items()}
    best = torch.tensor([by_scipy(g, y[i:i+1], x[i:i+1], radius(.2, (3, 8, 8)), 'l2') for i in range(2)])
    assert (best > 1.1*mse(g(y), x)).all()
    assert (ours['g'] >= .99*best).all() and (ours['g'] <= best*(1 + 1e-6)).all()
    assert (ours['g'] > ours['f']).all()                   # the gradient of f saturates where that of its mean does not


@pytest.mark.parametrize('fresh', [True, False])
def test_draws_are_new_at_each_step_only_where_that_is_asked_for(fresh):
    "A network without a gradient keeps the iterate where it is, so that what it sees differs by the noise alone."
    seen = []
    def f(z):
        if z.requires_grad: seen.append(z.detach().clone())
        return 0*z
    y = torch.rand(2, 3, 8, 8, generator=seeded(1))
    Attack('g', 3, draws=2, fresh=fresh, random_start=False)(Smoothed(f, .3), y, y, .1, generator=seeded(2))
    steps = torch.stack(seen).view(3, -1)
    assert all(torch.equal(steps[0], other) != fresh for other in steps[1:])
