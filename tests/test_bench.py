"The benchmarks measure what they say, and their files are those of the chapter."
import pandas as pd
import pytest
import torch

from rssr.models import load_model
from rssr.recipe import TrainConfig
from tools.bench import timing
from tools.bench.__main__ import RESULTS
from tools.bench.growth import exponent
from tools.bench.timing import Work, time_in_turn
from tools.bench.training_curves import as_it_was


@pytest.mark.parametrize('power', [.5, 1, 2])
def test_the_exponent_is_the_slope_of_the_logarithms(power):
    assert exponent([(n, 3*n**power) for n in (1, 2, 5, 20)]) == pytest.approx(power)


def test_a_ratio_is_that_of_works_of_the_same_round(monkeypatch):
    ran = []
    seconds = iter([1., 2., 10., 30., 1., 2.])              # the second round is disturbed

    def told(work):
        ran.append(work.name)
        return next(seconds)

    monkeypatch.setattr(timing, 'seconds_of', told)
    works = [Work('floor', lambda: None), Work('work', lambda: None, {'floor': 2.})]
    floor, work = time_in_turn('group', works, rounds=3)
    assert ran == ['floor', 'work']*3
    assert (work.seconds, work.fastest, work.slowest, work.ratio, work.met) == (2, 2, 30, 2, 'yes')
    assert (floor.ratio, floor.met) == (None, '')


def test_the_old_way_to_train_attacks_the_same_network():
    f = load_model('x2_standard').train()
    y = torch.randn(2, 3, 32, 32)
    old = as_it_was(f, TrainConfig())
    assert torch.allclose(old(y), f.folded()(y), atol=1e-4)
    assert f.training


def test_every_goal_has_its_floor_in_the_same_run():
    lines = pd.read_csv(RESULTS/'timings.csv', keep_default_na=False)
    for line in lines.itertuples():
        group = lines[lines['group'] == line.group]
        assert line.floor in ('', *group['work'])
        assert bool(line.floor) == bool(line.ratio)
