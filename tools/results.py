"""Every folder of nbs/results again, from the shipped models:

    python -m tools.results IMAGENET_SAMPLE [--device cuda] [--only embedded,...] [--how-long]

Photographs that are measured already are not measured again, so an interrupted run goes on.
A finished folder keeps what was asked for and nothing else: rows of an older way of drawing, of
older networks or of an older version go. Hours on 2 CPU cores.
"""
from __future__ import annotations

import argparse
import itertools
import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from rssr.adaptive import ATTACKS, AnyAttack, Attack, Rounded, attack_set
from rssr.attacks import Ascent
from rssr.certification import OF_SUMMARY, Question, estimated_error, facts_of
from rssr.certified import attacked
from rssr.certifying import (
    CERTIFICATE_IDENTITY,
    Candidate,
    Terms,
    candidate,
    certify_photographs,
    facts_said,
    photograph_seed,
    write_certificates,
)
from rssr.core import write_file
from rssr.curvature import Curvature
from rssr.data import Crops, Distinct, Photographs, distinct, find_images, holdout, open_photographs
from rssr.draws import observe, summary_of
from rssr.evaluation import choose_sigma_g, note_sigma_g
from rssr.grid import GRID, family, linear_command, linear_name, smoothed_name
from rssr.linear import LearnedLinear, TrustRegion
from rssr.machines import forecast
from rssr.models import (
    estimator_hash,
    list_models,
    load_card,
    load_model,
    noise_of,
    operator_of,
)
from rssr.operators import Downsampling, Threat, pair, problem
from rssr.smoothing import Noise
from rssr.sweep import (
    HEADLINE,
    LINEAR,
    Setting,
    Subject,
    subjects,
    sweep,
    write_results,
)
from rssr.training import train_folder
from rssr.unet import PRECISIONS, Refined, Split, UNet
from rssr.units import STD, norms
from tools.first_bound import first_quality_bound
from tools.strength import psnr_under_each

RESULTS = Path(__file__).resolve().parents[1]/'nbs'/'results'
RADII = (0., .01, .02, .05, .1, .2)
HELD_OUT = 'imagenet-sample, held out'
VAL = 120                        # all photographs of val
SIXTY = 60                       # of them that no choice and no trial has seen
FORTY = 40                       # of the sixty
Attacks = tuple[AnyAttack, ...]
STRONGEST = attack_set('strongest', precision='bfloat16')
CERTIFIED = [*CERTIFICATE_IDENTITY, 'content', 'method', 'eps_rel']    # tells rows apart


class Speed(NamedTuple):
    "Seconds that a network takes for an image on this machine, alone on it."
    forward: float        # a pass
    gradient: float       # a pass and its way back
    rounded: float        # the same in bfloat16

    def of(self, setting: Setting) -> tuple[float, float]:
        "Of a pass forward and of one backward, as `forecast` counts them."
        rounded = any(isinstance(attack, Rounded) for attack in setting.attacks)
        return self.forward, (self.rounded if rounded else self.gradient) - self.forward


@dataclass(frozen=True)
class Source:
    "Where the photographs are, and where to compute."
    data: Path    # ImageNet-sample, with train and val
    device: str   # cpu, cuda, ...
    label: str = 'imagenet-sample/val'    # what its photographs for validation are called

    def val(self, images: int) -> Photographs | Crops:
        "So many photographs that nothing was chosen on, evenly spread."
        return open_photographs(find_images(self.data, 'val'), images=images)

    def fresh(self, images: int) -> Photographs | Crops:
        "So many of val, evenly spread over those that are not in the tables of 24."
        tables = set(self.val(24).names)
        others = [file for file in find_images(self.data, 'val')
                  if Photographs([file]).names[0] not in tables]
        return open_photographs(others, images=images)

    @cached_property
    def held_out(self) -> list[Path]:
        "Photographs of the training set that nothing was trained on."
        return holdout(find_images(self.data, 'train'))[1]

    def held(self, images: int) -> Photographs | Crops:
        "So many of them, evenly spread."
        return open_photographs(self.held_out, images=images)


