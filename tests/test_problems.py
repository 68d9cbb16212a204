"Other problems than super-resolution, from the recipe to the certificate."
import json

import pandas as pd
import pytest
import torch
from PIL import Image

from rssr.adaptive import ATTACKS
from rssr.certifying import Candidate, Terms, certify_photographs, read_certificates
from rssr.data import Crops, crop_hashes, embedded_photographs, noise_of_measurement
from rssr.evaluation import choose_sigma_g, evaluate
from rssr.grid import rssr_linear
from rssr.linear import Adversary, Polynomials, fit_polynomial, play, prior
from rssr.models import estimator_hash, load_model, operator_of, save_model, threat_of
from rssr.operators import (
    PROBLEMS,
    Downsampling,
    Fourier,
    Threat,
    operator_named,
    pair,
    problem,
)
from rssr.recipe import TrainConfig
from rssr.smoothing import Noise, Smoothed
from rssr.sweep import Setting, Subject, case_of, read_results, subjects, sweep, write_results
from rssr.training import train
from rssr.units import is_affine, normalise

SMALL = Crops(embedded_photographs().images[:4, :, 40:104, 40:104], ['a', 'b', 'c', 'd'])


@pytest.fixture(scope='module')
def network(tmp_path_factory) -> str:
    "A network for lines of a spectrum, trained for a moment."
    out = tmp_path_factory.mktemp('trained')
    cfg = TrainConfig('lines', scale=1, problem='fourier', threat='measurement', sigma_f=.05,
                      eps_rel=.02, attack_iterations=1, epochs=1, batch_size=2)
    photos = Crops(SMALL.images[:2], SMALL.names[:2])
    train(cfg, photos, Crops(SMALL.images[2:], SMALL.names[2:]), out)
    return str(out/'lines.safetensors')


@pytest.fixture(scope='module')
def linear(tmp_path_factory) -> str:
    "A linear map for the same, fitted for a moment."
    x = normalise(SMALL.images.float()/255)
    f = fit_polynomial(prior(x, 'fourier', 4), x, .05)
    path = tmp_path_factory.mktemp('fitted')/'fourier_linear_0.05.safetensors'
    card = dict(scale=1, sigma_f=0., eps_rel=.05,
                config=dict(problem='fourier', threat='measurement'))
    save_model(f, path, card)
    return str(path)


def test_a_recipe_says_where_it_is_measured():
    assert TrainConfig(scale=4).operator == operator_named('x4')
    asked = dict(problem='inpainting', scale=1, threat='measurement')
    assert TrainConfig(**asked).operator == PROBLEMS['inpainting']
    for wrong in (dict(scale=2), dict(threat='input')):
        with pytest.raises(ValueError, match='set scale=1 and attack the'):
            TrainConfig(**asked | wrong)
    with pytest.raises(ValueError, match="problem='up' is unknown"):
        TrainConfig(**asked | dict(problem='up'))
    with pytest.raises(ValueError, match='goes with none of projection, bound and maps'):
        TrainConfig(**asked | dict(bound=.1))
    with pytest.raises(ValueError, match='set scale=1 and attack the'):
        Setting(problem='motion')
    with pytest.raises(ValueError, match="problem='up' is unknown"):
        Setting(problem='up')


def test_the_card_says_what_was_measured(network):
    f = load_model(network)
    assert operator_of(f.card) == Fourier()
    assert threat_of(f.card) == Threat(.02, where='measurement')
    assert f.card['validation']['psnr'] != f.card['validation_noisy']['psnr']


def test_a_measurement_is_the_same_in_every_table(network):
    "Its noise knows the photograph and nothing else: neither batch nor seed."
    setting = Setting(1, 'measurement', problem='fourier')
    s = Subject('lines', load_model(network))
    p = SMALL.images.float()/255
    together = case_of(s, p, .02, setting).y
    alone = case_of(s, p[2:3], 0., Setting(1, 'measurement', problem='fourier', seed=5)).y
    assert torch.equal(together[2:3], alone)
    clean = Fourier().A(normalise(p))
    assert ((together - clean).std() - .02).abs() < .001
    other = noise_of_measurement(crop_hashes(p[:1]))[0]
    assert other.initial_seed() != noise_of_measurement(crop_hashes(p[1:2]))[0].initial_seed()


