"""What is timed: smoothing, attacks, certificates, training, a sweep, reading, starting."""
from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rssr.adaptive import Attack, Rounded
from rssr.attacks import Ascent, frozen, pgd
from rssr.certification import certificate
from rssr.core import fill_normal, seeded
from rssr.data import Crops, Photographs, batches, embedded_photographs, find_images
from rssr.draws import observe
from rssr.metrics import mse
from rssr.models import load_model
from rssr.operators import Downsampling, Threat, pair
from rssr.recipe import TrainConfig, training_loss
from rssr.smoothing import Noise, Smoothed, fastest_batch, smooth
from rssr.sweep import Setting, Subject, sweep
from rssr.training import TrainState, fresh_state

from .passes import forward_passes, gradient_passes, training_passes
from .timing import Work

THREAT = Threat(.05)
LOOP = 'loop of the thesis, one pass a draw'
NOISE = 'the noise of 50 draws'
PRODUCTS = 'products of 512 kept draws'


def photographs(count: int) -> tuple[Tensor, Tensor]:
    """Inputs and truth of embedded photographs, (count, 3, 160, 160)."""
    pixels = embedded_photographs().images[:count].float() / 255
    return pair(pixels, Downsampling(2))


def smoothing() -> list[Work]:
    """The mean of 50 draws of one photograph."""
    y, _ = photographs(1)
    plain = load_model('x2_smoothing_0.1').requires_grad_(False)
    works = [Work(LOOP, partial(_loop, plain, y))]
    for precision in ('float32', 'bfloat16'):
        f = plain.folded(precision)
        noise = Noise(.15, 50, 0, fastest_batch(f, y))
        raw = f'50 passes, {precision}'
        goal = .25 if precision == 'bfloat16' else None
        works.append(Work(raw, forward_passes(f, y, 50), {LOOP: None}))
        works.append(Work(f'smooth, {precision}', partial(_smooth, f, y, noise),
                          {raw: 1.1, LOOP: goal}))
    room = torch.empty(50, *y.shape)
    works.append(Work(NOISE, partial(fill_normal, room, seeded(0, 'cpu')),
                      {'smooth, bfloat16': None}))
    return works


@torch.no_grad()
def _loop(f: nn.Module, y: Tensor) -> Tensor:
    """As the thesis's code does it."""
    total = torch.zeros_like(y)
    for _ in range(50):
        total += f(y + .15 * torch.randn_like(y))
    return total / 50


@torch.no_grad()
def _smooth(f: Callable, y: Tensor, noise: Noise) -> Tensor:
    """As the library does it."""
    return smooth(f, y, noise)


def attack() -> list[Work]:
    """Projected ascent of 10 steps on 8 photographs: 10 gradients, two looks at the loss."""
    y, x = photographs(8)
    plain = load_model('x2_standard')
    works = []
    for precision in ('float32', 'bfloat16'):
        f = plain.folded(precision)
        raw = f'10 gradients and 2 passes, {precision}'
        run = partial(pgd, f, y, x, THREAT, generator=seeded(0, 'cpu'))
        today = {'pgd, float32': .55} if precision == 'bfloat16' else {}
        works.append(Work(raw, gradient_passes(f, y, 10, 2)))
        works.append(Work(f'pgd, {precision}', run, {raw: 1.05} | today))
    return works


def adaptive_attack() -> list[Work]:
    """Five steps on the mean of four draws of 4 photographs."""
    y, x = photographs(4)
    g = Smoothed(load_model('x2_smoothing_0.1').folded(), Noise(.15, 50))
    climb = Attack('g', Ascent(5, 2., 'linear'))
    today = 'attack on the mean, float32'
    raw = '20 gradients and 96 passes a photograph, float32'
    return [
        Work(raw, gradient_passes(g.f, y.repeat(2, 1, 1, 1), 10, 48)),
        Work(today, partial(climb, g, y, x, THREAT, seeded(0, 'cpu')), {raw: 1.1}),
        Work('attack on the mean, bfloat16',
             partial(Rounded(climb), g, y, x, THREAT, seeded(0, 'cpu')), {today: .55}),
    ]


def certification() -> list[Work]:
    """B7 of one photograph from 640 draws and 256 that choose."""
    y, x = photographs(1)
    plain = load_model('x2_split_0.5')
    works = []
    for precision in ('float32', 'bfloat16'):
        f: Any = plain.folded(precision)
        raw = f'896 passes of the bounded part, {precision}'
        works.append(Work(raw, forward_passes(f.bounded_part, y, 896)))
        works.append(Work(f'B7, {precision}', partial(_certify, f, y, x), {raw: 1.1}))
    kept = torch.randn(512, y.numel())
    works.append(Work(PRODUCTS, partial(torch.mm, kept, kept.T), {'B7, float32': None}))
    return works


def _certify(f: Callable, y: Tensor, x: Tensor) -> object:
    """Draws and bound."""
    draws = observe(f, y, Noise(.5, 640, 0, fastest_batch(f, y)), x)
    return certificate(draws, 'B7', .02, .001)


