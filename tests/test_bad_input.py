"""Each kind of bad input: the right exception, which names the value or the file and what to do
about it."""
import csv
import json
import math
import os
import random
import signal
import struct
import subprocess
import sys
import warnings

import pytest
import torch
from PIL import EpsImagePlugin, Image

from rssr.adaptive import strongest
from rssr.attacks import Ascent, Ball, fgsm, pgd, square
from rssr.certification import certify
from rssr.certified import rssr_certify
from rssr.core import write_file
from rssr.data import (
    BadImage,
    Crops,
    Photographs,
    batches,
    embedded_photographs,
    find_images,
    open_photographs,
    read_image,
)
from rssr.evaluation import rssr_evaluate, rssr_sigma
from rssr.linear import Interpolation, linear_worst_case
from rssr.metrics import metrics
from rssr.models import WEIGHTS, PixelModel, list_models, load_model, save_model
from rssr.operators import Downsampling, Threat, pair
from rssr.recipe import TrainConfig
from rssr.smoothing import Noise, smooth
from rssr.sweep import Subject, read_results, sweep
from rssr.training import fresh_state, load_checkpoint, rssr_train, save_checkpoint, train
from rssr.unet import UNet
from rssr.units import check_images, radius

MODEL = 'x2_standard'
CROPS = embedded_photographs()
PIXELS = CROPS.images[:1].float()
Y, X = pair(PIXELS/255, Downsampling(2))
THREAT = Threat(.1)
CARD = dict(scale=2, sigma_f=0., eps_rel=0.)


def same(y):
    "An estimator that never runs."
    return y


# ---------------------------------------------------------------- files that are made here

def png(path, i=0, size=160):
    "The crop `i` as a file, squeezed to another size."
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(CROPS.images[i].permute(1, 2, 0).numpy())
    image.resize((size, size)).save(path)
    return path


def truncated_jpeg(path):
    Image.open(png(path.with_suffix('.png'))).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    return path


