"Rows of results: what a row is, when it may be used again, and that nothing is lost or mixed."
import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import rssr.rows
import rssr.sweep
from rssr.adaptive import Attack
from rssr.attacks import Ascent
from rssr.data import Crops, Photographs, distinct, embedded_photographs, open_photographs
from rssr.evaluation import evaluate, rssr_evaluate, table
from rssr.linear import Interpolation
from rssr.models import WEIGHTS, estimator_hash, list_models, load_model
from rssr.sweep import (
    IDENTITY,
    Setting,
    Subject,
    _Work,
    read_results,
    subjects,
    summary,
    sweep,
    write_results,
)

ROOT = Path(__file__).parents[1]
RESULTS = ROOT/'nbs'/'results'
CROPS = embedded_photographs()
QUICK = Setting(k=2, attacks=(Attack(ascent=Ascent(iterations=2)),))
RADIUS = (.05,)
SMALL = ['--k', '2', '--attack-iterations', '1']


def png(path, i):
    "Embedded photograph i as a file."
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(CROPS.images[i].permute(1, 2, 0).numpy()).save(path)
    return path


def folder(path, which):
    "Some embedded photographs as files 0.png, 1.png, ..."
    for name, i in enumerate(which): png(path/f'{name}.png', i)
    return path


def crops(*which):
    "Some embedded photographs."
    return Crops(CROPS.images[list(which)], [CROPS.names[i] for i in which])


def projection():
    "A subject that takes no time."
    return [Subject('projection', Interpolation(2, 'projection'))]


def smoothing():
    "A network, and smoothed."
    return subjects(['x2_smoothing_0.1'])[3:]


def by_content(rows):
    "PSNR of each row by all that tells rows of one sweep apart."
    return rows.set_index(['model', 'eps_rel', 'sigma_g', 'content'])['psnr'].sort_index()


def jobs(path):
    "Names of the finished jobs of a folder."
    return {p.name for p in (Path(path)/'jobs').glob('*.json')}


# ---------------------------------------------------------------- photographs (defects 2 and 3)

def test_photographs_of_equal_name_all_count_and_copies_do_not(tmp_path, capsys):
    for i, place in enumerate('abc'): png(tmp_path/'d'/place/'x'/'1.png', i)
    png(tmp_path/'d'/'copy'/'0.png', 0)
    photos = open_photographs(tmp_path/'d')
    lines = summary(sweep(projection(), photos, tmp_path/'out', eps_rels=(0.,)))
    assert lines['photographs'].tolist() == [3]
    assert 'equal photographs count once: copy/0.png = x/1.png' in capsys.readouterr().out
    assert len({content for _, content in lines['each'].iloc[0].index}) == 3


def test_changed_photographs_meet_no_old_row(tmp_path):
    data = folder(tmp_path/'d', range(4))
    before = sweep(projection(), open_photographs(data), tmp_path/'out', eps_rels=RADIUS)
    png(data/'1.png', 11)
    png(data/'2.png', 12)
    who = [*projection(), Subject('bicubic', Interpolation(2, 'bicubic'))]
    after = sweep(who, open_photographs(data), tmp_path/'out', eps_rels=RADIUS)
    assert set(after['content']) == set(distinct(open_photographs(data)).contents)
    again = after[after['model'] == 'projection']
    assert (again['run'].isin(before['run'])).tolist() == [True, False, False, True]
    assert set(summary(after)['photographs']) == {4}


def test_another_crop_size_is_another_photograph(tmp_path):
    files = [png(tmp_path/'d'/f'{i}.png', i) for i in range(2)]
    large = sweep(projection(), Photographs(files), tmp_path/'out', eps_rels=RADIUS)
    small = sweep(projection(), Photographs(files, size=128), tmp_path/'out', eps_rels=RADIUS)
    assert not set(large['run']) & set(small['run'])
    assert not set(large['content']) & set(small['content'])


def test_more_photographs_compute_only_the_new_ones(tmp_path):
    files = [png(tmp_path/'d'/f'{i}.png', i) for i in range(4)]
    two = sweep(smoothing(), Photographs(files[:2]), tmp_path/'out', QUICK, RADIUS)
    four = sweep(smoothing(), Photographs(files), tmp_path/'out', QUICK, RADIUS)
    old = four[four['run'].isin(two['run'])]
    assert len(two) == len(old) == len(four)/2
    assert set(old['content']) == set(two['content'])
    more = [replace(s, sigma_gs=(0., .15, .3)) for s in smoothing()]
    levels = sweep(more, Photographs(files), tmp_path/'out', QUICK, RADIUS)
    assert set(levels[~levels['run'].isin(four['run'])]['sigma_g']) == {.3}


