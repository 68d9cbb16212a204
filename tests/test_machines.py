"""Work that is shared out: parts of a list of jobs, parts that are killed, and one network trained
by several processes."""
import json
import os
import re
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from PIL import Image

from rssr.certified import rssr_certify
from rssr.certifying import read_certificates
from rssr.core import Shard
from rssr.data import embedded_photographs
from rssr.evaluation import rssr_evaluate
from rssr.grid import GRID, rssr_grid
from rssr.machines import submit
from rssr.sweep import read_results

COMMANDS = dict(rssr_evaluate=rssr_evaluate, rssr_certify=rssr_certify, rssr_grid=rssr_grid)
EVALUATION = ['--models', 'x2_smoothing_0.1', '--images', '4', '--k', '8',
              '--attack-iterations', '5', '--eps-rel', '0,0.02,0.05']
ONE_THREAD = os.environ | dict(OMP_NUM_THREADS='1')


def figures(rows):
    "Rows in an order of their own, without what differs from run to run."
    plain = rows.drop(columns=['run', 'seconds'])
    return plain.sort_values(list(plain.columns)).reset_index(drop=True)


def finished(folder):
    "Jobs, and when they were written."
    return {path.name: path.stat().st_mtime_ns for path in (folder/'jobs').glob('*.json')}


# ---------------------------------------------------------------- parts of a list

@pytest.mark.parametrize('command', COMMANDS)
@pytest.mark.parametrize('shards', ['4/4', 'a/b', '1/0', '-1/2', '3', '0/2/4'])
def test_what_is_no_shard_is_one_line(command, shards, capsys):
    with pytest.raises(SystemExit) as end: COMMANDS[command]([f'--shards={shards}'])
    said = capsys.readouterr()
    assert end.value.code == 2
    assert said.out == ''
    assert said.err.startswith(f"{command}: shards='{shards}' must be i/n")
    assert said.err.count('\n') == 1


@pytest.mark.parametrize('n', [1, 2, 3, 8, 100])
def test_parts_of_the_grid_are_the_grid_and_hold_what_they_start_from(n, capsys):
    seen = []
    for i in range(n):
        rssr_grid(['--shards', f'{i}/{n}'])
        names = re.findall('--name ([^ ]+)', capsys.readouterr().out)
        assert all(GRID[name].init in ('', *names) for name in names)
        seen += names
    assert sorted(seen) == sorted(GRID)


def test_a_part_has_no_table_and_the_whole_is_that_of_one_run(tmp_path, capsys):
    certify = ['--model', 'x4_smoothed_0.005', '--images', '3', '--n', '64', '--method', 'B7']
    out = ['--out', str(tmp_path/'parts')]
    for i in range(2):
        rssr_certify([*certify, *out, '--shards', f'{i}/2'])
        said = capsys.readouterr().out
        assert f'{2 - i} photographs, of each the centre 160x160 pixels; ' in said
        assert f'shard {i}/2 is done, a part: when all 2 are' in said
        assert '\n|' not in said        # no table; a slow run shows its bar
    assert {path.name for path in (tmp_path/'parts').iterdir()} == {'jobs', 'documents'}
    done = finished(tmp_path/'parts')
    rssr_certify([*certify, *out])
    rssr_certify([*certify, '--out', str(tmp_path/'alone')])
    assert finished(tmp_path/'parts') == done
    parts, alone = (read_certificates(tmp_path/name) for name in ('parts', 'alone'))
    pd.testing.assert_frame_equal(figures(parts), figures(alone), check_exact=True)
    tables = [(tmp_path/name/'table.md').read_text() for name in ('parts', 'alone')]
    assert tables[0] == tables[1]


# ---------------------------------------------------------------- a queue

