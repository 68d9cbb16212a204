"""Certificates are found again by all that they depend on, and by nothing else."""
from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image

import rssr.certified as certified
import rssr.certifying as certifying
from rssr.certified import crossing, per_photograph, rssr_certify
from rssr.certifying import (
    BOUND_COLUMNS,
    CERTIFICATE_COLUMNS,
    RUN_COLUMNS,
    Terms,
    certify_photographs,
    photograph_seed,
    read_certificates,
    write_certificates,
)
from rssr.data import distinct, embedded_photographs, find_images, open_photographs
from rssr.models import estimator_hash, load_model, save_model

IMAGES = embedded_photographs().images
SIZE = 32  # of the crops, so that a certificate takes a fraction of a second
SPLIT = 'x2_smoothed_0.001'
DENOISER = 'x2_smoothing_0.3'
RESULTS = Path(__file__).parents[1]/'nbs'/'results'
PUBLISHED = ('x2_smoothed', 'x4_smoothed', 'certificates_compared', 'looks', 'front')
FIGURES = ['psnr', 'change', 'ssim', 'spread']


def save_photograph(
    path: Path,  # where
    i: int,  # which of the embedded ones
) -> Path:
    """Write a crop as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(IMAGES[i].permute(1, 2, 0).numpy()).save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two photographs."""
    for i in (0, 9): save_photograph(tmp_path/'data'/'class'/f'{i}.png', i)
    return tmp_path/'data'


def terms(
    *methods: str,  # keys of METHODS
    **changes: Any,  # fields of Terms
) -> Terms:
    """Few draws at two radii."""
    return Terms(**(dict(methods=methods, eps_rels=(0., .0005), n=64) | changes))


def certify(
    data: Path | list[Path],  # folder or files
    out: Path,  # folder of certificates
    *methods: str,  # keys of METHODS
    model: str | Path = SPLIT,  # whose certificates
    **changes: Any,  # fields of Terms
) -> pd.DataFrame:
    """The rows of these photographs."""
    photos = open_photographs(data, size=SIZE)
    return certify_photographs(model, photos, out, terms(*methods, **changes))


def of_network(rows: pd.DataFrame) -> pd.DataFrame:
    """Without those of interpolation."""
    return rows[rows['draws'] > 0]


def written(out: Path) -> dict[str, int]:
    """Finished jobs, and when they were written."""
    return {path.name: path.stat().st_mtime_ns for path in (out/'jobs').glob('*.json')}


def run(
    data: Path,  # folder of photographs
    out: Path,  # folder of certificates
    *options: object,  # others of the command
) -> str:
    """What the command's table says."""
    argv = ['--data', data, '--out', out, '--n', 64, '--size', SIZE, *options]
    rssr_certify(list(map(str, argv)))
    return (out/'table.md').read_text()


def test_photographs_of_equal_name_are_all_certified(tmp_path: Path, capsys) -> None:
    """Defect 2: of d/a/x/1.png, d/b/x/1.png and d/c/x/1.png one was certified."""
    for folder, i in dict(a=0, b=9, c=20).items():
        save_photograph(tmp_path/'d'/folder/'x'/'1.png', i)
    text = run(tmp_path/'d', tmp_path/'out', '--method', 'B7', '--eps-rel', '0,0.0005')
    assert '; 3 photographs (' in text
    rows = read_certificates(tmp_path/'out')
    assert set(rows['photograph']) == {'x/1.png'}
    assert rows['content'].nunique() == 3
    assert len(of_network(rows)) == 3*2
    assert per_photograph(rows, 'B7', 0.).nunique() == 3


def test_a_copy_counts_once(data: Path, tmp_path: Path, capsys) -> None:
    """Whatever its name."""
    shutil.copy(data/'class'/'0.png', data/'class'/'again.png')
    rows = certify(data, tmp_path/'out', 'B7')
    assert rows['content'].nunique() == 2
    assert 'class/again.png = class/0.png' in capsys.readouterr().out