def test_a_repaired_file_joins_all_lines(tmp_path, capsys):
    data = folder(tmp_path/'d', range(4))
    (data/'2.png').write_bytes(b'no picture')
    options = dict(data=str(data), models='x2_standard', eps_rel='0', out=str(tmp_path/'out'))
    evaluate(**options, skip_bad=True)
    assert '3 photographs (1 of 4 skipped: d/2.png)' in capsys.readouterr().out
    png(data/'2.png', 2)
    rows = evaluate(**options, skip_bad=True)
    text = (tmp_path/'out'/'table.md').read_text()
    assert '4 photographs, of each the centre 160x160 pixels; threat' in text
    lines = summary(rows)
    assert set(lines['photographs']) == {4}
    assert lines['photograph_set'].nunique() == 1


def test_a_table_refuses_lines_on_different_photographs(tmp_path):
    one = sweep(projection(), crops(0, 1), tmp_path, eps_rels=(0.,))
    bicubic = [Subject('bicubic', Interpolation(2, 'bicubic'))]
    other = sweep(bicubic, crops(0, 1, 2), tmp_path, eps_rels=(0.,))
    with pytest.raises(ValueError, match='projection on 2, bicubic on 3'):
        table(summary(pd.concat([one, other])))


# ---------------------------------------------------------------- networks (defect 4)

def own_network(seed):
    "An untrained network of the same classes and settings for each seed."
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1))


def test_an_own_network_is_known_by_its_weights(tmp_path):
    first, second = (Subject('mine', own_network(seed)) for seed in (0, 1))
    a = sweep([first], crops(0), tmp_path, QUICK, RADIUS)
    b = sweep([second], crops(0), tmp_path, QUICK, RADIUS)
    assert a['psnr'].tolist() != b['psnr'].tolist()
    assert sweep([first], crops(0), tmp_path, QUICK, RADIUS).equals(a)
    with torch.no_grad(): first.f[0].weight += .1             # as training does
    changed = sweep([first], crops(0), tmp_path, QUICK, RADIUS)
    assert changed['run'].tolist() != a['run'].tolist()
    assert len(summary(read_results(tmp_path))) == 3


def test_nothing_is_reused_of_a_plain_function(tmp_path):
    darker = Subject('mine', lambda y: y - .1)
    brighter = Subject('mine', lambda y: y + .3)
    a = sweep([darker], crops(0), tmp_path, eps_rels=(0.,))
    b = sweep([brighter], crops(0), tmp_path, eps_rels=(0.,))
    assert a['psnr'].tolist() != b['psnr'].tolist()
    assert len(summary(read_results(tmp_path))) == 2


@pytest.mark.parametrize('change', [dict(seed=1), dict(norm='linf'), dict(where='measurement'),
                                    dict(attacks=(Attack(ascent=Ascent(iterations=1)),))])
def test_other_settings_are_other_rows(tmp_path, change):
    a = sweep(smoothing(), crops(0), tmp_path, QUICK, RADIUS)
    b = sweep(smoothing(), crops(0), tmp_path, replace(QUICK, **change), RADIUS)
    assert not set(a['run']) & set(b['run'])
    assert len(read_results(tmp_path)) == len(a) + len(b)


def test_another_version_is_another_row(tmp_path, monkeypatch):
    a = sweep(projection(), crops(0), tmp_path, eps_rels=RADIUS)
    monkeypatch.setattr(rssr.sweep, '__version__', '999')
    b = sweep(projection(), crops(0), tmp_path, eps_rels=RADIUS)
    assert a['run'].tolist() != b['run'].tolist()


# ---------------------------------------------------------------- two processes (defect 7)

TWO = '''
import sys
import rssr.sweep
from rssr.evaluation import rssr_evaluate
finish = rssr.sweep._job
def counted(*args):
    print('a job begins')
    return finish(*args)
rssr.sweep._job = counted
rssr_evaluate(sys.argv[1:])
'''


