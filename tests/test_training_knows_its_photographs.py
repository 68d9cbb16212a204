"A training ends on the photographs on which it began: killed, finished, or with files that change."
import shutil

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

import rssr.training
from rssr.data import Crops, embedded_photographs, find_images, holdout
from rssr.models import WEIGHTS, list_models, load_card, load_model
from rssr.recipe import TOLD_RADII, TrainConfig
from rssr.training import fresh_state, rssr_train, train

CROPS = embedded_photographs()


def photographs(folder, first):
    "Eight files; the folder's name decides, too, what is held out."
    folder.mkdir(parents=True)
    for i in range(8):
        image = CROPS.images[first + i].permute(1, 2, 0).numpy()
        Image.fromarray(image).save(folder/f'{i}.png')
    return folder


def command(data, out):
    "The options of a short training."
    argv = ['--data', data, '--out', out, '--epochs', 2, '--batch-size', 4]
    return [str(a) for a in argv]


def interrupt(argv):
    "Run the command until its first epoch is kept."
    keep = rssr.training.save_checkpoint

    def keep_and_stop(*args, **kw):
        keep(*args, **kw)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rssr.training, 'save_checkpoint', keep_and_stop)
        with pytest.raises(SystemExit) as ended: rssr_train(argv)
    assert ended.value.code == 130


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    "A whole run and a killed one on the same photographs; to be copied, and not changed."
    folder = tmp_path_factory.mktemp('trained')
    data = photographs(folder/'A'/'photographs', 0)
    rssr_train(command(data, folder/'whole'))
    interrupt(command(data, folder/'killed'))
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    "A copy of both runs and of their photographs A, beside other photographs B."
    folder = tmp_path/'copy'
    shutil.copytree(trained, folder)
    photographs(folder/'B'/'photographs', 18)  # the same names as in A
    return folder


def refused(argv, capsys):
    "What the command says when it refuses, which is one line and nothing else."
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended: rssr_train(argv)
    out, err = capsys.readouterr()
    assert ended.value.code == 2 and out == ''
    assert err.startswith('rssr_train: ') and err.count('\n') == 1
    return err


def test_a_killed_run_goes_on_with_its_own_photographs_only(copy, capsys):
    point = copy/'killed'/'model.checkpoint.safetensors'
    before = point.read_bytes()
    err = refused(command(copy/'B'/'photographs', copy/'killed'), capsys)
    assert f'{point} was trained on other photographs' in err
    assert err.endswith('give those, choose another name, or delete it\n')
    assert point.read_bytes() == before  # nothing is lost

    rssr_train(command(copy/'A'/'photographs', copy/'killed'))
    said = capsys.readouterr().out
    assert 'epoch 1/2' not in said and 'epoch 2/2' in said
    runs = [copy/name/'model.safetensors' for name in ('whole', 'killed')]
    assert runs[0].read_bytes() == runs[1].read_bytes()


def test_both_sets_are_named(copy, capsys):
    other = copy/'B'/'photographs 2'
    photographs(other, 10)
    err = refused(command(other, copy/'killed'), capsys)
    assert '(photographs (7 for training, 1 held out)' in err
    assert ' there, photographs 2 (' in err


def test_a_finished_model_is_not_another_folders(copy, capsys):
    err = refused(command(copy/'B'/'photographs', copy/'whole'), capsys)
    assert 'model.safetensors was trained on other photographs' in err
    assert 'choose another name' in err

    (copy/'A').rename(copy/'C')  # the same photographs elsewhere
    rssr_train(command(copy/'C'/'photographs', copy/'whole'))
    assert 'validation PSNR' in capsys.readouterr().out


@pytest.mark.parametrize('which', ['photographs', 'photographs_held_out'])
def test_one_changed_file_is_enough(copy, capsys, which):
    data, out = copy/'A'/'photographs', copy/'whole'
    files, held_out = holdout(find_images(data))
    changed = files[0] if which == 'photographs' else held_out[0]
    Image.open(changed).rotate(180).save(changed)

    err = refused(command(data, out), capsys)
    there, now = err.split(' there, ')
    card = load_card(out/'model.safetensors')
    for key in ('photographs', 'photographs_held_out'):
        assert card[key] in there
        assert (card[key] in now) == (key != which)