def test_a_changed_photograph_is_certified_anew(data: Path, tmp_path: Path) -> None:
    """Defect 3: the old certificate was given for the new picture."""
    before = certify(data, tmp_path/'out', 'B7')
    save_photograph(data/'class'/'9.png', 12)
    jobs = written(tmp_path/'out')
    after = certify(data, tmp_path/'out', 'B7')
    assert len(written(tmp_path/'out')) == len(jobs) + 3  # interpolation, maps and network
    there = after['photograph'] == 'class/9.png'
    assert not set(after.loc[there, 'content']) & set(before['content'])
    pd.testing.assert_frame_equal(after[~there], before[~there])
    fresh = certify(data, tmp_path/'fresh', 'B7')
    pd.testing.assert_frame_equal(after[FIGURES], fresh[FIGURES])


def test_another_crop_is_another_photograph(data: Path, tmp_path: Path) -> None:
    """Defect 3: rows of another crop size were given."""
    small = certify(data, tmp_path/'out', 'B7')
    photos = open_photographs(data, size=SIZE + 16)
    large = certify_photographs(SPLIT, photos, tmp_path/'out', terms('B7'))
    assert set(small['photograph']) == set(large['photograph'])
    assert not set(small['content']) & set(large['content'])


def own_model(
    path: Path,  # of the weights
    seed: int,  # of a small change to them
    **card: object,  # what its card says otherwise
) -> Path:
    """A network of somebody's own."""
    f = load_model(SPLIT)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in f.parameters(): p += .01*torch.randn(p.shape, generator=generator)
    return save_model(f, path, f.card | card)


def test_another_network_under_an_old_name_never_reuses(data: Path, tmp_path: Path) -> None:
    """Defect 4."""
    model = tmp_path/'own.safetensors'
    found = []
    for seed in (1, 2):
        own_model(model, seed)
        found.append(of_network(certify(data, tmp_path/'out', 'B7', model=model)))
    assert set(found[0]['model']) == set(found[1]['model']) == {'own'}
    assert not set(found[0]['weights']) & set(found[1]['weights'])
    assert (found[0]['spread'] != found[1]['spread']).all()
    assert len(of_network(read_certificates(tmp_path/'out'))) == 2*len(found[0])


def test_a_network_that_rounds_has_certificates_of_its_own(data: Path, tmp_path: Path) -> None:
    exact = of_network(certify(data, tmp_path, 'B7'))
    rounded = of_network(certify(data, tmp_path, 'B7', precision='bfloat16'))
    assert set(rounded['model']) == {f"{exact['model'].iloc[0]} (bfloat16)"}
    assert not set(exact['weights']) & set(rounded['weights'])
    assert exact['spread'].tolist() != rounded['spread'].tolist()
    assert exact['spread'].tolist() == pytest.approx(rounded['spread'].tolist(), rel=.01)
    again = of_network(certify(data, tmp_path, 'B7'))
    assert again[FIGURES].equals(exact[FIGURES])


def test_other_noise_on_the_card_never_reuses(data: Path, tmp_path: Path) -> None:
    """The weights are the same, and so were the old rows that came for them."""
    model = tmp_path/'own.safetensors'
    found = []
    for sigma in (.5, .7):
        own_model(model, 1, sigma_g=dict(chosen=sigma))
        found.append(of_network(certify(data, tmp_path/'out', 'B7', model=model)))
    assert [set(rows['sigma']) for rows in found] == [{.5}, {.7}]
    assert (found[0]['spread'] != found[1]['spread']).all()


def test_another_version_never_reuses(data: Path, tmp_path: Path, monkeypatch) -> None:
    """Defect 4: rows of another version of the package were given in silence."""
    certify(data, tmp_path/'out', 'B7')
    jobs = written(tmp_path/'out')
    monkeypatch.setattr(certifying, '__version__', '99')
    rows = certify(data, tmp_path/'out', 'B7')
    assert set(rows['version']) == {'99'}
    assert len(written(tmp_path/'out')) == 2*len(jobs)


def test_methods_join_each_other(data: Path, tmp_path: Path, capsys) -> None:
    """Defect 6: after B6, those of B7 were gone."""
    out = tmp_path/'out'
    options = '--eps-rel', '0,0.0005', '--method'
    assert '| B6 ' not in run(data, out, *options, 'B7')
    jobs = written(out)
    text = run(data, out, *options, 'B6')
    assert '| B6 ' in text and '| B7 ' in text
    assert 'B7 is above the best linear map' in text
    assert jobs.items() <= written(out).items()
    csv = pd.read_csv(out/'certificates.csv')
    assert {'B6', 'B7', 'B0 bicubic'} <= set(csv['method'])
    assert list(csv.columns) == list(CERTIFICATE_COLUMNS)
    fresh = run(data, tmp_path/'fresh', *options, 'B6,B7')
    assert text == fresh


