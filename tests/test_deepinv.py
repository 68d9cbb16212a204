"Our forward operators and those of deepinv, held against each other."
import pytest
import torch

from rssr.adaptive import ATTACKS, strongest
from rssr.operators import (
    Denoising,
    Fourier,
    GaussianBlur,
    Inpainting,
    MotionBlur,
    Physics,
    Threat,
    _measured_lines,
    problem,
)
from rssr.units import norms

pytest.importorskip('deepinv', reason="needs the extra: pip install 'rssr[deepinv]'")
import deepinv  # noqa: E402

SIZE = (3, 32, 48)


def photographs() -> torch.Tensor:
    "Two images in [0,1] that have some structure."
    chance = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 8, 12, generator=chance).repeat_interleave(4, 2).repeat_interleave(4, 3)


@pytest.mark.parametrize('ours', [GaussianBlur(), MotionBlur(length=7., angle=50.)])
def test_a_blur_is_theirs(ours) -> None:
    x = photographs()
    theirs = deepinv.physics.BlurFFT(img_size=SIZE, filter=ours.kernel().float()[None, None])
    torch.testing.assert_close(theirs.A(x), ours.A(x), rtol=0, atol=1e-5)
    y = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(theirs.A_adjoint(y), ours.A_adjoint(y), rtol=0, atol=1e-5)


def test_missing_pixels_are_theirs_with_zeros_between() -> None:
    x = photographs()
    ours = Inpainting()
    mask = ours.A_adjoint(ours.A(torch.ones_like(x[:1])))[0]
    theirs = deepinv.physics.Inpainting(img_size=SIZE, mask=mask)
    torch.testing.assert_close(theirs.A(x), ours.A_adjoint(ours.A(x)), rtol=0, atol=0)


def test_lines_of_a_spectrum_are_theirs() -> None:
    "Up to a phase: their pictures are complex and have their origin in the middle."
    x = photographs()[:, :1]
    rows = _measured_lines(4, .08, 0, 32)
    lines = torch.zeros(1, 1, 32, 48)
    lines[..., rows, :] = 1
    theirs = deepinv.physics.MRI(mask=torch.fft.fftshift(lines, (-2, -1)), img_size=(2, 32, 48))
    real, imaginary = theirs.A(torch.cat([x, torch.zeros_like(x)], 1)).unbind(1)
    spectrum = torch.fft.ifftshift(torch.complex(real, imaginary), (-2, -1))
    seen = torch.complex(*Fourier().A(x)[:, 0].chunk(2, -2))
    torch.testing.assert_close(spectrum[:, rows].abs(), seen.abs(), rtol=0, atol=1e-4)


@pytest.mark.parametrize('ours', [Denoising(), GaussianBlur(), Inpainting(), Fourier()])
def test_ours_is_a_physics(ours) -> None:
    "Their test of an adjoint, and their own solver against our pseudo-inverse."
    x = photographs()
    theirs = deepinv.physics.LinearPhysics(A=ours.A, A_adjoint=ours.A_adjoint, img_size=SIZE,
                                           tol=1e-6, max_iter=200)
    assert theirs.adjointness_test(x).abs().max() < 1e-3
    if isinstance(ours, GaussianBlur): return             # ours leaves out what is too weak
    found = theirs.A_dagger(ours.A(x))
    torch.testing.assert_close(found, ours.A_dagger(ours.A(x)), rtol=0, atol=1e-3)


def test_tomography_is_attacked_like_any_other() -> None:
    noise = deepinv.physics.GaussianNoise(.02)
    theirs = deepinv.physics.Tomography(angles=20, img_width=32, normalize=True, noise_model=noise)
    operator = Physics(theirs, 'twenty angles', theirs.A_adjoint)
    assert operator.noise_level == pytest.approx(.02)
    p = photographs()[..., :32]
    x = torch.randn(p.shape, generator=torch.Generator().manual_seed(1))
    y = torch.randn(operator.A(x).shape, generator=torch.Generator().manual_seed(2))
    there, back = (operator.A(x)*y).sum(), (x*operator.A_adjoint(y)).sum()
    torch.testing.assert_close(there, back, rtol=1e-3, atol=1e-2)
    chance = torch.Generator().manual_seed(0)
    f, sinogram, truth = problem(torch.nn.Tanh(), p, operator, 'measurement', chance)
    assert f(sinogram).shape == truth.shape
    threat = Threat(.1, where='measurement')
    worst = strongest(f, sinogram, truth, threat, ATTACKS['thesis'], chance)
    change = norms(worst - sinogram).flatten()
    torch.testing.assert_close(change, torch.full((2,), threat.radius(sinogram.shape[1:])),
                               rtol=1e-3, atol=0)

    def error(z: torch.Tensor) -> torch.Tensor:
        "Of each image."
        return (f(z) - truth).square().flatten(1).mean(1)

    assert (error(worst) > error(sinogram)*1.02).all()


def test_other_noise_is_refused() -> None:
    poisson = deepinv.physics.Denoising(deepinv.physics.PoissonNoise(gain=.1))
    with pytest.raises(ValueError, match='noise_model=PoissonNoise'):
        Physics(poisson, 'poisson')
    silent = deepinv.physics.Denoising(deepinv.physics.ZeroNoise())
    assert Physics(silent, 'nothing').noise_level == 0
