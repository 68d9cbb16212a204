"Somebody's own model beside ours, named by a file and a function."
import re
from pathlib import Path

import pytest
from PIL import Image

from rssr.data import embedded_photographs
from rssr.evaluation import SIGMAS, evaluate, rssr_sigma
from rssr.models import load_model
from rssr.smoothing import Noise, Smoothed, save_smoothed
from rssr.sweep import read_results, subjects
from rssr.training import rssr_train

MINE = '''
import torch
from skimage.restoration import denoise_tv_chambolle
from rssr.models import PixelModel, on_arrays


class Espcn(torch.nn.Module):
    "From the small image to the large one, in pixels (Shi et al. 2016)."
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 5, padding=2), torch.nn.Tanh(),
            torch.nn.Conv2d(8, 12, 3, padding=1), torch.nn.PixelShuffle(2), torch.nn.Sigmoid())

    def forward(self, p):
        return self.layers(p)


def small(): return PixelModel(Espcn(), scale=2)


def by_hand(image): return denoise_tv_chambolle(image, weight=.05, channel_axis=-1)


def smooth(): return on_arrays(by_hand)


def grey(): return torch.nn.Conv2d(1, 1, 3)


class Quantised(Espcn):
    "Its gradient is zero, and its hundredths are whole."
    def forward(self, p):
        return (100*super().forward(p)).round()/100


def quantised(): return PixelModel(Quantised(), scale=2)
'''


@pytest.fixture
def mine(tmp_path) -> str:
    "The file, without a function."
    path = tmp_path/'mine.py'
    path.write_text(MINE)
    return str(path)


def test_they_stand_in_one_table(mine, tmp_path, capsys):
    "A network with gradients, a function of scikit-image without, and one of ours."
    evaluate(models=f'{mine}:small,{mine}:smooth,x2_standard', images=1, size=40, k=2,
             eps_rel='0,0.05', attack='thesis,strongest', attack_iterations=20, sigma_g='0.1',
             out=str(tmp_path/'out'))
    text = capsys.readouterr().out
    assert text.count('mine.py:smooth passes no gradient: attacked by f 1000 squares') == 1
    assert 'mine.py:small passes no gradient' not in text
    assert re.search(r'\| mine.py:small +\| 0.1 +\|', text)
    rows = read_results(tmp_path/'out')
    attacked = rows[(rows['eps_rel'] > 0) & (rows['perturb'] == 'attack')]
    how = attacked.groupby('model')['attack'].unique().to_dict()
    assert sorted(how['mine.py:smooth']) == ['f 1000 squares',       # gradient steps cut no search
                                             'f 1000 squares; g(4 fixed draws) 250 squares']
    assert all('squares' not in text for text in how['mine.py:small'])
    network = rows[(rows['model'] == 'mine.py:smooth') & (rows['sigma_g'] == 0)]
    psnr = network.groupby('eps_rel')['psnr'].mean()
    assert psnr[.05] < psnr[0.] - .02
    passes = attacked.groupby('model')['backward'].max()
    assert passes['mine.py:smooth'] == 0 < passes['mine.py:small']


def test_a_gradient_that_is_zero_is_none(mine):
    "An attack that follows it stays where it is, and would call the model robust."
    found = subjects([f'{mine}:small', f'{mine}:quantised'])[3:]
    assert [s.gradient for s in found] == [True, False]


def test_what_is_none_is_told_before_anything_is_measured(mine):
    with pytest.raises(ValueError, match='fails on normalised images .* wrap one of pixels in'):
        subjects([f'{mine}:grey'])
    with pytest.raises(ValueError, match='there is no file'):
        subjects(['nowhere.py:make'])
    with pytest.raises(ValueError, match="both called 'mine.py:small'"):
        subjects([f'{mine}:small']*2)


TRAINED = '''

def trained():
    from rssr.models import load_model
    return load_model('OUT/espcn.safetensors', model=small())


def smoothed():
    from rssr.smoothing import Noise, Smoothed
    return Smoothed(trained(), Noise(.2, k=2))
'''


@pytest.fixture
def photos(tmp_path) -> Path:
    "A folder of crops."
    folder = tmp_path/'photos'
    folder.mkdir()
    for i, image in enumerate(embedded_photographs().images[:24]):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder/f'{i}.png')
    return folder