def test_tables_show_no_method_of_other_terms(data: Path, tmp_path: Path, capsys) -> None:
    """Nor one that lacks photographs."""
    out = tmp_path/'out'
    run(data, out, '--eps-rel', '0,0.0005', '--method', 'B7')
    text = run(data, out, '--eps-rel', '0,0.0005', '--method', 'B6', '--seed', 1)
    assert '| B7 ' not in text
    save_photograph(data/'class'/'12.png', 12)
    text = run(data, out, '--eps-rel', '0,0.0005', '--method', 'B6')
    assert '| B7 ' not in text and '; 3 photographs (' in text


PROCESS = '''
import sys
from rssr.certifying import Terms, certify_photographs
from rssr.data import open_photographs
data, out, size, methods = sys.argv[1:]
terms = Terms(tuple(methods.split()), (0., .0005), n=64)
certify_photographs('x2_smoothed_0.001', open_photographs(data, size=int(size)), out, terms)
'''


def test_two_processes_lose_nothing(data: Path, tmp_path: Path) -> None:
    """Defect 7: rows of one of them were lost."""
    out = tmp_path/'out'
    command = [sys.executable, '-c', PROCESS, str(data), str(out), str(SIZE)]
    runs = [subprocess.Popen([*command, methods], stderr=subprocess.PIPE, text=True)
            for methods in ('B7 B6', 'B6-range B7')]
    for process in runs:
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
    rows = read_certificates(out)
    counts = of_network(rows).groupby('method').size()
    assert counts.to_dict() == dict.fromkeys(('B6', 'B6-range', 'B7'), 2*2)
    assert not list(out.glob('jobs/*state*')) and not list(out.glob('jobs/.*'))


def test_a_photograph_has_one_certificate(data: Path, tmp_path: Path) -> None:
    """Defect 8: alone, in a subset, in another order: the noise belongs to the photograph."""
    save_photograph(data/'class'/'20.png', 20)
    whole = certify(data, tmp_path/'whole', 'B7', 'B6')
    files = find_images(data)
    for name, some in dict(alone=files[2:], subset=files[1:], reversed=files[::-1]).items():
        rows = certify(some, tmp_path/name, 'B6', 'B7')
        for method in ('B6', 'B7'):
            here = per_photograph(rows, method, .0005)
            assert here.to_dict() == per_photograph(whole, method, .0005)[here.index].to_dict()


def test_the_noise_of_photographs_differs(data: Path) -> None:
    """And that of another seed."""
    contents = distinct(open_photographs(data, size=SIZE)).contents
    seeds = {photograph_seed(seed, content) for seed in (0, 1) for content in contents}
    assert len(seeds) == 4


EARLY: dict[str, tuple[Callable[[Path], list], str]] = {
    'unknown method': (lambda t: ['--method', 'B7,B9'], "method='B9' is unknown"),
    'doubled method': (lambda t: ['--method', 'B7,B6,B7'], 'method B7 is given twice'),
    'radii that print alike': (lambda t: ['--eps-rel', '0.05,0.0500000000001'], 'print alike'),
    'negative radius': (lambda t: ['--eps-rel=-0.1'], 'eps_rel=-0.1'),
    'batch -1': (lambda t: ['--batch', -1], 'batch=-1'),
    'one draw': (lambda t: ['--n', 1], 'n=1 must be at least 2'),
    'negative seed': (lambda t: ['--seed', -1], 'seed=-1'),
    'device': (lambda t: ['--device', 'gpu'], "device='gpu'"),
    'B6 of a network that is not split': (
        lambda t: ['--model', DENOISER, '--method', 'B7,B6'], 'B6 needs a linear part'),
    'no noise': (
        lambda t: ['--model', own_model(t/'quiet.safetensors', 1, sigma_g=dict(chosen=0))],
        'quiet is best without noise'),
    'out under a file': (lambda t: ['--out', t/'file'/'out'], 'cannot write'),
}


