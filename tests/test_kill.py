"What a killed or interrupted run leaves behind, and that the same command goes on from there to the same result."
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from rssr.data import Crops, embedded_photographs
from rssr.linear import Interpolation
from rssr.models import list_models, load_card
from rssr.training import train, TrainConfig
from rssr.sweep import KEY, read_rows, Subject, sweep, VALUES, write_rows
from rssr.certified import certify_photographs, read_certificates

MODEL = max((n for n in list_models() if load_card(n)['scale'] == 2), key=lambda n: load_card(n)['sigma_f'])  # with smoothing: draws too must be repeated
FIGURES = [k for k in KEY + VALUES if k != 'seconds']


def start(command, *argv):
    "A console command in a process of its own; one thread each, so that two at a time do not wait for each other."
    module = dict(rssr_train='training', rssr_certify='certified').get(command, 'evaluation')
    # a shell may have started pytest with SIGINT ignored, which children inherit
    code = f'import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from rssr.{module} import {command}; {command}()'
    return subprocess.Popen([sys.executable, '-c', code, *map(str, argv)], env=os.environ | dict(OMP_NUM_THREADS='1'),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(run):
    out, err = run.communicate(timeout=120)
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


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    "Larger than the crop, so that the place of each crop is part of what must be repeated."
    folder = tmp_path_factory.mktemp('data')/'photographs'
    folder.mkdir()
    for i, image in enumerate(embedded_photographs(192).images[:20]): Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder/f'{i}.png')
    return folder


def training(photographs, out, epochs): return ['rssr_train', '--data', photographs, '--out', out, '--epochs', epochs, '--batch-size', 4, '--sigma-f', .1, '--ema', .9]


def test_training_survives_kill_9(photographs, tmp_path):
    whole, killed = tmp_path/'whole', tmp_path/'killed'
    reference, run = start(*training(photographs, whole, 3)), start(*training(photographs, killed, 3))
    point = killed/'model.checkpoint.safetensors'
    wait_until(point.exists, run)
    kill(run)
    assert [p.name for p in killed.iterdir()] == [point.name]  # it had not finished

    said = finish(start(*training(photographs, killed, 3)))
    assert 'epoch 1/3' not in said and 'epoch 3/3' in said
    finish(reference)
    assert sorted(p.name for p in killed.iterdir()) == ['model.json', 'model.safetensors']
    assert (killed/'model.safetensors').read_bytes() == (whole/'model.safetensors').read_bytes()
    cards = [json.loads((out/'model.json').read_text()) for out in (whole, killed)]
    for card in cards: del card['seconds']
    assert cards[0] == cards[1] and len(cards[0]['history']) == 3


def test_training_stops_at_control_c(photographs, tmp_path):
    run = start(*training(photographs, tmp_path/'out', 1000))
    wait_until((tmp_path/'out'/'model.checkpoint.safetensors').exists, run)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err == 'rssr_train: interrupted; the same command goes on from here\n'


GRID = "from rssr.grid import TrainConfig, train_grid; train_grid([TrainConfig(n, epochs=3, batch_size=4, lr=1e-3) for n in ('a', 'b')], {!r}, {!r}, jobs=2)"


