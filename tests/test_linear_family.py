"Learned linear maps: the command that chooses them, as subjects, and their certificates."
import hashlib
import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import rssr.certification
import rssr.linear
from rssr.adaptive import Attack
from rssr.attacks import Ascent
from rssr.certification import certify, linear_certificate
from rssr.certifying import Terms, certify_photographs
from rssr.data import Crops, Photographs, embedded_photographs, find_images, holdout
from rssr.grid import LINEAR_RADII, linear_name, rssr_linear
from rssr.linear import LearnedLinear, TrustRegion, linear_worst_case, squared_norm
from rssr.metrics import metrics
from rssr.models import estimator_hash, list_models, load_card, load_model, noise_of, threat_of
from rssr.operators import WHERE, Downsampling, Threat, problem
from rssr.smoothing import Noise
from rssr.sweep import Setting, perturbed, subjects, sweep
from rssr.units import STD

RESULTS = Path(__file__).parents[1]/'nbs'/'results'
SMALL = ['--sigmas', '0,.05,.2', '--size', '48', '--scales', '2', '--rounds', '3']


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    "A folder of 24 small pictures; its name decides, too, which are held out."
    folder = tmp_path_factory.mktemp('photographs')/'own'
    folder.mkdir()
    for i, image in enumerate(embedded_photographs().images[:24]):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder/f'{i}.png')
    return folder


@pytest.fixture(scope='module')
def maps(photographs, tmp_path_factory):
    "What the command makes of it."
    out = tmp_path_factory.mktemp('maps')
    rssr_linear(['--data', str(photographs), '--out', str(out), *SMALL])
    return out


@pytest.fixture(scope='module')
def small():
    "Two small crops."
    return Crops(embedded_photographs().images[[0, 9], :, 64:96, 64:96], ['a', 'b'])


def names(scale):
    "Of all maps of a scale."
    return sorted(linear_name(scale, Threat(eps_rel, where=where))
                  for where in WHERE for eps_rel in LINEAR_RADII[where])


def contents(folder):
    "Bytes of its files, by name."
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---------------------------------------------------------------- the command

def test_a_map_and_a_card_for_each_radius(maps):
    assert list_models(maps, maps=True) == names(2) and list_models(maps) == []
    for name in names(2):
        path = maps/f'{name}.safetensors'
        f, card = load_model(path), load_card(path)
        assert isinstance(f, LearnedLinear) and path.stat().st_size < 2000
        assert card['name'] == name and card['units'] and 'torch' in card and 'version' in card
        assert card['sha256'] == hashlib.sha256(path.read_bytes()).hexdigest()
        threat = threat_of(card)
        assert linear_name(2, threat) == name
        assert card['validation']['eps_rel'] == threat.eps_rel and card['validation']['n'] > 1
        assert noise_of(card) == card['sigma_f'] == 0
        assert {'photographs', 'photographs_held_out'} <= set(card)


def test_the_second_run_gives_identical_bytes(photographs, maps, tmp_path):
    rssr_linear(['--data', str(photographs), '--out', str(tmp_path), *SMALL])
    assert contents(tmp_path) == contents(maps)


def test_the_card_is_the_best_row_of_its_radius(maps):
    table = pd.read_csv(maps/'choice.csv')
    assert list(table) == ['scale', 'where', 'fit', 'sigma', 'eps_rel', 'psnr', 'n',
                           'headroom']
    played = table[table['fit'] == 'minimax']
    assert (played['headroom'] > -.001).all() and (played['eps_rel'] > 0).all()
    assert len(played) == len(names(2)) - 1
    for (where, eps_rel), rows in table.groupby(['where', 'eps_rel']):
        best = rows.loc[rows['psnr'].idxmax()]
        card = load_card(maps/f'{linear_name(2, Threat(eps_rel, where=where))}.safetensors')
        assert card['config'] == dict(threat=where, fit=best['fit'], sigma=best['sigma'],
                                      support=9)
        assert card['validation'] == dict(psnr=best['psnr'], n=best['n'], eps_rel=eps_rel)
    of_input = table[table['where'] == 'input'].groupby('eps_rel')['psnr'].max()
    assert of_input.is_monotonic_decreasing