def test_a_checkpoint_from_before_fingerprints_goes_on(copy, capsys):
    point = copy/'killed'/'model.checkpoint.safetensors'
    with safe_open(point, 'pt') as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}
        metadata = file.metadata()
    metadata.pop('photographs')
    save_file(tensors, point, metadata)
    rssr_train(command(copy/'B'/'photographs', copy/'killed'))  # nothing can be compared
    assert 'epoch 2/2' in capsys.readouterr().out


@pytest.mark.parametrize('name', list_models()[:2])
def test_a_shipped_model_is_not_refused(tmp_path, name):
    for end in ('json', 'safetensors'): shutil.copy(WEIGHTS/f'{name}.{end}', tmp_path)
    card = load_card(name)
    if 'photographs' in card: pytest.skip('trained since fingerprints are kept')
    crops = Crops(CROPS.images[:2], CROPS.names[:2])
    assert train(TrainConfig(**card['config']), crops, crops, tmp_path).card == card


def test_a_run_knows_the_weights_that_it_started_from(trained, tmp_path, capsys):
    """`--init model` where another model has got that name since: not the old result."""
    data = trained/'A'/'photographs'
    out = tmp_path/'out'
    shutil.copytree(trained/'whole', out)
    more = [*command(data, out), '--name', 'more', '--init', 'model', '--epochs', '1']
    rssr_train(more)
    capsys.readouterr()
    rssr_train(more)                                      # the same start: the same result
    assert 'validation PSNR' in capsys.readouterr().out
    for suffix in ('.safetensors', '.json'):
        (out/f'model{suffix}').unlink()
    rssr_train([*command(data, out), '--seed', '1', '--epochs', '1'])
    err = refused(more, capsys)
    assert 'more.safetensors was started from other weights' in err
    assert err.endswith('a function as model is called with the seed set\n')


def with_own_maps(out):
    "Copies of the shipped maps in the folder of a run, where they are looked for first."
    out.mkdir()
    for eps_rel in TOLD_RADII:
        for end in ('json', 'safetensors'): shutil.copy(WEIGHTS/f'x2_linear_{eps_rel:g}.{end}', out)


def exchange_a_map(out):
    "The map of one radius takes the place of another's."
    for end in ('json', 'safetensors'):
        shutil.copy(out/f'x2_linear_0.05.{end}', out/f'x2_linear_0.1.{end}')


@pytest.mark.parametrize('state', ['killed', 'whole'])
def test_a_network_on_other_maps_is_refused(tmp_path, capsys, state):
    out = tmp_path/'out'
    with_own_maps(out)
    argv = [*command(photographs(tmp_path/'photographs', 0), out), '--maps', 'x2_linear',
            '--loss', 'log']
    if state == 'killed': interrupt(argv)
    else: rssr_train(argv)
    kept = {path.name: path.read_bytes() for path in out.glob('model.*')}
    exchange_a_map(out)
    assert 'was trained on other linear maps than x2_linear_* now' in refused(argv, capsys)
    assert kept == {path.name: path.read_bytes() for path in out.glob('model.*')}


def test_the_maps_of_the_recipe_come_before_those_of_the_start(tmp_path):
    out = tmp_path/'out'
    with_own_maps(out)
    exchange_a_map(out)
    cfg = TrainConfig(maps='x2_linear', loss='log', init='x2_refined')
    f = fresh_state(cfg, out).model
    start = load_model('x2_refined')
    assert torch.equal(f.maps.one(4).filters, load_model('x2_linear_0.05').filters)
    for ours, theirs in zip(f.decision.parameters(), start.decision.parameters()):
        assert torch.equal(ours, theirs)