def test_one_is_trained_and_stands_in_the_table(mine, photos, tmp_path, capsys):
    "By the command, with its noise on the card; smoothed, it is measured with and without noise."
    out = tmp_path/'runs'
    order = f'--data {photos} --out {out} --name espcn --epochs 1 --sigma-f 0.1 --ema 0.5'.split()
    for _ in range(2): rssr_train([*order, '--model', f'{mine}:small'])     # the second is done
    with pytest.raises(SystemExit): rssr_train([*order, '--model', f'{mine}:by_hand'])
    assert 'TypeError' in capsys.readouterr().err                       # it wants an image
    with pytest.raises(SystemExit): rssr_train([*order, '--model', f'{mine}:quantised'])
    assert 'with other layers or settings' in capsys.readouterr().err
    Path(mine).write_text(MINE + TRAINED.replace('OUT', str(out)))
    evaluate(models=f'{mine}:trained,{mine}:smoothed', images=2, size=40, k=2, eps_rel='0,0.05',
             attack='thesis', attack_iterations=2, out=str(tmp_path/'table'))
    rows = read_results(tmp_path/'table')
    levels = rows[rows['model'].str.contains('mine')].groupby('model')['sigma_g'].unique()
    assert sorted(levels['mine.py:trained']) == [0., .1]
    assert sorted(levels['mine.py:smoothed']) == [0., .2]
    assert (rows.loc[rows['model'] == 'mine.py:trained', 'sigma_f'] == .1).all()


HELPED = '''
import torch
from rssr.smoothing import Noise, Smoothed

FACTOR = 1.

def scaled(y): return FACTOR*y

class Net(torch.nn.Module):
    def forward(self, y): return scaled(y)

def plain(): return Net()

def smoothed(): return Smoothed(Net(), Noise(.2, k=2))
'''


def test_what_the_file_says_is_part_of_an_own_models_identity(tmp_path):
    "Also inside a smoothed one, where the hash of the file has to reach the network."
    file = tmp_path/'mine.py'
    found = []
    for factor in ('1.', '5.'):
        file.write_text(HELPED.replace('FACTOR = 1.', f'FACTOR = {factor}'))
        found.append([s.weights for s in subjects([f'{file}:plain', f'{file}:smoothed'])[3:]])
    assert len({*found[0], *found[1]}) == 2               # changed, and the same inside and alone


def test_a_saved_smoothed_one_is_measured_with_its_noise(tmp_path):
    whole = load_model('x2_smoothing_0.1')
    path = save_smoothed(Smoothed(whole, Noise(.3, k=2)), tmp_path/'mine.safetensors', whole.card)
    assert subjects([str(path)])[3].sigma_gs == (0., .3)
    median = Smoothed(whole, Noise(.3, k=2), 'median')
    path = save_smoothed(median, tmp_path/'median.safetensors', whole.card)
    with pytest.raises(ValueError, match='was saved as a median'): subjects([str(path)])
    file = tmp_path/'load.py'
    file.write_text(f'from rssr.smoothing import load_smoothed\n'
                    f'def m(): return load_smoothed({str(path)!r})\n')
    assert subjects([f'{file}:m'])[3].sigma_gs == (0.,)   # a median, and no noise on top of it


def test_a_smoothing_level_is_chosen_for_anybodys(mine, tmp_path, capsys):
    "Which has no card that it could be written on."
    quick = ['--model', f'{mine}:small', '--images', '2', '--k', '2', '--attack-iterations', '1',
             '--scale', '4', '--out', str(tmp_path/'out')]
    rssr_sigma(quick)
    said = re.search(r'small: sigma_g = ([\d.]+), chosen', capsys.readouterr().out)
    rows = read_results(tmp_path/'out')
    assert set(rows['scale']) == {4} and len(rows) == 2*len(SIGMAS)
    assert float(said[1]) == rows.groupby('sigma_g')['ssim'].mean().idxmax()
    with pytest.raises(SystemExit): rssr_sigma([*quick, '--write'])
    assert 'has no card to write on' in capsys.readouterr().err