@pytest.mark.parametrize('where', WHERE)
def test_the_figure_on_a_card_is_that_of_the_worst_case(photographs, maps, where):
    threat = Threat(.02, where=where)
    f = load_model(maps/f'{linear_name(2, threat)}.safetensors')
    _, held = holdout(find_images(photographs))
    crops = Photographs(held, 48)
    p = torch.stack([crops[i] for i in range(len(crops))]).float()/255
    A, y, x = problem(f, p, Downsampling(2), where)
    found = metrics(A(linear_worst_case(A, y, x, threat)), x)['psnr']
    assert float(found.mean()) == pytest.approx(f.card['validation']['psnr'], abs=.02)


@pytest.mark.parametrize(('words', 'said'), [
    (['--data', ''], 'no photographs'),
    (['--where', 'up'], "where='up' is unknown"),
    (['--sigmas', 'much'], 'is not a list of numbers'),
])
def test_what_cannot_be_meant_is_one_line(photographs, tmp_path, capsys, words, said):
    argv = ['--data', str(photographs), '--out', str(tmp_path), *SMALL, *words]
    with pytest.raises(SystemExit) as end: rssr_linear(argv)
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and said in lines[-1] and not [*tmp_path.iterdir()]


# ---------------------------------------------------------------- subjects

def test_a_map_is_a_subject_without_noise(maps):
    for name in ('x2_linear_0', 'x2_linear_0.05'):
        path = str(maps/f'{name}.safetensors')
        found = subjects([path], sigma_gs=(.1,))[3:]
        assert [(s.name, s.sigma_gs, s.perturb) for s in found] == [(name, (0.,), 'attack')]


@pytest.mark.parametrize('where', WHERE)
def test_its_worst_case_in_a_sweep_is_exact(maps, small, tmp_path, where):
    who = subjects([str(maps/'x2_linear_0.02.safetensors')])[3:]
    rows = sweep(who, small, tmp_path, Setting(where=where), (0., .02))
    assert rows['done'].tolist() == ['none']*2 + ['exact']*2
    assert (rows['attack'] == '').all() and (rows['k'] == 1).all()


def test_all_radii_share_what_finds_the_worst_case(maps, small, tmp_path, monkeypatch):
    "It is made once for each batch, and again for what a later run lacks."
    made = []

    class Counted(TrustRegion):
        def __init__(self, f, y, x):
            made.append(len(y))
            super().__init__(f, y, x)

    monkeypatch.setattr(rssr.linear, 'TrustRegion', Counted)
    who = subjects([str(maps/'x2_linear_0.02.safetensors')])[3:]
    together = sweep(who, small, tmp_path/'all', Setting(), (0., .01, .02, .05))
    assert made == [2]
    assert len(list((tmp_path/'all'/'jobs').glob('*.json'))) == 4
    alone = [sweep(who, small, tmp_path/f'{e:g}', Setting(), (e,)) for e in (0., .01, .02, .05)]
    assert made == [2]*4                  # without a radius nothing has to be found
    assert together['psnr'].tolist() == pd.concat(alone)['psnr'].tolist()
    more = sweep(who, small, tmp_path/'all', Setting(), (.02, .1))
    assert made == [2]*5 and more['eps_rel'].tolist() == [.02]*2 + [.1]*2


def test_no_attack_is_stronger_than_the_exact_worst_case(maps, small):
    s = subjects([str(maps/'x2_linear_0.02.safetensors')])[3]
    f, y, x = problem(s.f, small.images.float()/255, Downsampling(2))
    z, done = perturbed(s, y, x, Threat(.05))
    climbed = Attack(ascent=Ascent(iterations=60))(f, y, x, Threat(.05))
    exact, found = (metrics(f(v), x)['mse'] for v in (z, climbed))
    assert done == 'exact' and (found <= exact*(1 + 1e-3)).all() and (found > .8*exact).all()
    assert perturbed(s, y, x, Threat(.05, 'linf'))[1] == 'attack'


def test_of_the_shipped_maps_the_tables_show_those_of_the_thesis():
    for scale in (2, 4):
        shown = [s.name for s in subjects(scale=scale) if '_linear_' in s.name]
        assert shown == [f'x{scale}_linear_{e:g}' for e in (0, .01, .02, .05, .1, .2)]


# ---------------------------------------------------------------- shipped

