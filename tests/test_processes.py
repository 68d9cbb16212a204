"""What processes do to each other: a grid that is killed takes its trainings along, one training
at a time writes the files of a model, and a failure is one line, whatever failed."""
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image

import rssr.core
import rssr.evaluation
import rssr.grid
from rssr.core import check_device
from rssr.data import Crops, embedded_photographs
from rssr.evaluation import rssr_evaluate
from rssr.grid import rssr_grid, train_grid
from rssr.models import load_card
from rssr.recipe import TrainConfig
from rssr.sweep import read_results
from rssr.training import fresh_state, save_checkpoint, sole_training, train

CROPS = embedded_photographs()
TINY = Crops(CROPS.images[:4, :, :32, :32], CROPS.names[:4])


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    "Twenty files, of which some are held out."
    folder = tmp_path_factory.mktemp('data')/'photographs'
    folder.mkdir()
    for i, image in enumerate(CROPS.images[:20]):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder/f'{i}.png')
    return folder


def run_code(code, *argv):
    "Python in a process of its own, with one thread."
    return subprocess.Popen(
        [sys.executable, '-c', code, *map(str, argv)], env=os.environ | dict(OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def start(command, *argv):
    "A console command."
    module = dict(rssr_grid='grid', rssr_train='training')[command]
    return run_code(f'from rssr.{module} import {command}\n{command}()', *argv)


def wait_until(true):
    "Poll, for a minute at most."
    for _ in range(600):
        if true(): return
        time.sleep(.1)
    pytest.fail('nothing happened for a minute')


def processes(out):
    "Lines of `ps` for those that were told to write to this folder."
    listed = subprocess.run(['ps', '-axww', '-o', 'pid=,command='], capture_output=True, text=True)
    return [line for line in listed.stdout.splitlines() if str(out) in line]


def one_line(capsys, command, argv):
    "The only line that a command writes, which fails."
    with pytest.raises(SystemExit) as stop: command([str(word) for word in argv])
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert err.count('\n') == 1
    return err


# ---------------------------------------------------------------- orphans (defect 9)

@pytest.mark.parametrize('sign', [signal.SIGTERM, signal.SIGKILL])
def test_a_grid_that_is_killed_takes_its_trainings_along(photographs, tmp_path, sign):
    names = 'x2_standard', 'x2_thesis_standard'
    grid = start('rssr_grid', '--models', ','.join(names), '--jobs', 2,
                 '--data', photographs, '--out', tmp_path)
    wait_until(lambda: len(list(tmp_path.glob('.*.lock'))) == 2)  # both train
    assert len(processes(tmp_path)) == 3
    grid.send_signal(sign)
    said = grid.communicate(timeout=60)[1]
    if sign == signal.SIGTERM:
        assert grid.returncode == 130
        assert said == 'rssr_grid: interrupted; the same command goes on from here\n'
    wait_until(lambda: not processes(tmp_path))
    for name in names:
        said = (tmp_path/f'{name}.log').read_text().splitlines()[-1]
        assert said == 'rssr_train: interrupted; the same command goes on from here'
        with sole_training(tmp_path, name): pass          # free again


def test_a_second_grid_is_refused_by_name_and_harms_nothing(photographs, tmp_path, capsys):
    (tmp_path/'x2_standard.log').write_text('said before')
    argv = ['--models', 'x2_thesis_standard,x2_standard', '--data', photographs, '--out', tmp_path]
    with somebody_trains(tmp_path, 'x2_standard'):
        said = one_line(capsys, rssr_grid, argv)
    assert f'{tmp_path}/x2_standard.safetensors is trained at this moment' in said
    assert (tmp_path/'x2_standard.log').read_text() == 'said before'
    assert not (tmp_path/'x2_thesis_standard.log').exists()       # none was begun


HOLD = '''
import sys
from rssr.training import sole_training
with sole_training(*sys.argv[1:]):
    print('inside', flush=True)
    sys.stdin.read()
'''


class somebody_trains:
    "Another process that trains a model, as far as anyone can tell, until the end of the block."
    def __init__(self, out, name):
        self.process = subprocess.Popen(
            [sys.executable, '-c', HOLD, str(out), name], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        assert self.process.stdout.readline() == 'inside\n'
        return self.process

    def __exit__(self, *error):
        self.process.communicate()


def test_a_second_training_of_a_model_is_refused(tmp_path):
    cfg = TrainConfig('mine', epochs=1, batch_size=4)
    save_checkpoint(tmp_path/'mine.checkpoint.safetensors', fresh_state(cfg, tmp_path), cfg)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with somebody_trains(tmp_path, 'mine'):
        with pytest.raises(ValueError, match='mine.safetensors is trained at this moment'):
            train(cfg, TINY, TINY, tmp_path)
        train(TrainConfig('other', epochs=1, batch_size=4), TINY, TINY, tmp_path)
    assert all(path.read_bytes() == was for path, was in before.items())
    assert load_card(tmp_path/'other.safetensors')['images_seen'] == 4


def test_the_lock_of_a_dead_training_harms_nobody(tmp_path):
    cfg = TrainConfig('mine', epochs=1, batch_size=4)
    with somebody_trains(tmp_path, 'mine') as other:
        other.kill()
        other.wait()
        assert list(tmp_path.glob('.*lock'))              # it could not put it away
        train(cfg, TINY, TINY, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['mine.json', 'mine.safetensors']


# ---------------------------------------------------------------- one line (defect 11)

def test_a_failed_training_of_a_grid_is_one_line(photographs, tmp_path, capsys, monkeypatch):
    lost = TrainConfig('lost', init='nobody')
    monkeypatch.setattr(rssr.grid, 'grid_models', lambda pattern: [lost])
    monkeypatch.setattr(rssr.grid, '_with_starts', lambda configs: configs)
    said = one_line(capsys, rssr_grid, ['--data', photographs, '--out', tmp_path])
    assert said.startswith("rssr_grid: lost: rssr_train: model 'nobody' is unknown")


def test_a_training_that_dies_without_a_word_fails(photographs, tmp_path, monkeypatch):
    monkeypatch.setattr(rssr.grid, '_COMMAND', 'import os; os._exit(1)')
    with pytest.raises(ChildProcessError, match='mine: no word'):
        train_grid([TrainConfig('mine')], photographs, tmp_path)


LACKS = {  # what PyTorch and Python say, and what the line makes of it
    'cpu': (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to "
                         'allocate 40000 bytes. Error code 12'), 'allocate 40000 bytes'),
    'windows': (RuntimeError('DefaultCPUAllocator: not enough memory: you tried to allocate 8 '
                             'bytes.'), 'allocate 8 bytes'),
    'cuda': (torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0'),
             'allocate 2.00 GiB'),
    'python': (MemoryError(), 'go on'),
}


@pytest.mark.parametrize('error, what', LACKS.values(), ids=LACKS)
def test_too_little_memory_is_one_line(tmp_path, capsys, monkeypatch, error, what):
    def sweep(*args): raise error
    monkeypatch.setattr(rssr.evaluation, 'sweep', sweep)
    said = one_line(capsys, rssr_evaluate, ['--models', 'x2_standard', '--images', 1,
                                            '--out', tmp_path])
    assert said == (f'rssr_evaluate: too little memory to {what}: '
                    'try a smaller --size or another --device, or end other programs\n')


def test_other_runtime_errors_are_bugs_and_are_shown_whole(tmp_path, monkeypatch):
    def sweep(*args): raise RuntimeError('a bug')
    monkeypatch.setattr(rssr.evaluation, 'sweep', sweep)
    with pytest.raises(RuntimeError, match='a bug'):
        rssr_evaluate(['--models', 'x2_standard', '--images', '1', '--out', str(tmp_path)])


@pytest.mark.parametrize('device', ['meta', 'mps', 'gpu'])
def test_a_device_that_is_not_there_is_a_short_line(capsys, tmp_path, device):
    if device == 'mps' and torch.backends.mps.is_available(): pytest.skip('it is there')
    said = one_line(capsys, rssr_evaluate, ['--device', device, '--out', tmp_path])
    assert f'device={device!r} cannot be used (' in said
    assert said.endswith(': use auto, which takes the best there is, or cpu\n')
    assert len(said) < 400
    assert 'Facebook' not in said


def test_auto_is_the_best_there_is_and_rows_keep_which(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: False)
    assert check_device('auto') == 'cpu'
    rssr_evaluate(['--device', 'auto', '--models', 'x2_standard', '--images', '1',
                   '--eps-rel', '0', '--out', str(tmp_path)])
    assert set(read_results(tmp_path)['device']) == {'cpu'}
    asked = []

    def zeros(*shape, device):
        asked.append(device)
        return torch.ones(1)

    monkeypatch.setattr(torch, 'zeros', zeros)
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: True)
    assert check_device('auto') == 'mps'
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert check_device('auto') == 'cuda'
    assert asked == ['mps', 'cuda']
