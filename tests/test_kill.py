"""What a killed or interrupted run leaves behind, and that the same command goes on from there
to the same result."""
import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from rssr.certifying import (
    Terms,
    certify_photographs,
    read_certificates,
    verify_document,
)
from rssr.data import Crops, embedded_photographs
from rssr.linear import Interpolation
from rssr.models import list_models, load_card
from rssr.recipe import TrainConfig
from rssr.sweep import Subject, read_results, sweep
from rssr.training import train
from tools.faults import card_without_time, figures, write_photographs


def most_noise():
    "The x2 model trained with the most noise: with smoothing, draws too must be repeated."
    names = [name for name in list_models() if load_card(name)['scale'] == 2]
    return max(names, key=lambda name: load_card(name)['sigma_f'])


MODEL = most_noise()
MODULE = dict(rssr_train='training', rssr_evaluate='evaluation', rssr_certify='certified')
# A shell may have started pytest with SIGINT ignored, which children inherit.
HEED_CONTROL_C = 'import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n'


def run_code(code, *argv):
    "Python in a process of its own; one thread each, so that two do not wait for each other."
    return subprocess.Popen(
        [sys.executable, '-c', HEED_CONTROL_C + code, *map(str, argv)],
        env=os.environ | dict(OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def start(command, *argv):
    "A console command."
    return run_code(f'from rssr.{MODULE[command]} import {command}\n{command}()', *argv)


def finish(run):
    "What it printed; it must succeed."
    out, err = run.communicate(timeout=240)
    assert run.returncode == 0, err
    return out


def wait_until(true, run):
    "Poll; fails if the process ends before, since then there is nothing left to kill."
    for _ in range(12000):
        if true(): return
        assert run.poll() is None, f'ended too early: {run.communicate()}'
        time.sleep(.01)
    pytest.fail('nothing happened for two minutes')


def kill(run):
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    "Larger than the crop, so that the place of each crop is part of what must be repeated."
    return write_photographs(tmp_path_factory.mktemp('data')/'photographs', 20)


# ---------------------------------------------------------------- training

def training(photographs, out, epochs):
    return [
        'rssr_train', '--data', photographs, '--out', out, '--epochs', epochs,
        '--batch-size', 4, '--sigma-f', .1, '--ema', .9,
    ]


def test_training_survives_kill_9(photographs, tmp_path):
    whole = tmp_path/'whole'
    killed = tmp_path/'killed'
    reference = start(*training(photographs, whole, 3))
    run = start(*training(photographs, killed, 3))
    point = killed/'model.checkpoint.safetensors'
    wait_until(point.exists, run)
    kill(run)
    assert not (killed/'model.safetensors').exists()      # it had not finished

    said = finish(start(*training(photographs, killed, 3)))
    assert 'epoch 1/3' not in said
    assert 'epoch 3/3' in said
    finish(reference)
    assert (killed/'model.safetensors').read_bytes() == (whole/'model.safetensors').read_bytes()
    assert not point.exists()
    assert card_without_time(killed/'model.json') == card_without_time(whole/'model.json')
    assert len(card_without_time(killed/'model.json')['history']) == 3


def test_training_stops_at_control_c(photographs, tmp_path):
    run = start(*training(photographs, tmp_path/'out', 1000))
    wait_until((tmp_path/'out'/'model.checkpoint.safetensors').exists, run)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err == 'rssr_train: interrupted; the same command goes on from here\n'


GRID = '''
import sys
from rssr.grid import train_grid
from rssr.recipe import TrainConfig
configs = [TrainConfig(name, epochs=3, batch_size=4, lr=1e-3) for name in ('a', 'b')]
train_grid(configs, *sys.argv[1:], jobs=2)
'''


def test_a_grid_goes_on_and_leaves_no_process_behind(photographs, tmp_path):
    run = run_code(GRID, photographs, tmp_path)
    points = [tmp_path/f'{name}.checkpoint.safetensors' for name in 'ab']
    wait_until(lambda: all(point.exists() for point in points), run)
    run.send_signal(signal.SIGINT)
    assert 'KeyboardInterrupt' in run.communicate(timeout=60)[1]
    before = [point.stat().st_mtime for point in points if point.exists()]
    assert before
    time.sleep(3)                                         # an epoch takes less
    assert [point.stat().st_mtime for point in points if point.exists()] == before

    finish(run_code(GRID, photographs, tmp_path))
    weights = sorted(path.name for path in tmp_path.glob('*.safetensors'))
    assert weights == ['a.safetensors', 'b.safetensors']
    logs = [(tmp_path/f'{name}.log').read_text() for name in 'ab']
    assert any('epoch 1/3' not in log for log in logs)    # taken up, not begun again


# ---------------------------------------------------------------- evaluation

def evaluation(photographs, out):
    return [
        'rssr_evaluate', '--data', photographs, '--models', MODEL, '--out', out,
        '--images', 2, '--k', 4, '--attack-iterations', 3, '--eps-rel', '0,0.05',
    ]


def jobs(folder):
    "Finished jobs, which must be whole at any time."
    paths = sorted((folder/'jobs').glob('*.json')) if (folder/'jobs').exists() else []
    for path in paths: assert json.loads(path.read_bytes())['rows']
    return paths


def mark_as_old(paths):
    "So that a job that is computed again gives itself away."
    for path in paths:
        job = json.loads(path.read_bytes())
        path.write_text(json.dumps(job | dict(seconds=12345.)))


def test_evaluation_survives_kill_9(photographs, tmp_path):
    whole = tmp_path/'whole'
    killed = tmp_path/'killed'
    reference = start(*evaluation(photographs, whole))
    run = start(*evaluation(photographs, killed))
    wait_until(lambda: len(jobs(killed)) >= 2, run)
    kill(run)
    done = jobs(killed)
    assert not (killed/'table.md').exists()               # it had not finished
    mark_as_old(done)

    finish(start(*evaluation(photographs, killed)))
    finish(reference)
    resumed = read_results(killed)
    old = resumed['seconds'] == 12345
    assert 0 < old.sum() < len(resumed)
    assert set(resumed.loc[old, 'run']) == {path.stem for path in done}    # not computed again
    pd.testing.assert_frame_equal(figures(resumed), figures(read_results(whole)))
    assert (killed/'table.md').read_text() == (whole/'table.md').read_text()
    assert names_in(killed) == ['jobs', 'picture.png', 'results.csv', 'table.md']
    left = {path.suffix for path in (killed/'jobs').iterdir()}
    assert left <= {'.json', '.taken'}                    # the mark of the killed job may stay


# ---------------------------------------------------------------- certification

def certification(out):
    return [
        'rssr_certify', '--model', 'x4_smoothed_0.005', '--out', out,
        '--images', 3, '--n', 500, '--size', 64, '--method', 'B6,B7',
    ]


def of_networks(folder):
    "Certificates that took draws."
    rows = read_certificates(folder)
    return rows[rows['draws'] > 0]


def check_documents(folder, photographs):
    "Each photograph has its own, and it is whole."
    documents = [*(folder/'documents').iterdir()]
    assert len(documents) == photographs
    assert all(verify_document(path)['agrees'].all() for path in documents)


def test_certification_survives_kill_9(tmp_path):
    whole = tmp_path/'whole'
    killed = tmp_path/'killed'
    reference = start(*certification(whole))
    run = start(*certification(killed))
    wait_until(lambda: bool(jobs(killed)) and len(of_networks(killed)) > 0, run)
    kill(run)
    done = jobs(killed)
    assert 0 < of_networks(killed)['photograph'].nunique() < 3
    assert not (killed/'table.md').exists()               # it does not look as if it had finished
    mark_as_old(done)

    finish(start(*certification(killed)))
    finish(reference)
    resumed = read_certificates(killed)
    old = resumed['seconds'] == 12345
    assert set(resumed.loc[old, 'run']) == {path.stem for path in done}    # not computed again
    pd.testing.assert_frame_equal(figures(resumed), figures(read_certificates(whole)))
    assert len(resumed) == 3*6*6                          # photographs, methods, radii
    assert (killed/'table.md').read_text() == (whole/'table.md').read_text()
    assert names_in(killed) == names_in(whole)
    check_documents(killed, photographs=3)


# ---------------------------------------------------------------- names, bars

def test_a_sweep_goes_on_whatever_its_names(tmp_path):
    photos = embedded_photographs()
    one = Crops(photos.images[:1], photos.names[:1])
    for _ in range(2):  # names that could be read back as numbers
        rows = sweep([Subject('001', Interpolation(2))], one, tmp_path, eps_rels=(0.,), data='1e3')
    assert rows[['model', 'data']].values.tolist() == [['001', '1e3']]
    assert len(read_results(tmp_path)) == 1


def certify_some(crops, folder):
    terms = Terms(methods=('B7',), eps_rels=(0.,), n=300)
    certify_photographs('x2_smoothed_0.001', crops, folder, terms)


def sweep_some(crops, folder):
    sweep([Subject('p', Interpolation(2, 'projection'))], crops, folder, eps_rels=(0., .01))


def train_some(crops, folder):
    train(TrainConfig('t', epochs=1, batch_size=2), crops, crops, folder)


@pytest.mark.parametrize('work, prints', [
    (certify_some, False), (sweep_some, False), (train_some, True),
])
def test_long_work_leaves_one_bar_at_a_time_and_no_trace_in_a_notebook(
    work, prints, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, 'ipykernel', sys)    # bars go to stdout,
    crops = embedded_photographs(64)                      # where a cursor cannot move up
    work(Crops(crops.images[:4], crops.names[:4]), tmp_path)
    out = capsys.readouterr().out
    assert 'it/s]' in out or '?it/s' in out               # there was a bar
    assert '\x1b' not in out
    assert '\n' not in out.split('epoch 1/1')[0]          # on one line
    assert prints or not out.rsplit('\r', 1)[1]           # and gone
