"""How strong the attacks of the tables are: beside more of the same, and other searches."""
from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from rssr.adaptive import ATTACKS, pixel_error, strongest
from rssr.attacks import Ascent, pgd, square
from rssr.core import draw_normal
from rssr.operators import Threat
from rssr.units import Estimator, norms

LONG = Ascent(100, 4., 'linear', restarts=2)
QUERIES = 500      # squares
STEPS = 80         # of L-BFGS


def by_lbfgs(
    f: Estimator,     # what is attacked
    y: Tensor,        # one input (1, 3, h, w), normalised
    x: Tensor,        # its truth
    threat: Threat,   # an l2 ball
    start: Tensor,    # direction to start from, of the shape of y
) -> Tensor:          # the attacked input
    "What L-BFGS finds, over all directions of a change of the largest size."
    eps = threat.radius(y.shape[1:])

    def attacked(direction: Tensor) -> Tensor:
        "The input moved in that direction, up to the border of the ball."
        return (y + eps*direction/norms(direction)).float()

    def negative(flat: np.ndarray) -> tuple[float, np.ndarray]:
        "The error with its sign turned, in thousandths, and its gradient."
        direction = torch.tensor(flat).view_as(y).requires_grad_()
        error = -1e3*pixel_error(f(attacked(direction)), x).sum()
        gradient, = torch.autograd.grad(error, direction)
        return error.item(), gradient.double().numpy().ravel()

    unit = (start/norms(start)).double().numpy().ravel()
    options = dict(maxiter=STEPS)
    found = minimize(negative, unit, jac=True, method='L-BFGS-B', options=options)
    return attacked(torch.tensor(found.x).view_as(y))


def psnr_under_each(
    f: Estimator,         # what is attacked, not random
    y: Tensor,            # one input (1, 3, h, w), normalised
    x: Tensor,            # its truth
    threat: Threat,       # an l2 ball
) -> dict[str, float]:    # dB, by the name of the attack
    """The set of the tables; long runs and two searches of another kind, which follow the error of
    the clipped picture, as it is reported."""
    on_f = [attack for attack in ATTACKS['strongest'] if attack.target == 'f']
    chance = torch.Generator().manual_seed(0)
    worst = strongest(f, y, x, threat, on_f, chance)
    anywhere = draw_normal(y.shape, chance, y)
    found = {
        'strongest': worst,
        'long runs': pgd(f, y, x, threat, LONG, pixel_error, generator=chance),
        'L-BFGS': by_lbfgs(f, y, x, threat, anywhere),
        'L-BFGS from the strongest': by_lbfgs(f, y, x, threat, worst - y),
        'squares': square(f, y, x, threat, QUERIES, pixel_error, chance),
    }
    with torch.no_grad():
        return {name: -10*pixel_error(f(z), x).log10().item() for name, z in found.items()}