def some_of_sixty(
    source: Source,     # photographs
    images: int,        # how many
) -> Crops:
    "Some of the sixty, evenly spread."
    crops = distinct(source.fresh(SIXTY))
    which = [i*SIXTY//images for i in range(images)]
    return Crops(crops.images[which], [crops.names[i] for i in which])


def finish(
    name: str,                                     # of the folder
    rows: pd.DataFrame,                            # all that belongs into it
    write: Callable[[pd.DataFrame, Path], None],   # makes rows.csv and runs.csv
) -> None:
    "Keep what was asked for, in the form for publishing."
    write(rows, RESULTS/name)
    shutil.rmtree(RESULTS/name/'jobs')
    shutil.rmtree(RESULTS/name/'documents', ignore_errors=True)    # of certificates alone


# ---------------------------------------------------------------- sweeps

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
            args = (self.photos(source), RESULTS/self.name, setting, self.eps_rels)
            found.append(sweep(self.who(source), *args, self.label or source.label))
        identity = ['model', 'weights', 'eps_rel', 'attack', 'sigma_g', 'content']
        finish(self.name, pd.concat(found).drop_duplicates(identity), write_results)

    def hours(self, source: Source, speed: Speed) -> float:
        "How long all of it would take."
        images = len(distinct(self.photos(source)))
        asked = (self.who(source), self.eps_rels)
        return sum(forecast(*asked, setting, images, speed.of(setting)).hours
                   for setting in self.settings(source))


def of_tables(
    scale: int,        # 2 or 4
) -> list[str]:        # names of shipped models
    "The learned linear maps of the radii, and the networks of the thesis's settings."
    maps = [linear_name(scale, Threat(eps_rel)) for eps_rel in RADII]
    networks = [name for name in list_models()
                if GRID[name].scale == scale and family(name) in ('thesis', 'residual')]
    return maps + networks


def thesis() -> Iterator[Folder]:
    "The thesis's protocol: its attack, on the network alone, and all photographs of val."
    for scale in (2, 4):
        yield Folder(f'x{scale}_thesis', lambda source: source.val(VAL), Setting(scale),
                     (ATTACKS['thesis'],), of_tables(scale))


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


# ---------------------------------------------------------------- choices

def sigma_g(source: Source) -> None:
    "Once for each network, and anew at each radius, as the thesis does."
    photos, few = source.held(16), source.held(6)
    setting = Setting(device=source.device)
    short = replace(setting, k=16)
    once, anew = [], []
    for name in [name for name in list_models() if chosen_for(name)]:
        best, rows = choose_sigma_g(name, photos, RESULTS/'sigma_g', setting=setting,
                                    data=HELD_OUT)
        once.append(rows)
        note_sigma_g(name, dict(chosen=best, eps_rel=.02, by='ssim', data=HELD_OUT, n=16, k=50,
                                attack_iterations=10, seed=0))
        if family(name) != 'thesis': continue
        for eps_rel in (*RADII, .035):
            anew.append(choose_sigma_g(name, few, RESULTS/'sigma_g_by_radius', eps_rel,
                                       setting=short, data=HELD_OUT)[1])
    finish('sigma_g', pd.concat(once), write_results)
    finish('sigma_g_by_radius', pd.concat(anew), write_results)


def chosen_for(
    name: str,        # of a shipped model
) -> bool:
    "Whether it is smoothed at a level that is chosen."
    return bool(GRID[name].sigma_f) and family(name) in ('thesis', 'residual')


# ---------------------------------------------------------------- the bar

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
            found.append(sweep(who, photos, RESULTS/name, setting, (eps_rel,), source.label))
            networks = [s for s in who if s.name.startswith(f'x{scale}_refined')]
            clipped = replace(setting, attacks=CLIPPED)
            found.append(sweep(networks, photos, RESULTS/name, clipped, (eps_rel,), source.label))
        identity = ['model', 'weights', 'eps_rel', 'attack', 'content']
        finish(name, pd.concat(found).drop_duplicates(identity), write_results)


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
    kept = RESULTS/'fresh_attacked.csv'
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


# ---------------------------------------------------------------- certificates

# the network in two parts that all methods are compared on, and at which radii, by scale
COMPARED: dict[int, tuple[str, tuple[float, ...]]] = {
    2: ('x2_smoothed_0.001', (0., .0005, .001, .002, .005, .01)),
    4: ('x4_smoothed_0.005', (0., .002, .005, .01, .02, .05))}
DENOISER = 'x2_smoothing_0.3'    # leaves no noise in its output, which suits other methods better
OF_PARTS = ('B6-range', 'B6', 'B7')
OF_OUTPUT = ('B1', 'B2', 'B2-trimmed', 'B3', 'B4', 'B4-ssim', 'B5-trace', 'B5', 'B7')


def as_it_is(
    name: str,          # of a shipped network in two parts
    device: str,        # cpu, cuda, ...
) -> Candidate:
    "The network before it was split, for the methods that draw the whole output."
    f = load_model(name, device)
    assert isinstance(f, Split) and isinstance(f.f, Refined)
    split = candidate(name, device, 'bfloat16')
    return split._replace(f=f.f.folded('bfloat16'), name=f'{split.name}, as it is')


def certificates_compared(source: Source) -> None:
    "Every method at equal draws, on twelve of the sixty."
    photos = some_of_sixty(source, 12)
    asked: list[tuple[str | Candidate, tuple[str, ...], tuple[float, ...]]] = []
    for name, eps_rels in COMPARED.values():
        asked.append((name, OF_PARTS, eps_rels))
        asked.append((as_it_is(name, source.device), OF_OUTPUT, eps_rels))
    asked.append((DENOISER, OF_OUTPUT, COMPARED[2][1]))
    found = []
    for who, methods, eps_rels in asked:
        terms = Terms(methods, eps_rels, 2000, precision='bfloat16', device=source.device)
        folder = RESULTS/'certificates_compared'
        found.append(certify_photographs(who, photos, folder, terms, source.label))
    finish('certificates_compared', pd.concat(found).drop_duplicates(CERTIFIED), write_certificates)


def looks(source: Source) -> None:
    "Draws that are saved by looking whether it is decided: ten of the sixty, up to 8,000."
    photos = some_of_sixty(source, 10)
    found = []
    for name in ('x2_smoothed_0.0005', 'x4_smoothed_0.002'):
        radius = GRID[name].certified
        terms = Terms(
            ('B7',), (radius,), 8000, precision='bfloat16', device=source.device, looks=4)
        found.append(certify_photographs(name, photos, RESULTS/'looks', terms, source.label))
    finish('looks', pd.concat(found).drop_duplicates(CERTIFIED), write_certificates)


# networks trained for it and their draws, by scale and the radius each was trained for
SMOOTHED = {2: {.0005: 4000, .001: 3000, .002: 1000}, 4: {.002: 10_000, .005: 3000, .01: 1000}}
ALWAYS = 0.    # a radius that every network is certified at


# what an estimate depends on
ESTIMATED = ['content', 'model', 'weights', 'draws', 'eps_rel']


def with_infinitely_many(
    documents: Path,    # folder of them
) -> Iterator[dict]:    # one row a photograph, network and radius
    "What B7 would say with infinitely many draws: estimates, no certificates."
    for path in sorted(documents.glob('*.json')):
        document = json.loads(path.read_bytes())
        for one in document['certificates']:
            facts = facts_said(one, document)
            if one['method'] != 'B7' or facts is None: continue
            psnr = -20*math.log10(estimated_error(facts))
            about = one | document                         # whose draws are those asked for
            yield {key: about[key] for key in ESTIMATED} | dict(psnr=f'{psnr:.4f}')


def keep_estimates(
    rows: pd.DataFrame,    # of the certificates that they belong to
    folder: Path,          # of the documents of those that are new
    kept: Path,            # csv file of all
) -> None:
    "Those of the documents, and of the others what belongs to the rows."
    old = pd.read_csv(kept, dtype=dict(psnr=str)) if kept.exists() else pd.DataFrame()
    new = pd.DataFrame(with_infinitely_many(folder), columns=[*ESTIMATED, 'psnr'])
    known = pd.concat([old, new]).drop_duplicates(ESTIMATED, keep='last')
    wanted = rows.loc[rows['method'] == 'B7', ['photograph', *ESTIMATED]]
    estimates = known[[*ESTIMATED, 'psnr']]
    found = wanted.merge(estimates, on=ESTIMATED, how='left', validate='one_to_one')
    if missing := found['psnr'].isna().sum():
        raise ValueError(f'{kept} lacks {missing} estimates: delete the rows that they belong to, '
                         'so that they are certified again')
    write_file(kept, found.to_csv(index=False).encode())


def smoothed_at(
    source: Source,    # photographs
    scale: int,        # 2 or 4
) -> None:
    "Sixty photographs that are in no table of 24."
    name = f'x{scale}_smoothed'
    found = []
    for eps_rel, n in SMOOTHED[scale].items():
        terms = Terms(('B7',), (ALWAYS, eps_rel), n, precision='bfloat16', device=source.device)
        photos = source.fresh(SIXTY)
        model = smoothed_name(scale, eps_rel)
        rows = certify_photographs(model, photos, RESULTS/name, terms, source.label)
        found.append(rows)
    together = pd.concat(found).drop_duplicates(CERTIFIED)
    keep_estimates(together, RESULTS/name/'documents', RESULTS/f'{name}_infinite.csv')
    finish(name, together, write_certificates)


def smoothed(source: Source) -> None:
    "Networks trained for a certificate by smoothing, beside the maps."
    for scale in SMOOTHED: smoothed_at(source, scale)


TIMES = (.15, .25, .5, 1., 2., 3.)    # eps/sigma


def gained_of(
    source: Source,     # photographs
    image: int,         # number of one of six
) -> Iterator[dict]:    # one row a shift
    "B7 as it was and as it is, from the same 5,000 draws of one photograph."
    crops = distinct(source.val(6))
    content = crops.contents[image]
    f = load_model('x2_smoothed_0.001', source.device)
    p = crops[image][None].float().to(source.device)/255
    faced, y, x = problem(f.folded(), p, operator_of(f.card))
    noise = Noise(noise_of(f.card), 5000, photograph_seed(0, content))
    d = observe(faced, y, noise, x)
    first = summary_of(observe(faced, y, replace(noise, k=512), x).main)
    projections = d.main.scalars[:, 1].cpu().double().numpy()
    for t in TIMES:
        facts = facts_of(Question(d, t*d.sigma, .001), d.main)
        errors = dict(
            first=first_quality_bound(projections, facts.summary, first, t, facts.linear, .001),
            now=OF_SUMMARY['B7'](facts).error)
        psnr = {name: f'{-20*math.log10(error):.4f}' for name, error in errors.items()}
        yield dict(photograph=crops.names[image], content=content, t=t) | psnr


def gained(source: Source) -> None:
    "What the later proofs have gained over the first B7."
    rows = [row for image in range(6) for row in gained_of(source, image)]
    write_file(RESULTS/'gained.csv', pd.DataFrame(rows).to_csv(index=False).encode())


def front(source: Source) -> None:
    "Which noise for which radius: the networks trained for one, at all radii, held out."
    photos = source.held(6)
    found = []
    for scale, own in SMOOTHED.items():
        terms = Terms(('B7',), (ALWAYS, *own), 2000, precision='bfloat16', device=source.device)
        for eps_rel in own:
            name = smoothed_name(scale, eps_rel)
            found.append(certify_photographs(name, photos, RESULTS/'front', terms, HELD_OUT))
    finish('front', pd.concat(found).drop_duplicates(CERTIFIED), write_certificates)


def to_be_broken(
    device: str,        # cpu, cuda, ...
) -> Iterator[tuple[Candidate, float, int]]:
    "Each network that is certified, at which radius, and on one in how many of the sixty."
    for scale, own in SMOOTHED.items():
        for eps_rel in own:
            yield candidate(smoothed_name(scale, eps_rel), device, 'bfloat16'), eps_rel, 8
    for name, eps_rels in COMPARED.values():
        yield as_it_is(name, device), eps_rels[2], 20
    yield candidate(DENOISER, device, 'bfloat16'), COMPARED[2][1][2], 20


def attack_certified(
    who: Candidate,         # a network that was certified
    p: Tensor,              # a photograph (1, 3, h, w), pixels in [0,1]
    content: str,           # its hash
    eps_rel: float,         # relative l2 radius
) -> dict[str, str]:        # of the row
    "How far an attack gets."
    faced, y, x = problem(who.f, p, who.operator, who.where)
    noise = Noise(who.sigma, 256, photograph_seed(0, content))
    found = attacked(faced, y, x, noise, eps_rel)
    return {key: f'{value:.6g}' for key, value in found.items()}


def certificates_attacked(source: Source) -> None:
    "Attacks on what is certified."
    kept = RESULTS/'certificates_attacked.csv'
    old = pd.read_csv(kept).to_dict('records') if kept.exists() else []
    crops = distinct(source.fresh(SIXTY))
    asked = {(who.name, estimator_hash(who.f), eps_rel): (who, every)
             for who, eps_rel, every in to_be_broken(source.device)}
    rows: list[dict] = [
        row for row in old if (row['model'], row['weights'], row['eps_rel']) in asked]
    done = {(row['model'], row['content']) for row in rows}
    for (name, weights, eps_rel), (who, every) in asked.items():
        for image in range(0, SIXTY, every):
            content = crops.contents[image]
            if (name, content) in done: continue
            p = crops[image][None].float().to(source.device)/255
            about = dict(model=name, weights=weights, photograph=crops.names[image],
                         content=content, eps_rel=eps_rel)
            rows.append(about | attack_certified(who, p, content, eps_rel))
            write_file(kept, pd.DataFrame(rows).to_csv(index=False).encode())


# radii of certificates by curvature, by the radius that a network was trained for
CURVED = {.002: (.0005, .001, .002), .005: (.005,), .01: (.01,)}


def certify_curved(
    name: str,               # of a shipped network of one block
    crops: Distinct,         # photographs
    done: set[tuple],        # content and radius of what is known
) -> Iterator[dict]:         # one row a photograph and radius
    "What is certain of a network by its curvature, and what of the map of the radius."
    cfg = GRID[name]
    f = load_model(name)
    assert isinstance(f, Refined)
    curvature = Curvature(f)
    for image, at in itertools.product(range(len(crops)), CURVED[cfg.certified]):
        content = crops.contents[image]
        if (content, at) in done: continue
        y, x = pair(crops[image][None].float()/255, Downsampling(cfg.scale))
        eps = Threat(at).radius(y.shape[1:])
        found = curvature.certify(y, x, eps)
        bar = load_model(linear_name(cfg.scale, Threat(at)))
        assert isinstance(bar, LearnedLinear)
        worst = y + TrustRegion(bar, y, x, STD).change(eps).float()
        errors = dict(clean=float(norms(STD*(curvature.f(y) - x))),
                      bar=float(norms(STD*(bar(worst) - x))),
                      reached=found.reached, certified=found.bound)
        psnr = {key: f'{-20*math.log10(v/x.numel()**.5):.4f}' for key, v in errors.items()}
        about = dict(photograph=crops.names[image], content=content, model=name, eps_rel=at)
        yield about | psnr | dict(kappa=f'{found.kappa:.4g}', norm=f'{found.norm:.4g}')


def curved(source: Source) -> None:
    "Certificates by curvature, on sixty photographs that are in no table of 24."
    crops = distinct(source.fresh(SIXTY))
    for name in list_models():
        if family(name) != 'curved': continue
        kept = RESULTS/'curved'/f'{name}.csv'
        weights = load_card(name)['sha256'][:16]
        rows = pd.read_csv(kept).to_dict('records') if kept.exists() else []
        rows = [row for row in rows if row['weights'] == weights]
        done = {(row['content'], row['eps_rel']) for row in rows}
        for row in certify_curved(name, crops, done):
            rows.append(row | dict(weights=weights))
            write_file(kept, pd.DataFrame(rows).to_csv(index=False).encode())


# ---------------------------------------------------------------- a training

def history(
    source: Source,     # photographs
    init: str,          # model to start from, or '' for a fresh one
) -> list[dict]:        # one row an epoch
    "Four epochs of a network for much noise."
    recipe = GRID['x2_smoothing_1']
    cfg = replace(recipe, name=f'from_{init or "scratch"}', init=init, epochs=4)
    with tempfile.TemporaryDirectory() as out:
        train_folder(cfg, str(source.data), out, source.device)
        card = load_card(Path(out)/f'{cfg.name}.safetensors')
    about = dict(start=init or 'scratch', sigma_f=cfg.sigma_f, lr=cfg.lr, seed=cfg.seed,
                 device=source.device)
    return [about | dict(epoch=i) | row for i, row in enumerate(card['history'], 1)]


def start(source: Source) -> None:
    "A network for much noise, started from the undefended one and from scratch."
    kept = RESULTS/'start.csv'
    if kept.exists(): return
    rows = [*history(source, 'x2_standard'), *history(source, '')]
    write_file(kept, pd.DataFrame(rows).to_csv(index=False).encode())


def average(source: Source) -> None:
    "What is kept of a training with a constant rate: the last weights, or their moving average."
    kept = RESULTS/'average.csv'
    if kept.exists(): return
    rows: list[dict] = []
    for name, ema in (('last', 0.), ('average', GRID['x2_thesis_standard'].ema)):
        cfg = replace(GRID['x2_thesis_standard'], ema=ema)
        with tempfile.TemporaryDirectory() as out:
            train_folder(cfg, str(source.data), out, source.device)
            card = load_card(Path(out)/f'{cfg.name}.safetensors')
        about = dict(kept=name, ema=ema)
        rows += (about | dict(epoch=i) | row for i, row in enumerate(card['history'], 1))
    write_file(kept, pd.DataFrame(rows).to_csv(index=False).encode())


def linear(source: Source) -> None:
    "Which noise of a learned linear map for which radius."
    kept = RESULTS/'linear'/'choice.csv'
    if kept.exists(): return
    with tempfile.TemporaryDirectory() as out:
        linear_command(str(source.data), out)
        write_file(kept, (Path(out)/'choice.csv').read_bytes())


SWEEPS = (thesis, strongest, ablation, adaptive, measurement, embedded)
OTHERS = (certificates_compared, looks, front, certificates_attacked, start, average, linear,
          fresh, fresh_attacked, curved, smoothed, gained)


# ---------------------------------------------------------------- how long it will take

@torch.no_grad()
def seconds_of(
    work: Callable[[Tensor], object],     # is given images
    device: str,                          # cpu, cuda, ...
) -> float:                               # for an image, the fastest of three times
    "How long a network is at work."
    y = torch.zeros(8, 3, 160, 160, device=device)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        work(y)
        times.append((time.perf_counter() - start)/len(y))
    return min(times[1:])


def measured_speed(
    device: str,                          # cpu, cuda, ...
) -> Speed:
    "Of this machine as it is now."
    f = load_model('x2_standard', device)
    assert isinstance(f, UNet)
    networks = {precision: f.folded(precision) for precision in PRECISIONS}

    def gradient(precision: str) -> Callable[[Tensor], object]:
        "A pass and its way back."
        def work(y: Tensor) -> object:
            y = y.clone().requires_grad_()
            with torch.enable_grad(): return networks[precision](y).square().sum().backward()
        return work

    works = (networks['float32'], gradient('float32'), gradient('bfloat16'))
    return Speed(*(seconds_of(work, device) for work in works))


def say_how_long(
    source: Source,                       # photographs
    parts: list[Callable],                # of SWEEPS
) -> None:
    "Print what the sweeps would take from nothing, one folder a line."
    speed = measured_speed(source.device)
    hours = {folder.name: folder.hours(source, speed) for part in parts for folder in part()}
    print(f'an image takes {1e3*speed.forward:.1f} ms, with its gradient '
          f'{1e3*speed.gradient:.1f} ms, in bfloat16 {1e3*speed.rounded:.1f} ms')
    for name, needed in hours.items(): print(f'{name:16} {60*needed:6.0f} minutes from nothing')
    print(f'{"all sweeps":16} {60*sum(hours.values()):6.0f} minutes on one such process, less '
          'what is there already', flush=True)


def parser_of(
    names: list[str],                     # of the parts
) -> argparse.ArgumentParser:
    "What the command line may say."
    described = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=described)
    parser.add_argument('data', type=Path, help='ImageNet-sample, with train and val')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--only', default=','.join(names), help='some of the default')
    parser.add_argument('--how-long', action='store_true', help='predict the sweeps, and end')
    return parser


def compute(
    source: Source,                       # photographs
    wanted: list[str],                    # names of parts
) -> None:
    "What is asked for; the choices first, since the tables are made with them."
    if 'sigma_g' in wanted: sigma_g(source)
    for part in SWEEPS:
        if part.__name__ not in wanted: continue
        for folder in part(): folder.compute(source)
    for other in OTHERS:
        if other.__name__ in wanted: other(source)


def main(argv: list[str] | None = None) -> None:
    "Compute what the command line asks for."
    names = [part.__name__ for part in (sigma_g, *SWEEPS, *OTHERS)]
    parser = parser_of(names)
    args = parser.parse_args(argv)
    wanted = args.only.split(',')
    if unknown := set(wanted) - set(names): parser.error(f'no part {unknown.pop()}: {names}')
    source = Source(args.data, args.device, f'{args.data.resolve().name}/val')
    sweeps = [part for part in SWEEPS if part.__name__ in wanted]
    if sweeps: say_how_long(source, sweeps)
    if not args.how_long: compute(source, wanted)


if __name__ == '__main__': main()