def test_a_grid_goes_on_and_leaves_no_process_behind(photographs, tmp_path):
    code = 'import signal; signal.signal(signal.SIGINT, signal.default_int_handler); ' + GRID.format(str(photographs), str(tmp_path))
    run = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    points = [tmp_path/f'{n}.checkpoint.safetensors' for n in 'ab']
    wait_until(lambda: all(p.exists() for p in points), run)
    run.send_signal(signal.SIGINT)
    assert 'KeyboardInterrupt' in run.communicate(timeout=60)[1]
    before = [p.stat().st_mtime for p in points if p.exists()]
    time.sleep(3)                                          # an epoch takes less
    assert [p.stat().st_mtime for p in points if p.exists()] == before and before

    finish(subprocess.Popen([sys.executable, '-c', GRID.format(str(photographs), str(tmp_path))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    assert sorted(p.name for p in tmp_path.glob('*.safetensors')) == ['a.safetensors', 'b.safetensors']
    assert any('epoch 1/3' not in (tmp_path/f'{n}.log').read_text() for n in 'ab')  # taken up, not begun again


def evaluation(photographs, out): return ['rssr_evaluate', '--data', photographs, '--models', MODEL, '--out', out, '--images', 2, '--k', 4, '--attack-iterations', 3, '--eps-rel', '0,0.05']


def test_evaluation_survives_kill_9(photographs, tmp_path):
    whole, killed = tmp_path/'whole', tmp_path/'killed'
    reference, run = start(*evaluation(photographs, whole)), start(*evaluation(photographs, killed))
    path = killed/'results.csv'

    def rows():
        "Those in the file now, which must be whole at any time."
        found = read_rows(path) if path.exists() else []
        assert all(None not in r.values() for r in found)
        return found

    wait_until(lambda: len(rows()) >= 2, run)
    kill(run)
    done = rows()
    assert not (killed/'table.md').exists()                # it had not finished
    write_rows(path, [r | dict(seconds=12345.) for r in done])  # so that a row that is computed again gives itself away

    run = start(*evaluation(photographs, killed))
    wait_until(lambda: len(rows()) > len(done), run)
    finish(run), finish(reference)
    resumed, expected = rows(), read_rows(whole/'results.csv')
    assert len(done) < len(resumed) == len(expected)
    assert [r['seconds'] == 12345 for r in resumed] == [True]*len(done) + [False]*(len(resumed) - len(done))
    assert [[str(r[k]) for k in FIGURES] for r in resumed] == [[str(r[k]) for k in FIGURES] for r in expected]  # str: nan equals nan
    assert (killed/'table.md').read_text() == (whole/'table.md').read_text()
    assert (killed/'picture.png').exists()


def certification(out): return ['rssr_certify', '--model', 'x4_split_0.7', '--out', out, '--images', 3, '--n', 500, '--method', 'B6,B7']


def test_certification_survives_kill_9(tmp_path):
    whole, killed = tmp_path/'whole', tmp_path/'killed'
    reference, run = start(*certification(whole)), start(*certification(killed))
    path = killed/'certificates.csv'
    wait_until(path.exists, run)
    kill(run)
    done = {r['name']: r for r in read_certificates(path)}
    assert 0 < len(done) < 3 and not (killed/'table.md').exists()  # it had not finished, and does not look as if it had

    finish(start(*certification(killed))), finish(reference)
    resumed, expected = (read_certificates(out/'certificates.csv') for out in (killed, whole))
    assert [r['seconds'] for r in resumed if r['name'] in done and r['method'] == 'B7'] == [r['seconds'] for r in done.values()]  # not computed again
    assert [r | dict(seconds=0) for r in resumed] == [r | dict(seconds=0) for r in expected] and len(expected) == 3*5
    assert (killed/'table.md').read_text() == (whole/'table.md').read_text() and sorted(p.name for p in killed.iterdir()) == ['certificates.csv', 'figure.png', 'table.md']


def test_a_sweep_goes_on_whatever_its_names(tmp_path):
    photos = embedded_photographs()
    for _ in range(2):  # names that could be read back as numbers
        rows = sweep([Subject('001', Interpolation(2))], Crops(photos.images[:1], photos.names[:1]), tmp_path/'a.csv', '1e3', eps_rels=(0.,))
    assert [(r['model'], r['data']) for r in rows] == [('001', '1e3')]
    assert len(read_rows(tmp_path/'a.csv')) == 1


def test_long_work_leaves_one_bar_at_a_time_and_no_trace_in_a_notebook(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'ipykernel', sys)  # bars go to stdout, where a notebook cannot move its cursor up
    crops = embedded_photographs(64)
    crops = Crops(crops.images[:4], crops.names[:4])
    for work, prints in ((lambda: certify_photographs('x2_split_0.5', crops, tmp_path/'c.csv', n=300, methods=('B7',), eps_rels=(0.,)), False),
                         (lambda: sweep([Subject('p', Interpolation(2, 'projection'))], crops, tmp_path/'s.csv', 'd', eps_rels=(0., .01)), False),
                         (lambda: train(TrainConfig('t', epochs=1, batch_size=2), crops, crops, tmp_path), True)):
        work()
        out = capsys.readouterr().out
        assert 'it/s]' in out or '?it/s' in out  # there was a bar
        assert '\x1b' not in out and '\n' not in out.split('epoch 1/1')[0]  # on one line
        assert prints or not out.rsplit('\r', 1)[1]  # and gone