def text_file(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text('no picture\n')
    return path


def damaged_exif(path, tag=0x100, kind=1):
    "A picture to be turned, and beside that note a second one, of another kind than its tag's."
    notes = sorted([(0x112, 3, 1, 6), (tag, kind, 1, 1)])
    lines = b''.join(struct.pack('<HHII', *note) for note in notes)
    exif = b'Exif\0\0II*\0' + struct.pack('<IH', 8, 2) + lines + bytes(4)
    Image.open(png(path.with_suffix('.png'))).save(path, exif=exif)
    path.with_suffix('.png').unlink()
    return path


def eps(path):
    "A PostScript program."
    path.write_text('%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 200\n%%EndComments\n%%EOF\n')
    return path


def gif(path):
    Image.new('P', (200, 200)).save(path, 'GIF')
    return path


def link_to_nothing(path):
    path.symlink_to(path.with_name('nothing.png'))
    return path


def pipe(path):
    os.mkfifo(path)
    return path


def folder(path, good=0, corrupt=0, small=0):
    "So many photographs of each kind."
    path.mkdir()
    for i in range(good): png(path/f'good {i}.png', i)
    for i in range(corrupt): text_file(path/f'corrupt {i}.png')
    for i in range(small): png(path/f'small {i}.png', i, 159)
    return path


def first_crop(path):
    return Photographs([path])[0]


def all_crops(path, **reading):
    return list(batches(open_photographs(path), **reading))


def weights(tmp, change=bytes, **card):
    "A copy of a shipped model with its weights changed by `change` and its card by `card`."
    path = tmp/'copy.safetensors'
    path.write_bytes(change((WEIGHTS/f'{MODEL}.safetensors').read_bytes()))
    shipped = json.loads((WEIGHTS/f'{MODEL}.json').read_text())
    path.with_suffix('.json').write_text(json.dumps(shipped | card))
    return path


def first_thousand(raw):
    return raw[:1000]


def one_byte_changed(raw):
    changed = bytearray(raw)
    changed[-1000] ^= 1
    return changed


def load_without_card(tmp):
    path = weights(tmp)
    path.with_suffix('.json').unlink()
    load_model(path)


def load_with_card(tmp, text):
    path = weights(tmp)
    path.with_suffix('.json').write_text(text)
    load_model(path)


def load_other_architecture(tmp):
    "The hash is of the weights: it still fits."
    shipped = json.loads((WEIGHTS/f'{MODEL}.json').read_text())['architecture']
    load_model(weights(tmp, architecture=shipped | dict(widths=[8, 16, 32, 64, 100])))


def checkpoint(tmp):
    "A run that has just begun."
    path = tmp/'run.checkpoint.safetensors'
    save_checkpoint(path, fresh_state(TrainConfig(), tmp), TrainConfig())
    return path


def load_checkpoint_for(tmp, **changes):
    "As another recipe."
    load_checkpoint(checkpoint(tmp), fresh_state(TrainConfig(), tmp), TrainConfig(**changes))


def load_cut_checkpoint(tmp):
    path = checkpoint(tmp)
    path.write_bytes(path.read_bytes()[:-1])
    load_checkpoint(path, fresh_state(TrainConfig(), tmp), TrainConfig())


def load_weights_as_checkpoint(tmp):
    load_checkpoint(weights(tmp), fresh_state(TrainConfig(), tmp), TrainConfig())


def results_of(tmp, raw):
    "A folder of results with one job, which holds `raw`."
    (tmp/'jobs').mkdir()
    (tmp/'jobs'/'a.json').write_bytes(raw)
    read_results(tmp)


class ReturnsNaN(torch.nn.Module):
    def forward(self, y):
        return y*float('nan')


def from_card(tmp, **card):
    "Load a model whose card says something else."
    load_model(weights(tmp, **card))


SHAPE = [str(tuple(Y.shape)), '(1, 3, 1, 1)', 'its own truth']
PIXEL = X[..., :1, :1]


def half_size(p):
    return p[..., ::2, ::2]


def by_numpy(y):
    "Somebody's function, which knows no gradients."
    return torch.from_numpy(y.numpy()*.9)


def detached(y):
    "The same, made to run anywhere."
    return by_numpy(y.detach())


def swept(f, folder):
    "Attacked in a sweep, on one photograph."
    one = Crops(CROPS.images[:1, :, :32, :32], ['one'])
    sweep([Subject('own', f)], one, folder, eps_rels=(.05,))


# ---------------------------------------------------------------- functions

FUNCTIONS = {  # what: how, given an empty folder; exception; words of its message
    'wrong path': (
        lambda t: find_images(t/'nowhere'),
        FileNotFoundError, ['nowhere', 'does not exist', 'give a folder']),
    'wrong file': (
        lambda t: read_image(t/'a.png'),
        FileNotFoundError, ['a.png', 'does not exist']),
    'empty folder': (
        lambda t: find_images(folder(t/'empty')),
        ValueError, ['empty', 'no image', 'looked in', '.jpg', '.webp']),
    'only a corrupt file': (
        lambda t: all_crops(folder(t/'d', corrupt=1)),
        ValueError, ['corrupt 0.png', 'replace or remove', 'skip_bad=True']),
    'only a corrupt file, skipped': (
        lambda t: all_crops(folder(t/'d', corrupt=1), skip_bad=True),
        ValueError, ['none of 1 files', 'corrupt 0.png']),
    'truncated jpeg': (
        lambda t: read_image(truncated_jpeg(t/'cut.jpg')),
        ValueError, ['cut.jpg', 'truncated', 'replace or remove']),
    'text named png': (
        lambda t: read_image(text_file(t/'text.png')),
        ValueError, ['text.png', 'cannot be read', 'replace or remove']),
    'small image': (
        lambda t: first_crop(png(t/'small.png', size=159)),
        ValueError, ['small.png', '159x159', '160x160', 'remove it', 'skip_bad=True']),
    'damaged EXIF': (
        lambda t: read_image(damaged_exif(t/'a.jpg')),
        BadImage, ['a.jpg', 'cannot be read', 'replace or remove']),
    'EXIF damaged elsewhere': (
        lambda t: read_image(damaged_exif(t/'a.jpg', 0x10e, 5)),
        BadImage, ['a.jpg', 'cannot be read', 'replace or remove']),
    'another format named jpg': (
        lambda t: read_image(gif(t/'a.jpg')),
        BadImage, ['a.jpg', 'cannot be read', 'replace or remove']),
    'link to nothing': (
        lambda t: read_image(link_to_nothing(t/'a.png')),
        BadImage, ['a.png', 'a link to no regular file', 'replace or remove']),
    'pipe in place of a folder': (
        lambda t: find_images(pipe(t/'a.png')),
        OSError, ['a.png', 'cannot be listed', 'give a folder without it']),
    'no photographs asked for': (
        lambda t: open_photographs(images=0),
        ValueError, ['images=0', 'at least 1']),
    'scale 3': (
        lambda t: pair(PIXELS/255, Downsampling(3)),
        ValueError, ['scale=3', '160x160', 'multiple']),
    '3-D input': (
        lambda t: smooth(same, Y[0], Noise(.1)),
        ValueError, ['(3, 160, 160)', '(N, 3, h, w)', 'y[None]']),
    'one channel': (
        lambda t: smooth(same, Y[:, :1], Noise(.1)),
        ValueError, ['(1, 1, 160, 160)', 'convert grey images to RGB']),
    'numpy array': (
        lambda t: smooth(same, Y.numpy(), Noise(.1)),
        TypeError, ['ndarray', 'torch tensor']),
    'uint8': (
        lambda t: smooth(same, CROPS.images[:1], Noise(.1)),
        TypeError, ['uint8', 'normalise(y.float()/255)']),
    '0..255 floats': (
        lambda t: pgd(same, PIXELS, X, THREAT),
        ValueError, ['reaches 255', 'normalise(y/255)']),
    '0..255 ground truth': (
        lambda t: pgd(same, Y, PIXELS, THREAT),
        ValueError, ['x reaches 255', 'normalise(x/255)']),
    'NaN in the input': (
        lambda t: pgd(same, Y.where(Y < Y.max(), float('nan')), X, THREAT),
        ValueError, ['y has', 'NaN']),
    'negative eps_rel': (
        lambda t: Threat(-.1),
        ValueError, ['eps_rel=-0.1', '>= 0', '0.01 to 0.2']),
    'NaN eps_rel': (
        lambda t: radius(float('nan'), (3, 8, 8)),
        ValueError, ['eps_rel=nan', 'finite', '0.01 to 0.2']),
    'unknown norm': (
        lambda t: Threat(.1, 'l1'),
        ValueError, ["'l1'", "use 'l2' or 'linf'"]),
    'unknown place': (
        lambda t: Threat(.1, where='up'),
        ValueError, ["where='up'", "('input', 'measurement')"]),
    'iterations 0': (
        lambda t: Ascent(iterations=0),
        ValueError, ['iterations=0', 'at least 1']),
    'negative sigma': (
        lambda t: Noise(-.1),
        ValueError, ['sigma=-0.1', '>= 0', '0 to 1.2']),
    'k 0': (
        lambda t: Noise(.1, 0),
        ValueError, ['k=0', 'at least 1']),
    'half a draw': (
        lambda t: Noise(.1, 2.5),
        ValueError, ['k=2.5', 'whole number']),
    'unknown model': (
        lambda t: load_model('x2_standart'),
        ValueError, ["'x2_standart' is unknown", "did you mean 'x2_standard'?", '.safetensors']),
    'truncated weights': (
        lambda t: load_model(weights(t, first_thousand)),
        ValueError, ['copy.safetensors', '1000 bytes', 'copy both again']),
    'one byte of the weights changed': (
        lambda t: load_model(weights(t, one_byte_changed)),
        ValueError, ['copy.safetensors', 'sha256', 'copy both again']),
    'no card': (
        load_without_card,
        FileNotFoundError, ['copy.json is missing', 'card beside them']),
    'card is not JSON': (
        lambda t: load_with_card(t, 'scale: 2'),
        ValueError, ['copy.json', 'no valid card', 'copy weights and card again']),
    'card is a JSON list': (
        lambda t: load_with_card(t, '[2]'),
        ValueError, ['copy.json', 'no valid card', 'copy weights and card again']),
    'card of another architecture': (
        load_other_architecture,
        ValueError, ['copy.safetensors', 'does not fit the architecture']),
    'checkpoint of another recipe': (
        lambda t: load_checkpoint_for(t, lr=.5),
        ValueError, ['run.checkpoint', 'lr: 0.002 there, 0.5 now', 'delete it']),
    'damaged checkpoint': (
        load_cut_checkpoint,
        ValueError, ['run.checkpoint', 'no readable checkpoint', 'delete it']),
    'weights in place of a checkpoint': (
        load_weights_as_checkpoint,
        ValueError, ['copy.safetensors', 'no readable checkpoint', 'delete it']),
    'another JSON file': (
        lambda t: results_of(t, b'{"name": "Eve", "rows": [{"age": 30}]}'),
        ValueError, ['a.json', 'not a finished job', 'delete it']),
    'no JSON at all': (
        lambda t: results_of(t, b'\x89PNG\r\n'),
        ValueError, ['a.json', 'not a finished job', 'delete it']),
    'no results': (
        lambda t: read_results(t/'none'),
        FileNotFoundError, ['none holds no results', 'rssr_evaluate']),
    'card without scale': (
        lambda t: from_card(t, scale=None),
        ValueError, ['copy.json', 'scale=None is no number', 'copy weights and card again']),
    'card whose name is two lines': (
        lambda t: from_card(t, name='x\n| y |'),
        ValueError, ['copy.json', r"'x\n| y |'", 'on one line']),
    'uint8 photographs': (
        lambda t: pair(CROPS.images[:1], Downsampling(2)),
        TypeError, ['uint8', 'p.float()/255']),
    '0..255 photographs': (
        lambda t: pair(PIXELS, Downsampling(2)),
        ValueError, ['255', 'pixels in [0,1]']),
    'one pixel as truth: pgd': (
        lambda t: pgd(same, Y, PIXEL, THREAT),
        ValueError, SHAPE),
    'one pixel as truth: fgsm': (
        lambda t: fgsm(same, Y, PIXEL, THREAT),
        ValueError, SHAPE),
    'one pixel as truth: square': (
        lambda t: square(same, Y, PIXEL, THREAT),
        ValueError, SHAPE),
    'one pixel as truth: worst case': (
        lambda t: linear_worst_case(Interpolation(2), Y, PIXEL, THREAT),
        ValueError, SHAPE),
    'one pixel as truth: certificate': (
        lambda t: certify(Interpolation(2), Y, Noise(.1), .1, PIXEL),
        ValueError, SHAPE),
    'NaN in the truth of a certificate': (
        lambda t: certify(Interpolation(2), Y, Noise(.1), .1, X*math.nan),
        ValueError, ['x has', 'NaN']),
    'NaN as a radius': (
        lambda t: Ball(math.nan),
        ValueError, ['eps=nan', 'finite']),
    'radius in grey levels': (
        lambda t: Threat(200.),
        ValueError, ['eps_rel=200', 'normalised units', '0.01 to 0.2']),
    'model that returns NaN': (
        lambda t: metrics(ReturnsNaN()(Y), X),
        ValueError, ['1 of 1 reconstructions', 'NaN']),
    'model of another size': (
        lambda t: PixelModel(half_size)(Y),
        ValueError, ['(1, 3, 80, 80)', '(1, 3, 160, 160)', 'set scale']),
    'a network that load_model cannot build': (
        lambda t: load_model(save_model(torch.nn.Conv2d(3, 3, 1), t/'own.safetensors', CARD)),
        ValueError, ['own.safetensors', 'weights of a Conv2d', 'model=Conv2d(...)']),
    'own network that changes the size': (
        lambda t: train(TrainConfig(), CROPS, CROPS, t, model=torch.nn.Conv2d(3, 3, 3)),
        ValueError, ['Conv2d', '(1, 3, 64, 64)', 'not']),
    'option that train has not': (
        lambda t: train(TrainConfig(), CROPS, CROPS, t, network=UNet()),
        TypeError, ["'network'", "'workers' and 'skip_bad'"]),
    'weights of another kind': (
        lambda t: load_model('esp.pt'),
        ValueError, ["'esp.pt' is no .safetensors file", 'save_model', 'card (.json) beside it']),
    'attack without gradients': (
        lambda t: pgd(by_numpy, Y, X, THREAT),
        ValueError, ['no gradient', 'square']),
    'detached attack without gradients': (
        lambda t: pgd(detached, Y, X, THREAT),
        ValueError, ['no gradient', 'square']),
    'strongest attack without gradients': (
        lambda t: strongest(by_numpy, Y, X, THREAT),
        ValueError, ['no gradient', 'square']),
    'sweep without gradients': (
        lambda t: swept(by_numpy, t),
        ValueError, ['no gradient', 'square']),
    'detached sweep without gradients': (
        lambda t: swept(detached, t),
        ValueError, ['no gradient', 'square']),
    'folder that cannot be': (
        lambda t: write_file(text_file(t/'file')/'out'/'a', b''),
        OSError, ['file/out/a', 'another output folder']),
    'weights under /proc': (
        lambda t: save_model(UNet(), '/proc/rssr/a.safetensors', CARD),
        OSError, ['/proc/rssr/a.safetensors', 'another output folder']),
}


@pytest.mark.parametrize('how, exception, words', FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions(tmp_path, how, exception, words):
    with pytest.raises(exception) as error:
        how(tmp_path)
    assert not [word for word in words if word not in str(error.value)], str(error.value)


# ---------------------------------------------------------------- commands

SMALL = ['--images', 1, '--n', 64, '--method', 'B7', '--model', 'x4_smoothed_0.005']

COMMANDS = {  # what: command; its arguments, given an empty folder; what it says, how that ends
    'wrong path': (
        rssr_evaluate, lambda t: ['--data', t/'nowhere'],
        'nowhere does not exist', 'give a folder of photographs'),
    'empty folder': (
        rssr_evaluate, lambda t: ['--data', folder(t/'d')],
        'd holds no image', '.webp, .bmp'),
    'corrupt file': (
        rssr_evaluate, lambda t: ['--data', folder(t/'d', corrupt=1)],
        'corrupt 0.png cannot be read', '(--skip-bad)'),
    'no list of radii': (
        rssr_evaluate, lambda t: ['--eps-rel', 'a,b'],
        "'a,b' is not a list", "such as 0,0.01,0.02 (could not convert string to float: 'a')"),
    'negative radius': (
        rssr_evaluate, lambda t: ['--eps-rel=-0.1'],
        'eps_rel=-0.1', '(the thesis uses 0.01 to 0.2)'),
    'radius in grey levels': (
        rssr_evaluate, lambda t: ['--eps-rel', '0.05,200'],
        'eps_rel=200.0 is above 10', '(the thesis uses 0.01 to 0.2)'),
    'negative seed': (
        rssr_evaluate, lambda t: ['--seed', -1],
        'seed=-1', 'at least 0'),
    'scale 3': (
        rssr_evaluate, lambda t: ['--scale', 3, '--models', ''],
        'scale=3', 'multiple of it'),
    'scale -2': (
        rssr_evaluate, lambda t: ['--scale=-2'],
        'scale=-2', 'at least 1'),
    'scale 0 in training': (
        rssr_train, lambda t: ['--data', t, '--scale', 0],
        'scale=0', 'must be positive'),
    'size 8': (
        rssr_evaluate, lambda t: ['--size', 8],
        'size=8 is too small', 'at least 16'),
    'size 15 of files': (
        rssr_evaluate, lambda t: ['--size', 15, '--data', folder(t/'d', good=1)],
        'size=15 is too small', 'at least 16'),
    'size beyond the photographs': (
        rssr_evaluate, lambda t: ['--size', 5000],
        'no embedded photograph is 5000 pixels wide', 'photographs of your own'),
    'size that the scale does not divide': (
        rssr_certify, lambda t: ['--size', 37],
        'scale=2 does not divide 37x37', 'crop to a multiple of it'),
    'weights of another kind': (
        rssr_evaluate, lambda t: ['--models', 'esp.pt'],
        "model 'esp.pt' is no .safetensors file", 'by load_spandrel in such a function'),
    'unknown norm': (
        rssr_evaluate, lambda t: ['--norm', 'l1'],
        "norm='l1'", "use 'l2' or 'linf'"),
    'k 0': (
        rssr_evaluate, lambda t: ['--k', 0],
        'k=0', 'at least 1'),
    'iterations -1': (
        rssr_evaluate, lambda t: ['--attack-iterations', -1],
        'iterations=-1', 'at least 1'),
    'attack': (
        rssr_evaluate, lambda t: ['--attack', 'best'],
        'best', 'strongest'),
    'threat': (
        rssr_evaluate, lambda t: ['--threat', 'up'],
        "threat='up'", "use one of ('input', 'measurement')"),
    'unknown device': (
        rssr_evaluate, lambda t: ['--device', 'gpu'],
        'gpu', ''),                                       # any remedy will do
    'out under a file': (
        rssr_evaluate, lambda t: ['--out', text_file(t/'file')/'out'],
        'cannot write', 'choose another output folder'),
    'sigma of an unknown model': (
        rssr_sigma, lambda t: ['--model', 'x2_standart'],
        "did you mean 'x2_standard'?", list_models()[-1]),
    'training without data': (
        rssr_train, lambda t: [],
        'no photographs', 'for example imagenet-mini'),
    'training on too few': (
        rssr_train, lambda t: ['--data', folder(t/'d', good=1)],
        '1 files are too few', 'give more photographs'),
    'learning rate 0': (
        rssr_train, lambda t: ['--data', t, '--lr', 0],
        'lr=0.0', 'must be positive'),
    'training without a name': (
        rssr_train, lambda t: ['--data', t, '--name', ''],
        "name='' must be the name of a file", 'given by out (--out)'),
    'training into another folder': (
        rssr_train, lambda t: ['--data', t, '--name', '../x'],
        "name='../x' must be the name of a file", 'given by out (--out)'),
    'training with a negative seed': (
        rssr_train, lambda t: ['--data', t, '--seed', -1],
        'seed=-1', 'at least 0'),
    'training against grey levels': (
        rssr_train, lambda t: ['--data', t, '--eps-rel', 200],
        'eps_rel=200.0 is above 10', '(the thesis uses 0.01 to 0.2)'),
    'the loss of the mean without noise': (
        rssr_train, lambda t: ['--data', t, '--bound', .05, '--loss', 'mean'],
        "loss='mean' needs bound and sigma_f above 0 (they are 0.05 and 0.0)", 'no adversary'),
    'certify a corrupt file': (
        rssr_certify, lambda t: ['--data', folder(t/'d', corrupt=1)],
        'corrupt 0.png cannot be read', '(--skip-bad)'),
    'certify by an unknown method': (
        rssr_certify, lambda t: ['--method', 'B7,B9'],
        "method='B9'", 'B6, B7'),
    'certify without noise': (
        rssr_certify, lambda t: ['--model', MODEL],
        'x2_standard was trained without noise', 'give a model trained for smoothing'),
    'certify by one draw': (
        rssr_certify, lambda t: ['--n', 1],
        'n=1 must be at least 2', 'lie in (0, 1)'),
    'certainty': (
        rssr_certify, lambda t: ['--alpha', 0],
        'alpha=0.0', 'lie in (0, 1)'),
    'certify at a radius in grey levels': (
        rssr_certify, lambda t: ['--eps-rel', 200],
        'eps_rel=200.0 is above 10', '(the thesis uses 0.01 to 0.2)'),
    'certify with a negative seed': (
        rssr_certify, lambda t: [*SMALL, '--seed', -1],
        'seed=-1', 'one whole number >= 0'),
    'certify into a file': (
        rssr_certify, lambda t: [*SMALL, '--out', text_file(t/'file')/'out'],
        'cannot write', 'choose another output folder'),
}


@pytest.mark.parametrize('command, arguments, says, ends', COMMANDS.values(), ids=COMMANDS)
def test_commands(tmp_path, capsys, command, arguments, says, ends):
    quick = ['--images', '1', '--models', MODEL] if command is rssr_evaluate else []
    argv = [*quick, '--out', tmp_path/'out', *arguments(tmp_path)]
    with pytest.raises(SystemExit) as stop:
        command([str(word) for word in argv])
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert err.startswith(f'{command.__name__}: ')
    assert says in err
    assert err.endswith(ends + '\n')
    assert err.count('\n') == 1
    assert 'Traceback' not in err


def test_training_refuses_a_checkpoint_of_another_recipe(tmp_path, capsys):
    data = folder(tmp_path/'d', good=20)                  # of 20 names, some are held out
    point = tmp_path/'model.checkpoint.safetensors'
    save_checkpoint(point, fresh_state(TrainConfig(), tmp_path), TrainConfig())
    with pytest.raises(SystemExit) as stop:
        rssr_train(['--data', str(data), '--out', str(tmp_path), '--lr', '0.5'])
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert 'lr: 0.002 there, 0.5 now' in err
    assert err.endswith('or delete it\n')
    assert err.count('\n') == 1


def test_weights_of_another_kind_make_nobody_guess():
    with pytest.raises(ValueError) as error: load_model('esp.pt')
    assert 'did you mean' not in str(error.value)
    with pytest.raises(ValueError, match="did you mean 'x2_smoothing_0.1'"):
        load_model('x2_smoothing_0.15')                   # the end of a name is no kind of file


def test_square_needs_no_gradient():
    attacked = square(by_numpy, Y, X, THREAT, queries=3)
    assert not torch.equal(attacked, Y)


def test_pixels_in_place_of_normalised_images_are_warned_of():
    with pytest.warns(UserWarning, match=r'y lies in \[0, 1\]: if these are pixels, give'):
        smooth(same, PIXELS/255, Noise(.1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for legal in (Y, X, 0*Y, Y[..., :1, :1], (Y*2).requires_grad_()):
            assert check_images(legal) is legal


def test_a_part_of_each_photograph_is_measured_and_the_tables_say_which(tmp_path, capsys):
    quick = ['--models', MODEL, '--eps-rel', '0', '--data', str(folder(tmp_path/'d', good=1))]
    for size in (160, 64):
        rssr_evaluate([*quick, '--size', str(size), '--out', str(tmp_path/'out')])
        said = f'1 photographs, of each the centre {size}x{size} pixels; threat'
        assert said in capsys.readouterr().out
        assert said in (tmp_path/'out'/'table.md').read_text()
    assert read_results(tmp_path/'out').groupby('content')['model'].count().tolist() == [5, 5]
    rssr_certify([*map(str, SMALL), '--size', '64', '--out', str(tmp_path/'certificates')])
    said = '1 photographs (embedded), of each the centre 64x64 pixels; n = 64'
    assert said in (tmp_path/'certificates'/'table.md').read_text()


def test_interpolation_alone_is_said(tmp_path, capsys):
    rssr_evaluate(['--scale', '3', '--size', '48', '--images', '1', '--eps-rel', '0',
                   '--out', str(tmp_path)])
    said = 'no model ships for this scale, so this is interpolation alone'
    assert said in capsys.readouterr().out


def test_skipped_photographs_are_counted(tmp_path, capsys):
    data = folder(tmp_path/'d', good=2, corrupt=1, small=1)
    photos = open_photographs(data)
    assert sum(len(x) for _, x in batches(photos, skip_bad=True)) == 2
    assert sorted(photos.skipped) == ['d/corrupt 0.png', 'd/small 0.png']
    assert '159x159' in photos.skipped['d/small 0.png']

    quick = ['--models', MODEL, '--eps-rel', '0', '--out', str(tmp_path/'out'), '--skip-bad']
    for _ in range(2):                                    # the second takes its rows from the jobs
        rssr_evaluate(['--data', str(data), *quick])
        said = capsys.readouterr().out
        assert '2 photographs (2 of 4 skipped: d/corrupt 0.png, d/small 0.png)' in said
    assert '2 of 4 skipped' in (tmp_path/'out'/'table.md').read_text()


# ---------------------------------------------------------------- what is no photograph

@pytest.fixture
def in_time():
    "What waits for somebody to write into a pipe is interrupted."
    def interrupt(*_): raise AssertionError('it waits')
    signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(10)
    yield
    signal.alarm(0)


@pytest.mark.parametrize('cached', [False, True])
def test_what_is_no_photograph_is_skipped(tmp_path, in_time, cached):
    data = folder(tmp_path/'d', good=2)
    makers = dict(eps=eps, exif=damaged_exif, link=link_to_nothing, pipe=pipe)
    for name, make in makers.items(): make(data/f'{name}.jpg')
    photos = open_photographs(data, cache=tmp_path/'cache' if cached else None)
    assert photos.fingerprint() == photos.fingerprint()
    assert sum(len(x) for _, x in batches(photos, skip_bad=True)) == 2
    assert sorted(photos.skipped) == [f'd/{name}.jpg' for name in makers]
    with pytest.raises(BadImage):
        list(batches(photos))


def test_names_that_are_no_text_can_be_trained_on(tmp_path, capsysbinary):
    data = folder(tmp_path/'d', good=20)
    for i, path in enumerate([*data.iterdir()]):
        path.rename(data/os.fsdecode(b'\xff%d.png' % i))
    text_file(data/os.fsdecode(b'\xfe.png'))
    recipe = ['--epochs', '1', '--batch-size', '8', '--skip-bad']
    rssr_train(['--data', str(data), '--out', str(tmp_path), *recipe])
    assert rb'd/\xfe.png cannot be read' in capsysbinary.readouterr().out


def test_the_name_on_a_card_is_harmless(tmp_path):
    name = '=HYPERLINK("http://x")|y'
    model = str(weights(tmp_path, name=name))
    out = tmp_path/'out'
    rssr_evaluate(['--models', model, '--images', '1', '--eps-rel', '0', '--out', str(out)])
    lines = (out/'table.md').read_text().splitlines()
    columns = {line.replace('\\|', '').count('|') for line in lines if line.startswith('|')}
    assert columns == {4}
    with open(out/'results.csv', newline='') as file:
        found = {row['model'] for row in csv.DictReader(file)}
    assert {"'" + name, f"'{name}, noise"} <= found


def test_ghostscript_is_never_started(tmp_path, monkeypatch):
    gs = tmp_path/'gs'
    gs.write_text(f'#!/bin/sh\ntouch {tmp_path}/started\n')
    gs.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, 'gs_binary', None)
    with pytest.raises(BadImage):
        read_image(eps(tmp_path/'a.jpg'))
    assert not (tmp_path/'started').exists()


def test_a_closed_folder_is_named(tmp_path, monkeypatch):
    "Permissions do not bind the superuser, so the refusal is made here."
    data = folder(tmp_path/'d', good=1)
    closed = folder(data/'closed', good=1)
    scandir = os.scandir

    def refusing(path):
        if str(path) == str(closed): raise PermissionError(13, 'Permission denied', str(path))
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', refusing)
    with pytest.raises(PermissionError, match='d/closed cannot be listed .Permission denied.'):
        find_images(data)


def pictures(folder):
    "A small one in each of six formats, four of them with EXIF notes."
    colour = Image.fromarray(CROPS.images[0].permute(1, 2, 0).numpy()).resize((32, 24))
    exif = Image.Exif()
    exif.update({0x112: 6, 0x10e: 'a cat', 0x11a: 72., 0x132: '2020:01:01 00:00:00'})
    for kind in ('jpeg', 'png', 'webp', 'tiff', 'bmp', 'gif'):
        path = folder/f'a.{kind}'
        colour.save(path, **({} if kind in ('bmp', 'gif') else dict(exif=exif)))
        yield path


def mutated(raw, rng):
    "A few bytes changed, most of the time where EXIF notes are; or the tail is lost."
    if rng.random() < .2: return raw[:rng.randrange(len(raw))]
    changed = bytearray(raw)
    notes = max(raw.find(b'II*\0'), raw.find(b'MM\0*'), 0)
    start = rng.choice([0, notes, notes])
    for _ in range(rng.choice([1, 2, 8])):
        place = min(len(raw) - 1, start + rng.randrange(120))
        changed[place] = rng.choice([0, 1, 2, 5, 10, 12, 255, rng.randrange(256)])
    return bytes(changed)


@pytest.mark.filterwarnings('ignore')
def test_damage_is_a_bad_image(tmp_path):
    rng = random.Random(0)
    for path in pictures(tmp_path):
        raw = path.read_bytes()
        for _ in range(200):
            path.write_bytes(mutated(raw, rng))
            try:
                read_image(path)
            except BadImage as error:
                assert str(path) in str(error)


BOMB = '''
import resource
import sys
from pathlib import Path
from rssr.models import load_model

used = int(Path('/proc/self/statm').read_text().split()[0])*resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
try:
    load_model(sys.argv[1])
except ValueError as e:
    print(e)
'''


def test_a_card_allocates_nothing(tmp_path):
    path = save_model(UNet(widths=(8, 16)), tmp_path/'a.safetensors',
                      dict(scale=2, sigma_f=0., eps_rel=0.))
    card = json.loads(path.with_suffix('.json').read_text())
    card['architecture']['widths'] = [12000, 12000]
    path.with_suffix('.json').write_text(json.dumps(card))
    run = subprocess.run([sys.executable, '-c', BOMB, path], capture_output=True, text=True)
    assert 'does not fit the architecture on its card' in run.stdout, run.stderr
    assert 'size mismatch' in run.stdout                  # and not: out of memory


# ---------------------------------------------------------------- a full disk

FULL = '''
import resource
import signal
import sys
from rssr.data import Photographs
from rssr.evaluation import rssr_evaluate
from rssr.models import save_model
from rssr.unet import UNet

out, photograph, model = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)             # then a write beyond the limit
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))     # is an OSError, as on a full disk
try:
    save_model(UNet(), f'{out}/m.safetensors', dict(scale=2, sigma_f=0., eps_rel=0.))
except OSError as e:
    print(e)
print(Photographs([photograph], cache=f'{out}/cache')[0].shape)
rssr_evaluate(['--out', out, '--images', '1', '--models', model])
'''


@pytest.fixture(scope='module')
def full_disk(tmp_path_factory):
    "The end of a process whose disk is full, the folder it wrote to, and what had been there."
    out = tmp_path_factory.mktemp('full')
    photograph = png(tmp_path_factory.mktemp('elsewhere')/'a.png')
    for name in ('m.safetensors', 'm.json', 'results.csv'):
        (out/name).write_text('older')
    older = {path: path.read_bytes() for path in out.iterdir()}
    run = subprocess.run(
        [sys.executable, '-c', FULL, out, photograph, MODEL], capture_output=True, text=True
    )
    return run, out, older


def test_full_disk_is_one_line(full_disk):
    run, out, _ = full_disk
    assert run.returncode == 2
    assert run.stderr.count('\n') == 1
    assert f'cannot write {out}/' in run.stderr
    assert run.stderr.endswith('choose another output folder\n')
    assert f'cannot write {out}/m.safetensors' in run.stdout


def test_full_disk_spares_older_files(full_disk):
    _, out, older = full_disk
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == older
    assert not list((out/'jobs').iterdir())               # nothing half written


def test_full_disk_costs_the_cache_but_not_the_picture(full_disk):
    run, out, _ = full_disk
    assert run.stdout.splitlines()[-1] == 'torch.Size([3, 160, 160])'
    assert not list((out/'cache').iterdir())
