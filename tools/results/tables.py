"The tables: who is attacked how, on which photographs."
from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pandas as pd

from rssr.adaptive import ATTACKS, AnyAttack, attack_set
from rssr.data import Crops, Photographs, distinct, open_photographs
from rssr.evaluation import choose_sigma_g, note_sigma_g
from rssr.grid import GRID, family, linear_name
from rssr.machines import forecast
from rssr.models import (
    list_models,
)
from rssr.operators import Threat
from rssr.sweep import (
    HEADLINE,
    Setting,
    Subject,
    read_results,
    subjects,
    sweep,
    write_results,
)
from tools.results.source import FORTY, HELD_OUT, RADII, VAL, Source, finish, some_of_sixty
from tools.results.speed import Speed

Attacks = tuple[AnyAttack, ...]
THESIS = attack_set('thesis', precision='bfloat16')      # what rounding costs: 24_speed
STRONGEST = attack_set('strongest', precision='bfloat16')


@dataclass(frozen=True)
class Folder:
    "A folder of results of a sweep: models and interpolations, under each set of attacks."
    name: str                                   # of the folder
    photos: Callable[[Source], Photographs | Crops]       # what is measured
    setting: Setting                            # what all rows share, but for the attacks
    attacks: tuple[Attacks, ...]                # sets, each on all
    models: list[str]                           # names
    eps_rels: tuple[float, ...] = RADII         # relative radii
    sigma_gs: tuple[float, ...] | None = None   # levels of smoothing; those of the cards
    label: str = ''                             # what the photographs are called; that of val

    def who(self, source: Source) -> list[Subject]:
        "Interpolations first."
        return subjects(self.models, self.setting.scale, source.device, self.sigma_gs)

    def settings(self, source: Source) -> list[Setting]:
        "One for each set of attacks."
        return [replace(self.setting, attacks=attacks, device=source.device)
                for attacks in self.attacks]

    def compute(self, source: Source) -> None:
        "Measure what is missing, and keep what was asked for."
        found = []
        for setting in self.settings(source):
            args = (self.photos(source), source.begun(self.name), setting, self.eps_rels)
            found.append(sweep(self.who(source), *args, self.label or source.label))
        identity = ['model', 'weights', 'eps_rel', 'attack', 'sigma_g', 'content']
        finish(source, self.name, pd.concat(found).drop_duplicates(identity), write_results)

    def hours(self, source: Source, speed: Speed) -> float:
        "How long all of it would take."
        images = len(distinct(self.photos(source)))
        asked = (self.who(source), self.eps_rels)
        return sum(forecast(*asked, setting, images, speed.of(setting)).hours
                   for setting in self.settings(source))


def of_tables(
    scale: int,              # 2 or 4
    seeds: bool = False,     # also second seeds, which only tell what chance does
) -> list[str]:              # names of shipped models
    "The learned linear maps of the radii, and the networks of the thesis's settings."
    maps = [linear_name(scale, Threat(eps_rel)) for eps_rel in RADII]
    networks = [name for name in list_models()
                if GRID[name].scale == scale and family(name) in ('thesis', 'residual')]
    return maps + [name for name in networks if seeds or not GRID[name].seed]


def thesis() -> Iterator[Folder]:
    "The thesis's protocol: its attack, on the network alone, and all photographs of val."
    for scale in (2, 4):
        yield Folder(f'x{scale}_thesis', lambda source: source.val(VAL), Setting(scale),
                     (THESIS,), of_tables(scale, seeds=True))


def strongest() -> Iterator[Folder]:
    "The strongest set, on forty of the sixty photographs that no choice has seen."
    for scale in (2, 4):
        yield Folder(f'x{scale}_strongest', lambda source: some_of_sixty(source, FORTY),
                     Setting(scale), (STRONGEST,), of_tables(scale))


def ablation() -> Iterator[Folder]:
    "Averaging without noise in training."
    yield Folder('x2_ablation', lambda source: some_of_sixty(source, FORTY), Setting(),
                 (STRONGEST,), ['x2_standard', 'x2_thesis_standard'], (0., .02, .05), (.15,))


def adaptive() -> Iterator[Folder]:
    "The thesis's question A.3."
    models = ['x2_smoothing_0.1', 'x2_smoothing_0.3', 'x2_smoothing_1']
    names = ('thesis', 'transfer', 'rs_pgd', 'mended', 'eot')
    yield Folder('x2_adaptive', lambda source: source.val(12), Setting(k=10),
                 tuple(ATTACKS[name] for name in names), models, RADII[1:])


def measurement() -> Iterator[Folder]:
    "The small image attacked."
    models = ['x2_standard', 'x2_smoothing_0.1', 'x2_adversarial_0.05']
    yield Folder('x2_measurement', lambda source: source.val(12), Setting(where='measurement'),
                 (ATTACKS['strongest'],), models, (0., .02, .05, .1))


def embedded() -> Iterator[Folder]:
    "What `rssr_evaluate` does without options."
    yield Folder('x2_embedded', lambda source: open_photographs(images=16), Setting(),
                 (ATTACKS['thesis'],), [f'x2_{name}' for name in HEADLINE], RADII[:4],
                 label='embedded')


SWEEPS = (thesis, strongest, ablation, adaptive, measurement, embedded)


def sigma_g(source: Source) -> None:
    "Once for each network, and anew at each radius, as the thesis does."
    photos, few = source.held(16), source.held(6)
    setting = Setting(device=source.device)
    short = replace(setting, k=16)
    once, anew = [], []
    for name in [name for name in list_models() if chosen_for(name)]:
        best, rows = choose_sigma_g(name, photos, source.begun('sigma_g'), setting=setting,
                                    data=HELD_OUT)
        once.append(rows)
        note_sigma_g(name, dict(chosen=best, eps_rel=.02, by='ssim', data=HELD_OUT, n=16, k=50,
                                attack_iterations=10, seed=0))
        if family(name) != 'thesis': continue
        for eps_rel in (*RADII, .035):
            anew.append(choose_sigma_g(name, few, source.begun('sigma_g_by_radius'), eps_rel,
                                       setting=short, data=HELD_OUT)[1])
    finish(source, 'sigma_g', pd.concat(once), write_results)
    finish(source, 'sigma_g_by_radius', pd.concat(anew), write_results)


def chosen_for(
    name: str,        # of a shipped model
) -> bool:
    "Whether it is smoothed at a level that is chosen."
    return bool(GRID[name].sigma_f) and family(name) in ('thesis', 'residual')


def set_aside(source: Source) -> list[str]:
    "Rows of folders that are not whole yet, packed: to be kept, and to go on from elsewhere."
    swept = ['sigma_g', 'sigma_g_by_radius', *(folder.name for part in SWEEPS for folder in part())]
    found = [name for name in swept if (source.results/'begun'/name/'jobs').exists()]
    for name in found:
        folder = source.begun(name)
        write_results(read_results(folder), folder)
        shutil.rmtree(folder/'jobs')
        shutil.make_archive(str(folder), 'xztar', folder)
        shutil.rmtree(folder)
    return found