def two_at_once(options):
    "What two processes of the same command print."
    environment = os.environ | dict(OMP_NUM_THREADS='1')
    runs = [subprocess.Popen([sys.executable, '-c', TWO, *options], env=environment, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    said = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    return [out for out, _ in said]


def test_two_processes_on_one_folder_lose_nothing(tmp_path):
    out = tmp_path/'out'
    said = two_at_once(['--images', '2', *SMALL, '--models', 'x2_smoothing_0.1',
                        '--eps-rel', '0,0.02,0.05', '--out', str(out)])
    begun = sum(text.count('a job begins') for text in said)
    assert len(jobs(out)) == 3*(3 + 1)
    assert begun <= len(jobs(out)) + 1                        # at most the last one twice
    first, second = (text.replace('a job begins\n', '') for text in said)
    assert first == second
    assert len(read_results(out)) == 2*3*(3 + 2)
    assert {p.suffix for p in (out/'jobs').iterdir()} == {'.json'}


def test_two_commands_of_different_photographs_share_a_folder(tmp_path):
    folder(tmp_path/'d', range(4))
    for images in (4, 2):
        evaluate(data=str(tmp_path/'d'), models='x2_standard', eps_rel='0', images=images,
                 out=str(tmp_path/'out'))
    assert len(read_results(tmp_path/'out')) == 4*5
    asked_for = pd.read_csv(tmp_path/'out'/'results.csv')
    assert asked_for['content'].nunique() == 2


DAMAGED = [b'', b'{"rows": [', b'[1]', b'{"rows": [{"psnr": 1}]}', b'{"rows": 1}', b'\xff']


@pytest.mark.parametrize('damage', DAMAGED)
def test_an_unreadable_job_is_named(tmp_path, damage):
    def again(path): return sweep(projection(), crops(0), path, eps_rels=RADIUS)

    again(tmp_path)
    name, = jobs(tmp_path)
    (tmp_path/'jobs'/name).write_bytes(damage)
    for read in (read_results, again):
        says = f'{name} is not a finished job of a sweep .*else delete it'
        with pytest.raises(ValueError, match=says): read(tmp_path)
    (tmp_path/'jobs'/name).unlink()
    again(tmp_path)
    assert jobs(tmp_path) == {name}


# ---------------------------------------------------------------- neighbours (defect 8)

def test_figures_do_not_depend_on_neighbours(tmp_path):
    through_g = Attack('g', Ascent(iterations=1), draws=1)
    setting = replace(QUICK, attacks=(*QUICK.attacks, through_g), seed=3)
    together = by_content(sweep(smoothing(), crops(0, 1), tmp_path/'a', setting, RADIUS))
    turned = by_content(sweep(smoothing(), crops(1, 0), tmp_path/'b', setting, RADIUS))
    alone = by_content(sweep(smoothing(), crops(1), tmp_path/'c', setting, RADIUS))
    assert (together - turned).abs().max() < .01
    assert (together.loc[alone.index] - alone).abs().max() < .01
    other_seed = replace(setting, seed=4)
    other = by_content(sweep(smoothing(), crops(1), tmp_path/'c', other_seed, RADIUS))
    assert (other - alone).abs().max() > 1e-4                 # chance is there, and measured


def test_a_search_in_bfloat16_makes_rows_of_its_own(tmp_path, capsys):
    options = ['--images', '1', '--models', 'x2_standard', '--eps-rel', '0.05', *SMALL,
               '--out', str(tmp_path)]
    rssr_evaluate(options)
    rssr_evaluate([*options, '--precision', 'bfloat16'])
    rows = read_results(tmp_path)
    rows = rows[(rows['model'] == 'x2_standard') & (rows['perturb'] == 'attack')]
    rows = rows.sort_values('attack')
    assert rows['attack'].tolist() == ['f 1 x 2.5 eps', 'f 1 x 2.5 eps bfloat16']
    exact, rounded = rows['psnr']
    assert exact != rounded and abs(exact - rounded) < .1       # two searches, one judge
    with pytest.raises(SystemExit):
        rssr_evaluate([*options, '--precision', 'float8'])
    assert "precision='float8' is unknown" in capsys.readouterr().err


def test_out_of_memory_halves_the_photographs_and_changes_no_figure(
    tmp_path, monkeypatch, capsys,
):
    whole = by_content(sweep(smoothing(), crops(0, 1, 2), tmp_path/'a', QUICK, RADIUS))
    attacked = _Work.rows
    together = []

    def narrow(self, task, levels, which):
        "Memory for one photograph."
        together.append(len(which))
        if len(which) > 1: raise RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB')
        return attacked(self, task, levels, which)

    monkeypatch.setattr(_Work, 'rows', narrow)
    halved = by_content(sweep(smoothing(), crops(0, 1, 2), tmp_path/'b', QUICK, RADIUS))
    assert 'out of memory with 3 photographs: goes on with 1\n' in capsys.readouterr().err
    assert together[:5] == [3, 1, 2, 1, 1]
    assert (halved - whole).abs().max() < .01


def test_workers_do_not_matter(tmp_path):
    photos = open_photographs(folder(tmp_path/'d', range(3)))
    assert distinct(photos, workers=2).contents == distinct(photos).contents


# ---------------------------------------------------------------- devices (defect 12)

def test_rows_of_another_device_are_continued_here(tmp_path):
    options = ['--images', '2', *SMALL, '--models', 'x2_standard', '--out', str(tmp_path),
               '--eps-rel']
    rssr_evaluate([*options, '0'])
    for path in (tmp_path/'jobs').glob('*.json'):
        path.write_text(json.dumps(json.loads(path.read_text()) | dict(device='cuda')))
    (tmp_path/'picture.png').unlink()
    rssr_evaluate([*options, '0,0.05'])
    rows = pd.read_csv(tmp_path/'results.csv')
    assert set(zip(rows['eps_rel'], rows['device'])) == {(0, 'cuda'), (.05, 'cpu')}
    assert (tmp_path/'picture.png').exists()


# ---------------------------------------------------------------- refused early (defects 13 and 15)

def renamed(tmp):
    "A copy of a shipped model in another file, its card as it is."
    for end in ('safetensors', 'json'):
        (tmp/f'copy.{end}').write_bytes((WEIGHTS/f'x2_standard.{end}').read_bytes())
    return str(tmp/'copy.safetensors')


TWICE = 'x2_standard,x2_standard'

REFUSED = [  # what, options, words of the one line
    ('a model twice', lambda t: ['--models', TWICE], "both called 'x2_standard'"),
    ('two files of one name', lambda t: ['--models', f'x2_standard,{renamed(t)}'], 'copy.safe'),
    ('radii that print alike', lambda t: ['--eps-rel', '.05,.0500000000001'], 'print alike'),
    ('levels that print alike', lambda t: ['--sigma-g', '.1,.1000000000001'], 'print alike'),
    ('an unknown model', lambda t: ['--models', 'x2_standart'], 'did you mean'),
    ('an unknown attack', lambda t: ['--attack', 'thesis,best'], "'best' is unknown"),
    ('an unknown place', lambda t: ['--threat', 'lowres'], "'lowres' is unknown"),
    ('an unknown norm', lambda t: ['--norm', 'l1'], "norm='l1'"),
    ('a negative seed', lambda t: ['--seed', '-1'], 'seed=-1'),
    ('no draws', lambda t: ['--k', '0'], 'k=0'),
    ('a level that is no number', lambda t: ['--sigma-g', 'nan'], 'sigma=nan'),
]


@pytest.mark.parametrize('options, says', [pytest.param(*row, id=what) for what, *row in REFUSED])
def test_refused_before_anything_is_computed(tmp_path, capsys, options, says):
    common = ['--images', '1', '--models', 'x2_standard', '--out', str(tmp_path/'out')]
    with pytest.raises(SystemExit) as exit: rssr_evaluate([*common, *options(tmp_path)])
    err = capsys.readouterr().err
    assert exit.value.code == 2
    assert says in err and err.count('\n') == 1
    assert not jobs(tmp_path/'out')


def test_radii_in_any_order_give_the_same_table(tmp_path):
    tables = []
    for order in ('0,0.05', '0.05,0'):
        evaluate(images=2, models='x2_standard', attack_iterations=1, eps_rel=order,
                 out=str(tmp_path/order))
        tables.append((tmp_path/order/'table.md').read_text())
    assert tables[0] == tables[1]


# ---------------------------------------------------------------- files

def test_a_sweep_returns_what_was_asked_for_under_the_names_of_today(tmp_path):
    sweep(projection(), crops(0, 1, 2), tmp_path, eps_rels=(0., .05), data='before')
    renamed_crops = Crops(CROPS.images[[1]], ['today'])
    rows = sweep(projection(), renamed_crops, tmp_path, eps_rels=RADIUS, data='now')
    assert rows[['photograph', 'data', 'eps_rel']].values.tolist() == [['today', 'now', .05]]


def test_names_that_look_like_numbers_or_formulas(tmp_path):
    who = [Subject('001', Interpolation(2)), Subject('=1+1', Interpolation(2, 'bicubic'))]
    rows = sweep(who, crops(0), tmp_path, eps_rels=(0.,), data='1e3')
    rssr.sweep.write_results(rows, tmp_path/'published')
    for path in (tmp_path, tmp_path/'published'):
        back = read_results(path)
        assert set(back['model']) == {'001', '=1+1'} and set(back['data']) == {'1e3'}
    assert b"'=1+1" in rssr.rows.for_spreadsheet(rows)


def heads(text):
    "Of a data dictionary: for each section the first column of its table."
    found = {}
    for section in re.split('(?m)^## ', text)[1:]:
        cells = re.findall(r'(?m)^\| `(\w+)` \|', section)
        found[section.splitlines()[0]] = cells
    return found


FOLDERS = ['x2_thesis', 'x4_thesis', 'x2_strongest', 'x4_strongest', 'x2_ablation', 'x2_adaptive',
           'x2_measurement', 'x2_embedded', 'sigma_g', 'sigma_g_by_radius']


@pytest.mark.parametrize('name', FOLDERS)
def test_the_data_dictionary_is_that_of_the_files(name):
    described = heads((RESULTS/'README.md').read_text())
    assert name in described['Folders of figures']
    for file in ('rows.csv', 'runs.csv'):
        with open(RESULTS/name/file, newline='') as lines: head = next(csv.reader(lines))
        columns = described[file]
        optional = {'ssim_mean', 'ssim_half', 'problem', 'psnr_y'}
        assert head == [c for c in columns if c in head or c not in optional]


def test_published_rows_belong_to_the_shipped_models():
    made = {name: estimator_hash(load_model(name).folded())
            for name in [*list_models(), *list_models(maps=True)]}
    for name in FOLDERS:
        rows = read_results(RESULTS/name)
        lines = summary(rows)
        assert not lines.duplicated([*IDENTITY]).any()
        models = lines[lines['sigma_f'] + lines['eps_train'] > 0]
        models = models[~models['model'].str.endswith(', told')]        # told, it is another one
        assert [made[model] for model in models['model']] == models['weights'].tolist()
        assert lines.groupby(['data', 'scale'])['photograph_set'].nunique().max() == 1
        assert rows['psnr'].between(0, 100).all()


# ---------------------------------------------------------------- what a reviewer broke

def test_where_interpolation_is_searched_too_nothing_is_called_exact(tmp_path, capsys):
    corner = ['--norm', 'linf', '--threat', 'measurement', '--models', 'x2_standard']
    rssr_evaluate([*corner, *SMALL, '--images', '1', '--eps-rel', '0.02', '--out', str(tmp_path)])
    assert 'no row: exact worst case' in capsys.readouterr().out
    noise = read_results(tmp_path).set_index('model').loc['x2_standard, noise']
    assert noise['attack'].startswith('f 1 x')            # its gain depends on that search


def test_skipped_files_of_one_name_are_two(tmp_path):
    for place in 'ab':
        (tmp_path/place/'x').mkdir(parents=True)
        (tmp_path/place/'x'/'1.png').write_text('no picture')
    png(tmp_path/'c'/'0.png', 0)
    crops = distinct(open_photographs(tmp_path), skip_bad=True)
    assert len(crops) == 1
    assert len(crops.skipped) == 2
    again = distinct(open_photographs(tmp_path), skip_bad=True)
    assert crops.skipped == again.skipped                 # read twice, counted once


def test_names_that_are_no_text_cost_nothing(tmp_path, capsys):
    odd = os.fsdecode(b'\xff\rname')
    png(tmp_path/'d'/odd/'0.png', 0)
    out = tmp_path/'out'
    some = ['--models', 'x2_standard', '--eps-rel', '0', '--out', str(out)]
    rssr_evaluate(['--data', str(tmp_path/'d'), *some, *SMALL])
    assert (out/'table.md').exists()
    with open(out/'results.csv', newline='', encoding='utf-8') as file:
        widths = {len(row) for row in csv.reader(file)}
    assert len(widths) == 1
    assert len(pd.read_csv(out/'results.csv')) == len(read_results(out))


def test_a_radius_is_found_again_to_its_last_digit(tmp_path):
    radii = tuple(.1/3**i for i in range(12))
    rows = sweep(projection(), crops(0), tmp_path/'live', QUICK, radii)
    write_results(rows, tmp_path/'published')
    assert sorted(read_results(tmp_path/'published')['eps_rel']) == sorted(radii)
    sweep(projection(), crops(0), tmp_path/'published', QUICK, radii)
    assert not jobs(tmp_path/'published')                 # all of it was there