def training() -> list[Work]:
    """One step on 16 crops: with noise, and against an adversary of five steps."""
    pixels = embedded_photographs().images[:16].float() / 255
    y, _ = pair(pixels, Downsampling(2))
    was = 'adversary as it was, bfloat16'
    works = []
    for precision in ('float32', 'bfloat16'):
        raw = f'forward and back, {precision}'
        network = fresh_state(TrainConfig(), '.').model.train()
        works.append(Work(raw, training_passes(network, y, getattr(torch, precision))))
        for kind, goal, recipe in (('noise', 1.1, TrainConfig(sigma_f=.1)),
                                   ('adversary', None, TrainConfig(eps_rel=.05))):
            cfg = replace(recipe, precision=precision)
            floors = {raw: goal}
            if (kind, precision) == ('adversary', 'bfloat16'):
                floors = {raw: goal, was: 1 / 1.3}
            works.append(Work(f'{kind}, {precision}', _step(cfg, pixels), floors))
    cfg = TrainConfig(precision='bfloat16', eps_rel=.05)
    works.append(Work(was, _old_adversarial_step(cfg, pixels)))
    cfg = TrainConfig(precision='bfloat16', sigma_f=.1, compile=True)
    works.append(Work('noise, bfloat16, compiled', _step(cfg, pixels),
                      {'noise, bfloat16': 1 / 1.3}))
    return works


def _step(
    cfg: TrainConfig,
    pixels: Tensor,  # photographs (16, 3, 160, 160)
) -> Callable[[], None]:
    """One step of the optimizer, as a training makes it."""
    state = fresh_state(cfg, '.')
    state.model.train()
    source = torch.Generator().manual_seed(0)

    def run() -> None:
        _descend(state, training_loss(state.model, pixels, cfg, source))

    return run


def _descend(state: TrainState, loss: Tensor) -> None:
    """Follow the gradient."""
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()


def _old_adversarial_step(
    cfg: TrainConfig,
    pixels: Tensor,  # photographs (16, 3, 160, 160)
) -> Callable[[], None]:
    """As it was before: the attack runs on the network itself, in evaluation mode."""
    state = fresh_state(cfg, '.')
    f = state.model.train()
    source = torch.Generator().manual_seed(0)
    y, x = pair(pixels, Downsampling(2))

    def rounded(y: Tensor) -> Tensor:
        with torch.autocast('cpu', torch.bfloat16):
            return f(y).float()

    def run() -> None:
        with frozen(f):
            z = pgd(rounded, y, x, THREAT, Ascent(5), generator=source)
        _descend(state, mse(rounded(z), x).mean())

    return run


def whole_sweep() -> list[Work]:
    """The thesis's attack on 16 photographs, rows and files included."""
    crops = Crops(embedded_photographs().images[:16], [f'{i}' for i in range(16)])
    who = [Subject('standard', load_model('x2_standard').folded())]
    y, _ = photographs(16)
    raw = '10 gradients and 3 passes of 16 photographs'

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            sweep(who, crops, folder, Setting(), (.02,), 'bench')

    return [Work(raw, gradient_passes(who[0].f, y, 10, 3)), Work('sweep', run, {raw: 1.2})]


def reading(data: str) -> list[Work]:
    """32 photographs from their files: decoded and cropped, and from the cache."""
    files = find_images(data)[:32]

    def read(photos: Photographs) -> None:
        for _ in batches(photos, 32):
            pass

    cached = Photographs(files, cache=tempfile.mkdtemp())
    decoded = 'decode and crop 32 photographs'
    return [
        Work(decoded, partial(read, Photographs(files))),
        Work('the same from the cache', partial(read, cached), {decoded: None}),
    ]


def starting() -> list[Work]:
    """From nothing to PyTorch, to the library, to a command's help."""
    return [
        Work('import torch', partial(_python, 'import torch')),
        Work('import rssr.evaluation', partial(_python, 'import rssr.evaluation'),
             {'import torch': None}),
        Work('rssr_evaluate --help', partial(_python, (
            'from rssr.evaluation import rssr_evaluate; rssr_evaluate(["--help"])')),
             {'import torch': None}),
    ]


def _python(code: str) -> None:
    """In a process of its own."""
    subprocess.run([sys.executable, '-c', code], check=True, stdout=subprocess.DEVNULL,
                   cwd=Path(__file__).resolve().parents[2])


def groups(
    data: str,  # folder of photographs; '' leaves reading out
    names: Sequence[str] = (),  # only these
) -> Iterator[tuple[str, list[Work]]]:
    """The groups of works, made when their turn comes."""
    makers: dict[str, Callable[[], list[Work]]] = dict(
        smoothing=smoothing, attack=attack, adaptive=adaptive_attack,
        certification=certification, training=training, sweep=whole_sweep, starting=starting)
    if data:
        makers['reading'] = partial(reading, data)
    for name, make in makers.items():
        if not names or name in names:
            yield name, make()