def test_network_and_map_in_one_table(network, linear, tmp_path):
    setting = Setting(1, 'measurement', k=2, attacks=ATTACKS['thesis'], problem='fourier')
    who = subjects([linear, network], 1, problem='fourier')
    assert [s.name for s in who] == ['lifted (identity)', 'fourier_linear_0.05', 'lines']
    rows = sweep(who, SMALL, tmp_path, setting, (0., .05))
    attacked = rows[rows['eps_rel'] > 0].groupby('model')['done'].first()
    assert attacked.to_dict() == {'lifted (identity)': 'exact', 'fourier_linear_0.05': 'exact',
                                  'lines': 'attack'}
    assert (rows['problem'] == 'fourier').all()
    worst = rows.groupby(['model', 'sigma_g', 'eps_rel'])['psnr'].mean().unstack()
    assert (worst[.05] < worst[0.]).all()
    clean = worst[0.]
    assert clean['fourier_linear_0.05', 0.] > clean['lifted (identity)', 0.]
    write_results(rows, tmp_path/'published')
    again = read_results(tmp_path/'published')
    assert set(again['problem']) == {'fourier'}


def test_problems_do_not_mix(network):
    with pytest.raises(ValueError, match='trained for fourier, not x2: give --problem fourier'):
        subjects([network])
    with pytest.raises(ValueError, match='trained for x2, not fourier: give --scale 2'):
        subjects(['x2_standard'], 1, problem='fourier')


def test_rows_from_before_there_were_problems(tmp_path):
    "They are those of super-resolution, and are used again."
    crops = Crops(SMALL.images[:1], ['a'])
    who = [Subject('x2_standard', load_model('x2_standard'))]
    sweep(who, crops, tmp_path, eps_rels=(0.,))
    job, = (tmp_path/'jobs').glob('*.json')
    kept = json.loads(job.read_text())
    assert kept.pop('problem') == ''
    job.write_text(json.dumps(kept))
    assert set(read_results(tmp_path)['problem']) == {''}
    sweep(who, crops, tmp_path, eps_rels=(0.,))
    assert len(list((tmp_path/'jobs').glob('*.json'))) == 1
    write_results(read_results(tmp_path), tmp_path)
    job.unlink()
    runs = pd.read_csv(tmp_path/'runs.csv').drop(columns='problem')
    runs.to_csv(tmp_path/'runs.csv', index=False)
    assert set(read_results(tmp_path)['problem']) == {''}


def test_the_main_job(network, linear, tmp_path, capsys):
    evaluate(models=f'{linear},{network}', problem='fourier', images=2, size=64, k=2,
             eps_rel='0,0.02', out=str(tmp_path))
    text = capsys.readouterr().out
    assert 'fourier, embedded, 2 photographs' in text and 'threat: measurement' in text
    assert 'PSNR above the lifted input' in text and 'bilinear' not in text
    assert (tmp_path/'picture.png').stat().st_size > 1000


def test_the_noise_of_smoothing_is_chosen_where_it_was_trained(network, tmp_path):
    setting = Setting(k=2, attacks=ATTACKS['thesis'])
    best, rows = choose_sigma_g(network, SMALL, tmp_path, .02, (0., .05), setting)
    assert best in (0., .05)
    assert set(rows['problem']) == {'fourier'} and set(rows['where']) == {'measurement'}


