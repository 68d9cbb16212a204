"Whole photographs of several sizes, at once or in squares, by the command."
import re

import numpy as np
import pytest
from PIL import Image

from rssr.evaluation import evaluate
from rssr.sweep import read_results

SIDES = [(208, 176), (208, 176), (96, 130)]


@pytest.fixture
def folder(tmp_path) -> str:
    "Three photographs of two sizes, and a file that is none."
    out = tmp_path/'photos'
    out.mkdir()
    for i, (h, w) in enumerate(SIDES):
        waves = np.sin(np.arange(h)[:, None]/(5 + i)) + np.cos(np.arange(w)/(7 + i))
        picture = np.stack([waves, -waves, waves**2/2], -1)
        Image.fromarray((40*picture + 128).clip(0, 255).astype('uint8')).save(out/f'{i}.png')
    (out/'broken.png').write_bytes(b'not a picture')
    return str(out)


def figures(folder, out, **options):
    "The rows of a short run."
    evaluate(data=folder, models='x2_standard', images=4, eps_rel='0,0.02', attack_iterations=2,
             out=str(out), skip_bad=True, **options)
    return read_results(out)


def test_whole_photographs_stand_in_one_table(folder, tmp_path, capsys):
    rows = figures(folder, tmp_path/'whole', size=0)
    text = capsys.readouterr().out
    assert '3 photographs (1 of 4 skipped: ' in text and ', each as a whole' in text
    assert re.search(r'\| x2_standard +\| - +\| \d', text)
    assert rows.groupby(['model', 'eps_rel', 'perturb'])['content'].nunique().eq(3).all()
    square = figures(folder, tmp_path/'square', size=96)
    assert set(square['content']).isdisjoint(rows['content'])


def test_in_squares_it_is_the_same_within_a_tenth_of_a_decibel(folder, tmp_path):
    "Without an attack; a network in squares is another function, so its rows have another hash."
    whole = figures(folder, tmp_path/'whole', size=0)
    tiled = figures(folder, tmp_path/'tiled', size=0, tile=96)
    clean = [rows[(rows['model'] == 'x2_standard') & (rows['eps_rel'] == 0)]
             for rows in (whole, tiled)]
    at_once, in_squares = (rows.set_index('content')['psnr'] for rows in clean)
    assert (at_once - in_squares).abs().max() < .1
    assert len({*whole['weights'], *tiled['weights']}) > whole['weights'].nunique()


def test_a_network_that_is_told_works_in_squares_too(folder, tmp_path):
    evaluate(data=folder, models='x2_refined_long', images=2, size=0, tile=96, eps_rel='0.02',
             attack_iterations=1, out=str(tmp_path/'told'), skip_bad=True, k=1)
    assert 'x2_refined_long, told' in set(read_results(tmp_path/'told')['model'])


def test_a_plain_function_has_one_line_for_all_sizes(folder, tmp_path, capsys):
    "It has no hash, and each size is a run of its own."
    file = tmp_path/'mine.py'
    file.write_text('def plain(): return lambda y: .9*y')
    evaluate(data=folder, models=f'{file}:plain', images=4, size=0, eps_rel='0,0.02', skip_bad=True,
             attack_iterations=1, out=str(tmp_path/'out'))
    text = capsys.readouterr().out
    assert text.count('| mine.py:plain') == 4             # one line in each of four tables


def test_sizes_that_cannot_be_are_told(folder, tmp_path):
    with pytest.raises(ValueError, match='whole photographs .* are of files'):
        evaluate(size=0, out=str(tmp_path/'out'))
    with pytest.raises(ValueError, match='must be multiples of 16'):
        evaluate(data=folder, tile=100, out=str(tmp_path/'out'))
