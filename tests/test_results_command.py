"""The command that computes the folders of nbs/results, on small crops, and what it rests on."""
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch.nn.functional import interpolate

import rssr.certifying
from rssr.certifying import (
    Terms,
    candidate,
    certify_photographs,
    read_certificates,
    verify_document,
)
from rssr.data import Crops, embedded_photographs
from rssr.draws import Part, share_reached
from rssr.evaluation import rows_of_attack
from rssr.models import estimator_hash, load_model
from rssr.sweep import LINEAR, Setting, read_results
from rssr.units import is_split
from tools.results import certificates
from tools.results.source import Source
from tools.results.speed import Speed
from tools.results.tables import STRONGEST, Folder, set_aside

SIZE = 32                                        # of the crops
SMOOTHED = {2: {.0005: 64}, 4: {.002: 64}}       # draws


def crops(*numbers: int) -> Crops:
    """Of embedded photographs, the upper left corner."""
    images = embedded_photographs().images[list(numbers), :, :SIZE, :SIZE]
    return Crops(images, [str(number) for number in numbers])


@dataclass(frozen=True)
class Small(Source):
    """Two crops, whichever are asked for."""
    def fresh(self, images: int) -> Crops:
        return crops(0, 9)

    def held(self, images: int) -> Crops:
        return crops(0, 9)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """Results go into a folder of the test."""
    monkeypatch.setattr(certificates, 'SMOOTHED', SMOOTHED)
    return Small(tmp_path, 'cpu', results=tmp_path)