@pytest.mark.parametrize('options, says', EARLY.values(), ids=EARLY)
def test_refused_before_the_first_photograph(
    options: Callable[[Path], list],  # of the command, given a folder
    says: str,  # in its one line
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Defects 12 and 13: some of these came after an hour, or as a traceback."""
    def read(*args, **kw): pytest.fail('photographs were read')
    monkeypatch.setattr(certifying, 'distinct', read)
    (tmp_path/'file').write_text('no folder')
    with pytest.raises(SystemExit) as end:
        rssr_certify(list(map(str, ['--out', tmp_path/'out', *options(tmp_path)])))
    err = capsys.readouterr().err
    assert end.value.code == 2 and says in err and err.count('\n') == 1


def test_by_default_all_methods_that_fit(data: Path, tmp_path: Path) -> None:
    """A network that is not split has no B6."""
    rows = certify(find_images(data)[:1], tmp_path/'out', model=DENOISER)
    fit = {'B1', 'B2', 'B2-trimmed', 'B3', 'B4', 'B4-ssim', 'B5-trace', 'B5', 'B7'}
    assert set(of_network(rows)['method']) == fit


def test_the_spread_is_that_of_g_whatever_was_asked(data: Path, tmp_path: Path) -> None:
    """Of the draws that a mean is taken of, not of those that a method happens to keep."""
    spreads = [of_network(certify(data, tmp_path/'out', method))['spread'].tolist()
               for method in ('B2', 'B7')]
    assert spreads[0] == spreads[1]


def test_the_device_is_that_of_now(data: Path, tmp_path: Path) -> None:
    """Defect 12: rows made on cuda go on where there is none."""
    certify(data, tmp_path/'out', 'B7')
    for path in (tmp_path/'out'/'jobs').glob('*.json'):
        path.write_text(json.dumps(json.loads(path.read_text()) | dict(device='cuda')))
    rows = certify(data, tmp_path/'out', 'B6', 'B7')
    devices = of_network(rows).groupby('method')['device'].agg(set)
    assert devices.to_dict() == {'B6': {'cpu'}, 'B7': {'cuda'}}


def test_radius_0_alone(data: Path, tmp_path: Path, capsys) -> None:
    """Defect 15: "min() arg is an empty sequence"."""
    text = run(data, tmp_path/'out', '--eps-rel', 0, '--method', 'B7')
    assert re.search(r'\| method +\| eps_rel 0 \(t 0\) +\|', text)
    assert (tmp_path/'out'/'figure.png').read_bytes().startswith(b'\x89PNG')


def test_crossing_of_radii_in_any_order(data: Path, tmp_path: Path) -> None:
    """Defect 15: .0002 instead of .002."""
    compared = read_certificates(RESULTS/'certificates_compared')
    rows = certified.run_of(compared, 'x2_smoothed_0.001 (bfloat16)')
    reach = crossing(rows, 'B7')
    assert .0005 < reach < .002
    assert crossing(rows.sample(frac=1, random_state=0), 'B7') == pytest.approx(reach, rel=1e-12)
    given = certify(data, tmp_path/'out', 'B7', eps_rels=(.001, 0., .0005))
    assert certified.radii(given) == [0., .0005, .001]


class Stopped(Exception):
    """In place of a kill."""


class Bar:
    """Notes what moves it on, and stops the work after so many times."""
    def __init__(
        self,
        most: int = 10**9,  # times
    ) -> None:
        self.moved: list[int] = []
        self.most = most

    def update(
        self,
        n: int,  # draws
    ) -> None:
        """As tqdm's."""
        self.moved.append(n)
        if len(self.moved) > self.most: raise Stopped


def test_an_interrupted_certification_blocks_nobody(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Defect 15: its state stopped any other run in that folder. And the draws are not lost."""
    one, out = find_images(data)[:1], tmp_path/'out'
    observe = certifying.observe
    bar = Bar(2)

    def watched(f, y, noise, x, methods, state, _, **keeping):
        return observe(f, y, noise, x, methods, state, bar, every=-1., **keeping)

    monkeypatch.setattr(certifying, 'observe', watched)
    with pytest.raises(Stopped): certify(one, out, 'B7')
    state, = out.glob('jobs/*.state.safetensors')
    bar = Bar()
    certify(one, out, 'B6')
    certify(one, out, 'B7', seed=1)
    assert state.exists()
    assert bar.moved == [0, 32, 32]*2
    bar = Bar()
    rows = certify(one, out, 'B7')
    assert bar.moved == [32, 32]
    assert not state.exists()
    pd.testing.assert_frame_equal(rows[FIGURES], certify(one, tmp_path/'whole', 'B7')[FIGURES])


def test_published_rows_are_reused(data: Path, tmp_path: Path) -> None:
    """Two csv files are as good as the jobs that they were made from."""
    rows = certify(data, tmp_path/'out', 'B6', 'B7')
    write_certificates(rows, tmp_path/'published')
    again = certify(data, tmp_path/'published', 'B7')
    assert not written(tmp_path/'published')
    pd.testing.assert_frame_equal(
        again.drop(columns='run'),
        rows[rows['method'] != 'B6'].drop(columns='run').reset_index(drop=True))


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_files_are_tidy(name: str) -> None:  # of a folder
    """A row a photograph, method and radius; exact rows without draws or doubt."""
    assert tuple(pd.read_csv(RESULTS/name/'rows.csv', nrows=0)) == BOUND_COLUMNS
    head = tuple(pd.read_csv(RESULTS/name/'runs.csv', nrows=0))
    assert head == tuple(c for c in RUN_COLUMNS if c in head or c != 'problem')
    rows = read_certificates(RESULTS/name)
    exact = rows[rows['draws'] == 0]
    assert set(exact['model']) <= {'interpolation', 'learned linear'}
    assert (exact[['sigma', 'alpha', 'seed']] == 0).all().all()
    assert of_network(rows)[['t', 'spread']].notna().all().all()
    assert (of_network(rows)['weights'] != '').all()
    side = 160/rows['scale'].where(rows['where'] == 'measurement', 1)
    eps = rows['eps_rel']*side*3**.5
    assert (of_network(rows)['t']*rows['sigma'] - eps).abs().max() < 1e-4


def network_of_rows(
    model: str,  # as rows call it: with its precision, if that is not the usual one
) -> Any:
    """The function that was certified."""
    model, _, form = model.partition(', ')
    name, _, precision = model.partition(' (')
    f = load_model(name)
    return (f.f if form == 'as it is' else f).folded(precision.rstrip(')') or 'float32')


def test_published_rows_belong_to_the_shipped_models() -> None:
    """By the hash of their weights."""
    rows = of_network(pd.concat([read_certificates(RESULTS/name) for name in PUBLISHED]))
    pairs = rows[['model', 'weights']].drop_duplicates()
    made = {model: estimator_hash(network_of_rows(model)) for model in pairs['model']}
    assert dict(pairs.itertuples(index=False)) == made


def described(
    file: str,  # title of a section
) -> tuple[str, ...]:
    """The columns that the data dictionary names there."""
    section = (RESULTS/'README.md').read_text().split(f'\n### {file}\n')[1].split('\n#')[0]
    return tuple(re.findall(r'(?m)^\| `(\w+)` \|', section))


def test_the_data_dictionary_is_that_of_the_files() -> None:
    """Column by column."""
    assert described('rows.csv of certificates') == BOUND_COLUMNS
    assert described('runs.csv of certificates') == RUN_COLUMNS
    attacked = pd.read_csv(RESULTS/'certificates_attacked.csv')
    assert described('certificates_attacked.csv') == tuple(attacked)
    folders = (RESULTS/'README.md').read_text().split('\n## Certificates\n')[1]
    assert all(f'| `{name}` |' in folders for name in PUBLISHED)
    sixty = read_certificates(RESULTS/'x2_smoothed')
    assert set(attacked['content']) <= set(sixty['content'])
    for scale in (2, 4):
        estimates = pd.read_csv(RESULTS/f'x{scale}_smoothed_infinite.csv')
        assert described('x2_smoothed_infinite.csv, x4_smoothed_infinite.csv') == tuple(estimates)
        certified = of_network(read_certificates(RESULTS/f'x{scale}_smoothed'))
        keys = ['content', 'weights', 'draws', 'eps_rel']
        both = certified.merge(estimates, on=keys, suffixes=('', '_hoped'))
        assert len(both) == len(certified)
        assert (both['psnr'] < both['psnr_hoped']).all()     # no guarantee is above the hope
