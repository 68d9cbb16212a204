"What is certain: certificates by smoothing and by curvature, and attacks on them."
from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
from torch import Tensor

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
from rssr.data import Distinct, distinct
from rssr.draws import observe, summary_of
from rssr.grid import GRID, family, linear_name, smoothed_name
from rssr.linear import LearnedLinear, TrustRegion
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
from rssr.unet import Refined, Split
from rssr.units import STD, norms
from tools.first_bound import first_quality_bound
from tools.results.source import HELD_OUT, SIXTY, Source, finish, some_of_sixty

CERTIFIED = [*CERTIFICATE_IDENTITY, 'content', 'method', 'eps_rel']    # tells rows apart
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
        folder = source.begun('certificates_compared')
        found.append(certify_photographs(who, photos, folder, terms, source.label))
    rows = pd.concat(found).drop_duplicates(CERTIFIED)
    finish(source, 'certificates_compared', rows, write_certificates)


def looks(source: Source) -> None:
    "Draws that are saved by looking whether it is decided: ten of the sixty, up to 8,000."
    photos = some_of_sixty(source, 10)
    found = []
    for name in ('x2_smoothed_0.0005', 'x4_smoothed_0.002'):
        radius = GRID[name].certified
        terms = Terms(
            ('B7',), (radius,), 8000, precision='bfloat16', device=source.device, looks=4)
        found.append(certify_photographs(name, photos, source.begun('looks'), terms, source.label))
    finish(source, 'looks', pd.concat(found).drop_duplicates(CERTIFIED), write_certificates)


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
        rows = certify_photographs(model, photos, source.begun(name), terms, source.label)
        found.append(rows)
    together = pd.concat(found).drop_duplicates(CERTIFIED)
    keep_estimates(together, source.begun(name)/'documents', source.results/f'{name}_infinite.csv')
    finish(source, name, together, write_certificates)


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
    write_file(source.results/'gained.csv', pd.DataFrame(rows).to_csv(index=False).encode())


def front(source: Source) -> None:
    "Which noise for which radius: the networks trained for one, at all radii, held out."
    photos = source.held(6)
    found = []
    for scale, own in SMOOTHED.items():
        terms = Terms(('B7',), (ALWAYS, *own), 2000, precision='bfloat16', device=source.device)
        for eps_rel in own:
            name = smoothed_name(scale, eps_rel)
            found.append(certify_photographs(name, photos, source.begun('front'), terms, HELD_OUT))
    finish(source, 'front', pd.concat(found).drop_duplicates(CERTIFIED), write_certificates)


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
    kept = source.results/'certificates_attacked.csv'
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
        kept = source.results/'curved'/f'{name}.csv'
        weights = load_card(name)['sha256'][:16]
        rows = pd.read_csv(kept).to_dict('records') if kept.exists() else []
        rows = [row for row in rows if row['weights'] == weights]
        done = {(row['content'], row['eps_rel']) for row in rows}
        for row in certify_curved(name, crops, done):
            rows.append(row | dict(weights=weights))
            write_file(kept, pd.DataFrame(rows).to_csv(index=False).encode())