def test_all_maps_ship_with_figures_that_fit_the_table():
    assert list_models(maps=True) == sorted([*names(2), *names(4)])
    table = pd.read_csv(RESULTS/'linear'/'choice.csv')
    best = table.loc[table.groupby(['scale', 'where', 'eps_rel'])['psnr'].idxmax()]
    for row in best.itertuples():
        name = linear_name(row.scale, Threat(row.eps_rel, where=row.where))
        card = load_card(name)
        assert card['config'] == dict(threat=row.where, fit=row.fit, sigma=row.sigma, support=9)
        assert card['validation']['psnr'] == row.psnr and row.n == 67
        assert load_model(name).scale == row.scale


def test_the_data_dictionary_is_that_of_the_file():
    section = (RESULTS/'README.md').read_text().split('\n### linear/choice.csv\n')[1]
    columns = re.findall(r'(?m)^\| `(\w+)` \|', section.split('\n#')[0])
    assert columns == list(pd.read_csv(RESULTS/'linear'/'choice.csv'))


# ---------------------------------------------------------------- certificates

@pytest.mark.parametrize('where', WHERE)
def test_a_certificate_is_met_by_the_worst_case(maps, small, where):
    f = load_model(maps/'x2_linear_0.02.safetensors')
    A, y, x = problem(f, small.images[:1].float()/255, Downsampling(2), where)
    squared = squared_norm(A, y.shape[1:], STD)
    for eps_rel in (0., .001, .02):
        one = linear_certificate(A, y, eps_rel, x)
        error = float(((A(y) - x)*STD).square().mean())
        if one.eps:
            worst = TrustRegion(A, y, x, STD).worst(one.eps, squared)
            error = float(worst.reached)/x.numel()
        assert -1e-6 <= -10*math.log10(error) - one.psnr < .01
        assert one.draws == one.alpha == 0


def test_the_change_bound_is_that_of_the_dense_matrix(maps):
    f = load_model(maps/'x2_linear_0.02.safetensors')
    y = torch.zeros(1, 3, 16, 16)
    unit = torch.eye(3*16*16).view(-1, 3, 16, 16)
    A = (f.linear(unit)*STD).flatten(1).T
    norm = float(torch.linalg.matrix_norm(A.double(), 2))
    one = linear_certificate(f, y, .01)
    assert one.change == pytest.approx(norm*one.eps/768**.5, rel=1e-3) and math.isnan(one.psnr)
    assert one.change >= norm*one.eps/768**.5*(1 - 1e-6)
    assert certify(f, y, Noise(.1), .01) == [one]


def learned(small, folder):
    "Rows of the maps in a certification."
    terms = Terms(('B7',), (0., .0007, .002), n=64)
    rows = certify_photographs('x2_smoothing_0.3', small, folder, terms)
    return rows[rows['method'] == 'B0 learned']


def test_certified_rows_of_the_maps(small, tmp_path, monkeypatch):
    computed = []
    monkeypatch.setattr(rssr.certification, 'squared_norm',
                        lambda *a, **k: computed.append(a) or squared_norm(*a, **k))
    monkeypatch.setattr(rssr.certification, '_NORMS', {})
    rows = learned(small, tmp_path)
    maps = [estimator_hash(load_model(f'x2_linear_{e:g}')) for e in (0., .0005, .002)]
    needed = len({*maps[1:]})                                # none where nothing is changed
    assert len(rows) == 6 and len(computed) == needed        # a norm a map, not a photograph
    assert (rows['draws'] == 0).all() and set(rows['model']) == {'learned linear'}
    assert learned(small, tmp_path).equals(rows) and len(computed) == needed
    f = load_model('x2_linear_0.0005')                       # for .0007, nothing nearer ships
    A, y, x = problem(f, small.images[:1].float()/255, Downsampling(2))
    exact = linear_certificate(A, y, .0007, x)
    row = rows[(rows['photograph'] == 'a') & (rows['eps_rel'] == .0007)].iloc[0]
    assert row['psnr'] == pytest.approx(exact.psnr, abs=1e-3)


def test_a_changed_map_is_certified_anew(small, tmp_path, monkeypatch):
    first = learned(small, tmp_path)

    def changed(name, *where):
        "A model; of a map, another."
        model = load_model(name, *where)
        if isinstance(model, LearnedLinear): model.constants += .1
        return model

    monkeypatch.setattr(rssr.certifying, 'load_model', changed)
    second = learned(small, tmp_path)
    assert set(second['weights']).isdisjoint(first['weights'])
    assert not np.allclose(second['psnr'], first['psnr'])
    jobs = [json.loads(path.read_text()) for path in (tmp_path/'jobs').iterdir()]
    assert sum(job['model'] == 'learned linear' for job in jobs) == 4
