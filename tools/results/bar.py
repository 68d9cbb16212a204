"Networks on the learned maps beside the maps."
from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd
from torch import Tensor

from rssr.adaptive import ATTACKS, Attack
from rssr.attacks import Ascent
from rssr.core import write_file
from rssr.data import distinct
from rssr.grid import linear_name
from rssr.models import (
    load_card,
    load_model,
)
from rssr.operators import Downsampling, Threat, pair
from rssr.sweep import (
    LINEAR,
    Setting,
    Subject,
    subjects,
    sweep,
    write_results,
)
from rssr.unet import Refined
from tools.results.source import RADII, SIXTY, Source, finish
from tools.strength import psnr_under_each

ONE_MAP = .05     # radius of the single map that stands beside the single network
ON_THE_MAPS = 'x{}_refined_long'    # the network that is reported
CLIPPED = (Attack('f', Ascent(40, 4., 'linear'), loss='pixels'),)    # follows what is reported


def beside_the_bar(
    scale: int,        # 2 or 4
    eps_rel: float,    # relative radius
    device: str,       # cpu, cuda, ...
) -> list[Subject]:    # not the interpolations
    "The map of the radius, the single map, and the networks on the maps."
    maps = {linear_name(scale, Threat(known)) for known in (eps_rel, ONE_MAP)}
    networks = [f'x{scale}_refined', ON_THE_MAPS.format(scale)]
    if eps_rel <= .01: networks.append(f'x{scale}_refined_clean')
    found = subjects([*sorted(maps), *networks], scale, device)
    silent = {*LINEAR, ON_THE_MAPS.format(scale)}      # the network that is reported is told
    return [s for s in found if s.name not in silent and s.perturb == 'attack']


def fresh(source: Source) -> None:
    "Networks beside the learned maps, on sixty photographs that are in no table of 24."
    photos = source.fresh(SIXTY)
    for scale in (2, 4):
        setting = Setting(scale, attacks=ATTACKS['strongest'], device=source.device)
        name = f'x{scale}_fresh'
        found = []
        for eps_rel in RADII:
            who = beside_the_bar(scale, eps_rel, source.device)
            found.append(sweep(who, photos, source.begun(name), setting, (eps_rel,), source.label))
            networks = [s for s in who if s.name.startswith(f'x{scale}_refined')]
            clipped = replace(setting, attacks=CLIPPED)
            args = (source.begun(name), clipped, (eps_rel,), source.label)
            found.append(sweep(networks, photos, *args))
        identity = ['model', 'weights', 'eps_rel', 'attack', 'content']
        finish(source, name, pd.concat(found).drop_duplicates(identity), write_results)


def attack_fresh(
    p: Tensor,          # a photograph (1, 3, h, w), pixels in [0,1]
    scale: int,         # 2 or 4
    eps_rel: float,     # relative radius, which the network is told
) -> Iterator[dict]:    # one row an attack
    "How low each attack gets the network on the maps."
    f = load_model(ON_THE_MAPS.format(scale))
    assert isinstance(f, Refined)
    y, x = pair(p, Downsampling(scale))
    found = psnr_under_each(f.told(eps_rel).folded(), y, x, Threat(eps_rel))
    for attack, psnr in found.items():
        yield dict(scale=scale, eps_rel=eps_rel, attack=attack, psnr=f'{psnr:.4f}')


def fresh_attacked(source: Source) -> None:
    "Other attacks on the networks on the maps: two of the sixty photographs."
    kept = source.results/'fresh_attacked.csv'
    rows = pd.read_csv(kept).to_dict('records') if kept.exists() else []
    known = {scale: load_card(ON_THE_MAPS.format(scale))['sha256'][:16] for scale in (2, 4)}
    rows = [row for row in rows if row.get('weights') == known[row['scale']]]
    done = {(row['scale'], row['eps_rel'], row['content']) for row in rows}
    crops = distinct(source.fresh(SIXTY))
    for image, scale, eps_rel in itertools.product(range(0, SIXTY, 30), (2, 4), (.02, .05, .1, .2)):
        about = dict(photograph=crops.names[image], content=crops.contents[image],
                     weights=known[scale])
        if (scale, eps_rel, about['content']) in done: continue
        p = crops[image][None].float()/255
        rows += (about | row for row in attack_fresh(p, scale, eps_rel))
        write_file(kept, pd.DataFrame(rows).to_csv(index=False).encode())
