"""A folder of the layout of imagenet-mini, which cannot be had here: a thousand classes, train and
val, and among the photographs what the real one has too."""
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rssr.data import Photographs, batches, embedded_photographs, find_images, holdout
from rssr.evaluation import rssr_evaluate
from rssr.sweep import read_results

CLASSES = 1000
IMAGES = 100                            # of val that are evaluated, every tenth
TRAIN = 60                              # classes that have two in train; the others have one
PICTURES = embedded_photographs().images.permute(0, 2, 3, 1).numpy()


def wnid(number: int) -> str:
    """Name of a class folder."""
    return f'n{1440764 + number:08d}'


def picture(number: int, size: tuple[int, int] = (171, 165)) -> Image.Image:
    """A photograph that no other is equal to."""
    pixels = np.roll(PICTURES[number%len(PICTURES)], (7*number, 3*number), (0, 1))
    return Image.fromarray(pixels).resize(size)


def rotated(path: Path) -> None:
    """Whose upright position is in its EXIF notes alone."""
    notes = Image.Exif()
    notes[0x112] = 6
    picture(3).save(path, 'jpeg', exif=notes)


ODD: dict[str, Callable[[Path], None]] = {
    'four colours, for print': lambda path: picture(0).convert('CMYK').save(path, 'jpeg'),
    'grey': lambda path: picture(1).convert('L').save(path, 'jpeg'),
    'rotated': rotated,
    'a PNG by another name': lambda path: picture(4).save(path, 'png'),
}
BAD: dict[str, Callable[[Path], None]] = {
    'tiny': lambda path: picture(5, (90, 120)).save(path, 'jpeg'),
    'half a file': lambda path: path.write_bytes(bytes(500)),
}


def write(path: Path, number: int) -> None:
    """A plain photograph, or an odd one."""
    path.parent.mkdir(parents=True)
    makers = [*ODD.values(), *BAD.values()]
    which, plain = divmod(number, CLASSES//IMAGES)
    if not plain and which < len(makers): makers[which](path)
    else: picture(number).save(path, 'jpeg', quality=80)


@pytest.fixture(scope='module')
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder."""
    folder = tmp_path_factory.mktemp('imagenet-mini')
    for number in range(CLASSES):
        name = wnid(number)
        write(folder/'val'/name/f'ILSVRC2012_val_{number:08d}.JPEG', number)
        write(folder/'train'/name/f'{name}_{number}.JPEG', number)
        if number >= CLASSES - TRAIN:
            picture(number + CLASSES).save(folder/'train'/name/f'{name}_9.JPEG', 'jpeg')
    return folder


def test_each_file_is_found_and_set_aside_once(mini: Path) -> None:
    """Those for training and those held out share none, whatever their number."""
    files = find_images(mini, 'train')
    rest, held = holdout(files)
    assert len(files) == CLASSES + TRAIN
    assert sorted([*rest, *held]) == sorted(files) and .05 < len(held)/len(files) < .15
    assert len(find_images(mini, 'val')) == CLASSES


def test_odd_files_are_read_and_bad_ones_named(mini: Path) -> None:
    """Three channels of the right size from whatever is a photograph."""
    photos = Photographs(find_images(mini, 'val'))
    read = [p for _, p in batches(photos, 16, skip_bad=True)]
    assert sum(map(len, read)) == CLASSES - len(BAD)
    assert {tuple(p.shape[1:]) for p in read} == {(3, 160, 160)}
    assert len(photos.skipped) == len(BAD)
    assert any('90' in fault for fault in photos.skipped.values())


def test_a_bad_file_ends_the_main_job_unless_it_may_be_skipped(
    mini: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All but the bad ones are in every table."""
    asked = ['--data', str(mini/'val'), '--models', 'x2_curved_0.01', '--eps-rel', '0', '--k', '1',
             '--images', str(IMAGES), '--out', str(tmp_path)]
    with pytest.raises(SystemExit): rssr_evaluate(asked)
    assert '--skip-bad' in capsys.readouterr().err
    rssr_evaluate([*asked, '--skip-bad'])
    rows = read_results(tmp_path)
    assert set(rows.groupby('model').size()) == {IMAGES - len(BAD)}
    assert f'{len(BAD)} of {IMAGES} skipped' in (tmp_path/'table.md').read_text()