def test_certificates(network, tmp_path):
    "A photograph is measured as in the tables, and what does nothing has its exact certificate."
    terms = Terms(('B2', 'B7'), (0., .001), n=64)
    certify_photographs(network, Crops(SMALL.images[:1], ['a']), tmp_path, terms)
    rows = read_certificates(tmp_path)
    assert set(rows['problem']) == {'fourier'}
    exact = rows[rows['method'] == 'B0 identity'].set_index('eps_rel')['psnr']
    assert len(exact) == 2 and exact[.001] < exact[0.]
    setting = Setting(1, 'measurement', attacks=ATTACKS['thesis'], problem='fourier')
    same = sweep(subjects([], 1, problem='fourier'), Crops(SMALL.images[:1], ['a']),
                 tmp_path/'sweep', setting, (0., .001)).set_index('eps_rel')['psnr']
    assert exact[.001] <= same[.001] + 1e-3
    assert abs(exact[0.] - same[0.]) < .1                 # the table's is clipped


def test_rows_of_another_operator_are_others(tmp_path):
    "Certificates of interpolation behind two kernels, in one folder."
    found = {}
    for operator in (Downsampling(2), Downsampling(2, 'bicubic'), Downsampling(2, noise_level=.1)):
        one = Candidate(torch.nn.Identity(), 'nothing', operator, 'measurement', .1)
        rows = certify_photographs(one, Crops(SMALL.images[:1], ['a']), tmp_path, terms_of_few())
        exact = rows[rows['method'] == 'B0 identity']['psnr']
        found[str(operator)] = float(exact.iloc[0])
    assert len(set(found.values())) == 3


def terms_of_few() -> Terms:
    "As short as can be."
    return Terms(('B7',), (0.,), n=64)


def test_smoothing_leaves_measurements_as_they_are():
    x = normalise(SMALL.images.float()/255)
    f = fit_polynomial(prior(x, 'inpainting', 2), x, .05)
    g = Smoothed(f, Noise(.1, 2, 0))
    faced, y, truth = problem(g, SMALL.images.float()/255, f.operator, 'measurement',
                              torch.Generator().manual_seed(0))
    assert faced is g and g(y).shape == truth.shape


def test_an_image_of_another_problem_is_not_enlarged():
    with pytest.raises(ValueError, match="attack the 'measurement'"):
        pair(SMALL.images.float()/255, PROBLEMS['inpainting'])


@pytest.mark.parametrize('name', PROBLEMS)
def test_learned_maps_of_every_problem(name):
    "They are linear, better than what the network is given, and the game makes them no worse."
    x = normalise(SMALL.images.float()/255)
    f = fit_polynomial(prior(x, name, 6), x, .1)
    assert is_affine(f) and estimator_hash(f) == estimator_hash(f.folded())
    chance = torch.Generator().manual_seed(0)
    threat = Threat(.1, where='measurement')
    adversaries = [Adversary(f, SMALL.images.float()/255, f.operator, threat)]
    end = play(f, adversaries, Polynomials(f), 6)
    assert end.least <= end.reached*(1 + 1e-4) <= 1
    faced, y, truth = problem(torch.nn.Identity(), SMALL.images.float()/255, f.operator,
                              'measurement', chance)
    assert (f(y) - truth).square().mean() < (faced(y) - truth).square().mean()


def test_maps_of_a_problem_say_what_was_left_out_and_refuse_what_is_not_theirs(tmp_path, capsys):
    folder = tmp_path/'photos'
    folder.mkdir()
    for i, image in enumerate(embedded_photographs().images[:20]):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder/f'{i}.png')
    (folder/'broken.png').write_bytes(b'not a picture')
    order = ['--data', str(folder), '--out', str(tmp_path/'maps'), '--size', '48', '--skip-bad',
             '--problems', 'inpainting', '--sigmas', '0']
    rssr_linear(order)
    assert 'skipped 1 of 21 files' in capsys.readouterr().out
    with pytest.raises(SystemExit): rssr_linear([*order, '--scales', '4'])
    assert 'leave them out beside --problems' in capsys.readouterr().err
