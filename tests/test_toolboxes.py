"Our estimators under the attacks of torchattacks and Foolbox, the real libraries."
from collections.abc import Iterator

import pytest
import torch

from rssr.attacks import Ascent, ball_of, pgd
from rssr.data import batches, open_photographs
from rssr.linear import Interpolation, linear_worst_case
from rssr.metrics import mse
from rssr.models import load_model
from rssr.operators import Downsampling, Threat, pair
from rssr.toolboxes import SPAN, Judged, given, shown
from rssr.units import MEAN, STD, normalise, norms, to_pixels

THREAT = Threat(.02)
HOW = "not in requirements (its pin of requests is from 2021): pip install --no-deps torchattacks"
torchattacks = pytest.importorskip('torchattacks', reason=HOW)
foolbox = pytest.importorskip('foolbox', reason="needs the extra: pip install 'rssr[dev]'")


@pytest.fixture(scope='module')
def photos() -> tuple[torch.Tensor, ...]:
    "Inputs, truths and pixels of four photographs."
    _, p = next(batches(open_photographs(images=4), 4))
    return *pair(p, Downsampling(2)), p


@pytest.fixture(autouse=True)
def same_chance() -> Iterator[None]:
    "torchattacks draws from torch's own generator."
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def by_torchattacks(kind, f, y, x, **options) -> torch.Tensor:
    "What an attack of torchattacks makes of the inputs, in three lines."
    judge = Judged(f, x).eval()
    attack = getattr(torchattacks, kind)(judge, **options)
    return given(attack(shown(y), judge.labels))


@pytest.mark.parametrize('name', ['x2_standard', 'x2_adversarial_0.05'])
def test_torchattacks_reaches_what_ours_reaches(photos, name):
    y, x, _ = photos
    f = load_model(name).folded()
    eps = ball_of(THREAT, y).eps
    sizes = dict(eps=eps/SPAN, alpha=eps/SPAN/4, steps=20)
    theirs = by_torchattacks('PGDL2', f, y, x, **sizes)
    ours = pgd(f, y, x, THREAT, Ascent(20, .25))
    assert (norms(theirs - y) < 1.001*eps).all()
    with torch.no_grad(): ratio = mse(f(ours), x)/mse(f(theirs), x)
    assert .9 < ratio.min() and ratio.max() < 1.1


def test_in_linf_too(photos):
    y, x, _ = photos
    f = load_model('x2_standard').folded()
    threat = Threat(.02, 'linf')
    eps = ball_of(threat, y).eps
    theirs = by_torchattacks('PGD', f, y, x, eps=eps/SPAN, alpha=eps/SPAN/4, steps=20)
    assert (theirs - y).abs().max() < 1.001*eps
    ours = pgd(f, y, x, threat, Ascent(20, .25))
    with torch.no_grad(): ratio = mse(f(ours), x)/mse(f(theirs), x)
    assert .9 < ratio.min() and ratio.max() < 1.1


def test_they_never_pass_the_exact_worst_case(photos):
    "Of a linear estimator it is known; both libraries come near it and not beyond."
    y, x, _ = photos
    f = Interpolation(2, 'bicubic')
    eps = ball_of(THREAT, y).eps
    with torch.no_grad(): worst = mse(f(linear_worst_case(f, y, x, THREAT)), x)
    sizes = dict(eps=eps/SPAN, alpha=eps/SPAN/4, steps=40)
    found = [by_torchattacks('PGDL2', f, y, x, **sizes)]
    judge = Judged(f, x).eval()
    attack = foolbox.attacks.L2PGD(rel_stepsize=.25, steps=40)
    toolbox = foolbox.PyTorchModel(judge, bounds=(0, 1), device='cpu')
    found.append(given(attack(toolbox, shown(y), judge.labels, epsilons=eps/SPAN)[1]))
    for z in found:
        with torch.no_grad(): share = mse(f(z), x)/worst
        assert .97 < share.min() and share.max() < 1.0001


def test_an_image_as_label_is_taken_in_silence(photos):
    "The warning of the chapter, with the library itself: it hardly harms what it should ruin."
    y, x, p = photos
    f = load_model('x2_standard').folded()

    class InPixels(torch.nn.Module):
        "What a user would attack without `Judged`."
        def forward(self, q):
            return f(normalise(q))*STD + MEAN

    def decibels(z):
        with torch.no_grad(): return float(-10*mse(to_pixels(f(z)), p).log10().mean())

    eps = .02*float(STD.mean())*y[0].numel()**.5
    attack = torchattacks.PGDL2(InPixels(), eps=eps, alpha=eps/4, steps=20)
    attack.set_device('cpu')
    with_image = normalise(attack(to_pixels(y), p))
    radius = ball_of(THREAT, y).eps
    with_error = by_torchattacks('PGDL2', f, y, x, eps=radius/SPAN, alpha=radius/SPAN/4, steps=20)
    assert decibels(y) - decibels(with_image) < 2 < 12 < decibels(y) - decibels(with_error)