def submitted(tmp_path, *words):
    "rssr_submit with two parts, in a process of its own."
    code = 'from rssr.machines import rssr_submit; rssr_submit()'
    options = ['--shards', '2', '--cluster', 'local', '--logs', str(tmp_path/'logs'), '--']
    return subprocess.Popen([sys.executable, '-c', code, *options, *words], env=ONE_THREAD,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def worker(tmp_path, shard, run):
    "The process that works on a part, as soon as it has begun."
    for _ in range(1200):
        said = ''.join(path.read_text() for path in tmp_path.glob('logs/*_log.out'))
        if found := re.search(f'shard {shard}: process ([0-9]+) on', said): return int(found[1])
        assert run.poll() is None, run.communicate()
        time.sleep(.1)
    pytest.fail('nothing happened for two minutes')


@pytest.mark.slow
def test_a_killed_worker_is_named_and_its_jobs_are_taken_up(tmp_path):
    words = ['rssr_evaluate', *EVALUATION, '--out', str(tmp_path/'shared')]
    run = submitted(tmp_path, *words)
    os.kill(worker(tmp_path, '1/2', run), signal.SIGKILL)
    out, err = run.communicate(timeout=240)
    assert re.match(r'rssr_submit: shard 1/2 was killed \(log .*\.err\): the same command', err)
    assert '0/2' not in err
    done = finished(tmp_path/'shared')
    assert len(done) == 6                                   # 4 subjects at 3 radii, halved

    again = submitted(tmp_path, *words)
    out, err = again.communicate(timeout=240)
    assert again.returncode == 0, err
    assert 'all 2 shards are done' in out
    now = finished(tmp_path/'shared')
    assert len(now) == 12
    assert done.items() <= now.items()                      # not computed again

    code = 'from rssr.evaluation import rssr_evaluate; rssr_evaluate()'
    alone = [sys.executable, '-c', code, *EVALUATION, '--out', str(tmp_path/'alone')]
    subprocess.run(alone, env=ONE_THREAD, check=True)
    shared, alone = (read_results(tmp_path/name) for name in ('shared', 'alone'))
    # Each process measures how many images it takes fastest in one call, so the last digits differ.
    pd.testing.assert_frame_equal(figures(shared), figures(alone), rtol=1e-4)


@pytest.mark.slow
def test_each_command_is_submitted(tmp_path, capsys):
    certify = ['rssr_certify', '--model', 'x4_smoothed_0.005', '--images', '2', '--n', '64',
               '--method', 'B7', '--out', str(tmp_path/'certificates')]
    grid = ['rssr_grid', '--models', 'x2_*']                # without photographs, the recipes
    for words in (certify, grid):
        submit(words, 2, 'local', str(tmp_path/words[0]))
        done = f"all 2 shards are done; for the whole: {' '.join(words)}\n"
        assert capsys.readouterr().out.endswith(done)
    assert read_certificates(tmp_path/'certificates')['content'].nunique() == 2
    logs = [path.read_text() for path in (tmp_path/'rssr_grid').glob('*_log.out')]
    names = [re.findall('--name ([^ ]+)', said) for said in logs]
    assert all(names)
    assert sorted(sum(names, [])) == sorted(name for name in GRID if name.startswith('x2'))


def test_without_submitit_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'submitit', None)
    with pytest.raises(ValueError, match=r"pip install 'rssr\[cluster\]'"):
        submit(['rssr_grid'], 2, 'local')


def test_one_shard_is_the_whole():
    assert Shard.parse('0/1') == Shard.parse('') == Shard()


# ---------------------------------------------------------------- one network