def texts(folder: Path) -> dict[str, str]:
    """All that lies there."""
    paths = [path for path in folder.rglob('*') if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def test_a_table_is_made_once_and_its_time_foretold(source: Small) -> None:
    """Rows of a rounded search are those of the strongest set."""
    models = ['x2_linear_0.02', 'x2_smoothing_0.1']
    quick = tuple(attack.with_numbers(2, 1) for attack in STRONGEST)
    table = Folder('some', lambda source: crops(0, 9), Setting(k=2), (quick,), models, (0., .02))
    assert 0 < table.hours(source, Speed(.1, .3, .2)) < table.hours(source, Speed(.1, .3, .4))
    table.compute(source)
    once = texts(source.results)
    assert set(once) == {'some/rows.csv', 'some/runs.csv'}
    table.compute(source)
    assert texts(source.results) == once
    rows = read_results(source.results/'some')
    assert set(rows['model']) == {*LINEAR, *models} and rows['photograph'].nunique() == 2
    levels = rows[rows['model'] == 'x2_smoothing_0.1'].groupby(['eps_rel', 'sigma_g']).size()
    assert levels.tolist() == [2]*4                       # clean, too, both are kept
    named = [str(attack) for attack in STRONGEST]
    assert all(name.endswith('bfloat16') for name in named)
    lines = pd.DataFrame(dict(attack=['; '.join(named), 'another', '']))
    assert len(rows_of_attack(lines, 'strongest')) == 2


def test_an_unfinished_table_goes_on_from_what_was_set_aside(
    source: Small,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is measured again, and the folder of tables has whole ones only."""
    table = Folder('x2_thesis', lambda source: crops(0, 9), Setting(attacks=()),
                   ((),), ['x2_linear_0.02'], (0., .02))
    half = replace(table, eps_rels=(0.,))
    with monkeypatch.context() as stopped:
        stopped.setattr('tools.results.tables.finish', lambda *_: None)
        half.compute(source)
    assert set_aside(source) == ['x2_thesis'] and set_aside(source) == []
    assert [path.name for path in (source.results/'begun').iterdir()] == ['x2_thesis.tar.xz']
    before = read_results(source.begun('x2_thesis'))
    table.compute(source)
    assert set(texts(source.results)) == {'x2_thesis/rows.csv', 'x2_thesis/runs.csv'}
    assert not (source.results/'begun').exists()
    rows = read_results(source.results/'x2_thesis')
    assert len(rows) == 2*len(before)
    assert before['seconds'].isin(rows['seconds']).all()


def test_a_part_that_is_done_is_done(source: Small, tmp_path: Path) -> None:
    """The second call changes nothing, and leaves nothing behind."""
    certificates.smoothed_at(source, 2)
    first = texts(tmp_path)
    folder = {'x2_smoothed/rows.csv', 'x2_smoothed/runs.csv'}
    assert set(first) == folder | {'x2_smoothed_infinite.csv'}
    certificates.smoothed_at(source, 2)
    assert texts(tmp_path) == first


def test_scales_with_equal_radii_both_keep_their_linear_maps(source: Small, tmp_path: Path) -> None:
    """Those of x4 were taken for copies of those of x2."""
    certificates.front(source)
    rows = read_certificates(tmp_path/'front')
    counts = rows.groupby(['scale', 'method']).size()
    assert set(counts) == {2*2} and len(counts) == 2*5    # photographs and radii; B7 and four maps
    assert texts(tmp_path/'front').keys() == {'rows.csv', 'runs.csv'}


def certified(
    folder: Path,  # of certificates
    photos: Crops,  # to be certified
) -> pd.DataFrame:
    """Their rows."""
    terms = Terms(('B7',), (0., .0005), 64)
    return certify_photographs('x2_smoothed_0.0005', photos, folder, terms)


def test_estimates_are_those_of_the_rows(tmp_path: Path) -> None:
    """Old ones stay while their rows do; none is left out in silence."""
    kept = tmp_path/'estimates.csv'
    rows = certified(tmp_path/'two', crops(0, 9))
    certificates.keep_estimates(rows, tmp_path/'two'/'documents', kept)
    both = kept.read_text()
    assert len(both.splitlines()) == 1 + 2*2
    certificates.keep_estimates(rows, tmp_path/'nothing new', kept)
    assert kept.read_text() == both
    one = certified(tmp_path/'one', crops(9))
    certificates.keep_estimates(one, tmp_path/'nothing new', kept)
    assert pd.read_csv(kept)['content'].unique().tolist() == one['content'].unique().tolist()
    with pytest.raises(ValueError, match=r'estimates\.csv lacks'):
        certificates.keep_estimates(rows, tmp_path/'nothing new', kept)


def test_a_network_as_it_is(source: Small) -> None:
    """What was split, with the noise of what it was split for."""
    whole = certificates.as_it_is('x2_smoothed_0.001', 'cpu')
    split = candidate('x2_smoothed_0.001', 'cpu', 'bfloat16')
    inside = load_model('x2_smoothed_0.001').f.folded('bfloat16')
    assert estimator_hash(whole.f) == estimator_hash(inside)
    assert is_split(split.f) and not is_split(whole.f)
    assert whole.sigma == split.sigma


def test_a_run_that_stops_above_the_map_has_the_whole_of_alpha(tmp_path: Path) -> None:
    """The bound is computed with the share of a look, the statement is about all looks."""
    photos = Crops(embedded_photographs().images[:1], ['whole'])
    terms = Terms(('B7',), (0.,), 1024, alpha=.01, looks=2)
    rows = certify_photographs('x2_smoothed_0.0005', photos, tmp_path, terms)
    of_network = rows[rows['draws'] > 0].iloc[0]
    bar = rows.loc[rows['method'] == 'B0 learned', 'psnr'].item()
    assert of_network['used'] == 512 and of_network['psnr'] > bar
    document, = (tmp_path/'documents').iterdir()
    assert '"alpha": 0.005' not in document.read_text()
    assert verify_document(document)['agrees'].all()


class Asked(Exception):
    """In place of draws."""


@pytest.mark.parametrize(('n', 'pilot'), [(300, 256), (5000, 500), (20_000, 1024)])
def test_the_pilot_grows_with_the_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, pilot: int,
) -> None:
    """A tenth, within limits."""
    def observe(*args: Any, **options: Any) -> None:
        raise Asked(options['pilot'])

    monkeypatch.setattr(rssr.certifying, 'observe', observe)
    with pytest.raises(Asked, match=f'^{pilot}$'):
        certify_photographs('x2_smoothed_0.0005', crops(0), tmp_path, Terms(('B7',), (0.,), n))


def test_a_bounded_part_keeps_its_bound() -> None:
    """A model of one's own that does not would get a certificate that is wrong."""
    pilot = torch.zeros(2, 3, 2, 2)
    part = Part(pilot, limit=.1)
    part.add(torch.full((1, 3, 2, 2), .1))
    with pytest.raises(ValueError, match='size 0.11, more than its bound 0.1'):
        part.add(torch.full((1, 3, 2, 2), .11))


def test_what_a_pixel_reaches_in_a_larger_output() -> None:
    """Four values of each, and of 36 pixels; one image at a time."""
    def one_at_a_time(z: torch.Tensor) -> torch.Tensor:
        assert len(z) == 1
        return interpolate(z, scale_factor=2)

    assert share_reached(one_at_a_time, torch.zeros(1, 3, 6, 6), 1) == pytest.approx(1/36)
