"""What goes wrong beside a run costs no figure: one try of each kind, the figures of which
`python -m tools.kills` counts by the dozen."""
import pandas as pd
import pytest

from tools.faults import (
    CERTIFICATION,
    CLOSED,
    DISK_FULL,
    EVALUATION,
    KILLED,
    KINDS,
    NO_MEMORY,
    REMOVED,
    TERMINATED,
    TRAINING,
    TWO,
    Fault,
    Work,
    torn,
)
from tools.kills import TABLE, Undisturbed, outcome, photographs, undisturbed

SHARE = .6      # in the midst of the work


@pytest.fixture(scope='module')
def data():
    with photographs() as folder: yield folder


@pytest.fixture(scope='module')
def truth(data):
    "What an undisturbed run comes to, by its command; each is run once."
    return {work.run: undisturbed(work, data) for work in (EVALUATION, CERTIFICATION, TRAINING)}


@pytest.mark.slow
@pytest.mark.parametrize('work, fault', [
    (TWO, KILLED),
    (CERTIFICATION, TERMINATED),
    (TRAINING, DISK_FULL),
    (EVALUATION, DISK_FULL),
    (EVALUATION, CLOSED),
    (TRAINING, REMOVED),
    (EVALUATION, NO_MEMORY),
], ids=lambda part: part.name)
def test_a_fault_costs_no_figure(work, fault, data, truth):
    assert outcome(work, fault, data, truth[work.run], SHARE).lost == ''


# ---------------------------------------------------------------- the table

def test_every_kind_was_tried_and_none_lost_anything():
    rows = pd.read_csv(TABLE)
    assert list(rows['kind']) == [f'{work.name}: {fault.name}' for work, fault in KINDS]
    assert (rows['tried'] > 0).all()
    assert (rows['lost'] == 0).all()


# ---------------------------------------------------------------- faults that are planted

def write_badly(data, out):
    "Half of a file first, and at the second time other figures."
    again = (out/'figures.json').exists()
    (out/'figures.json').write_text('2' if again else '{')
    assert again, 'a traceback'


def read_figures(out):
    return (out/'figures.json').read_text()


def test_what_is_lost_is_seen(data):
    bad = Work('bad', write_badly, read_figures)
    fault = Fault('none')
    found = outcome(bad, fault, data, Undisturbed('1', 1., 1), SHARE)
    assert found.struck
    assert 'more than a line' in found.lost
    assert 'torn: figures.json' in found.lost
    assert 'figures differ' in found.lost


def test_a_file_cut_short_is_torn(tmp_path):
    for name in ('whole.json', 'half.json', '.part.json'):
        (tmp_path/name).write_text('[1]' if name == 'whole.json' else '[1')
    (tmp_path/'half.safetensors').write_bytes(bytes(20))
    assert sorted(torn(tmp_path)) == ['half.json', 'half.safetensors']