TRAINING = '''
import json
from rssr.core import content_hash
from rssr.data import Crops, embedded_photographs
from torch.nn import BatchNorm2d
from rssr.recipe import TrainConfig
from rssr.training import _epoch, fresh_state, launched

def curve(frozen, size, photographs, **recipe):
    "Losses of two epochs and a hash of the weights; `frozen`: batch norm stands still."
    crops = embedded_photographs(size)
    photos = Crops(crops.images[:photographs], crops.names[:photographs])
    cfg = TrainConfig('m', epochs=2, **recipe)
    state = fresh_state(cfg, '.')
    if frozen:
        for norm in filter(lambda layer: isinstance(layer, BatchNorm2d), state.model.modules()):
            norm.eval().train = lambda mode=True: None
    for _ in range(2): state.history.append(dict(loss=_epoch(state, cfg, photos, 'cpu')))
    return [row['loss'] for row in state.history], content_hash(*state.tensors().values())

HARD = dict(sigma_f=.1, eps_rel=.05, attack_iterations=1)
def curves():
    return [curve(True, 64, 19, batch_size=6, lr=.01, **HARD),      # the last batch: 1
            curve(True, 64, 16, batch_size=5, lr=.01, sigma_f=.5, loss='mean', bound=.05),
            curve(False, 160, 32, batch_size=8)]
'''
SHARED = TRAINING + '''
import sys
with launched('cpu') as team:
    with open(f'{sys.argv[1]}/{team.rank}.json', 'w') as file: json.dump(curves(), file)
'''


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path):
    (tmp_path/'shared.py').write_text(SHARED)
    launch = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2']
    subprocess.run([*launch, tmp_path/'shared.py', tmp_path], env=ONE_THREAD, check=True)
    first, second = (json.loads((tmp_path/f'{rank}.json').read_text()) for rank in range(2))
    assert first == second                                  # losses, and weights to the bit
    here: dict = {}
    exec(TRAINING, here)
    (exact, _), (mean, _), (near, _) = here['curves']()
    assert first[0][0] == pytest.approx(exact, rel=1e-4)    # draws, shares and gradients are right
    assert first[1][0] == pytest.approx(mean, rel=1e-4)
    assert first[2][0] == pytest.approx(near, rel=.002)     # batch norm sees a share


def photographs(folder, n=6):
    "Crops as files, some of which are held out."
    folder.mkdir()
    for i, image in enumerate(embedded_photographs().images[:n]):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder/f'{i}.png')
    return str(folder)


@pytest.mark.slow
def test_accelerate_launches_training_and_one_process_speaks(tmp_path):
    (tmp_path/'train.py').write_text('from rssr.training import rssr_train; rssr_train()\n')
    launch = [sys.executable, '-m', 'accelerate.commands.launch', '--multi_gpu',
              '--num_processes', '2', '--num_machines', '1', '--mixed_precision', 'no',
              '--dynamo_backend', 'no', str(tmp_path/'train.py')]
    options = ['--data', photographs(tmp_path/'few', 8), '--out', str(tmp_path/'out'),
               '--epochs', '2', '--batch-size', '4']
    run = subprocess.run([*launch, *options], env=ONE_THREAD, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count('model epoch 2/2') == 1
    assert run.stdout.count('validation PSNR') == 3         # two epochs and the last line
    names = sorted(path.name for path in (tmp_path/'out').iterdir())
    assert names == ['model.json', 'model.safetensors']


OWN = '''
import sys, torch
from rssr.recipe import TrainConfig
from rssr.training import fresh_state, launched

with launched('cpu') as team:
    torch.manual_seed(team.rank)                # each process makes another network
    own = torch.nn.Conv2d(3, 3, 3, padding=1)
    state = fresh_state(TrainConfig(), sys.argv[1], own=own)
    seen = float(state.model.weight.sum())
    open(f'{sys.argv[1]}/{team.rank}.txt', 'w').write(repr(seen))
'''


@pytest.mark.slow
def test_an_own_network_begins_the_same_in_all_processes(tmp_path):
    (tmp_path/'own.py').write_text(OWN)
    launch = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2']
    subprocess.run([*launch, tmp_path/'own.py', tmp_path], env=ONE_THREAD, check=True)
    first, second = ((tmp_path/f'{rank}.txt').read_text() for rank in range(2))
    assert first == second
