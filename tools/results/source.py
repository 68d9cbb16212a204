"Where the photographs are, and where the results go."
from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from rssr.data import Crops, Photographs, distinct, find_images, holdout, open_photographs

RESULTS = Path(__file__).resolve().parents[2]/'nbs'/'results'
RADII = (0., .01, .02, .05, .1, .2)
HELD_OUT = 'imagenet-sample, held out'
VAL = 120                        # all photographs of val
SIXTY = 60                       # of them that no choice and no trial has seen
FORTY = 40                       # of the sixty


@dataclass(frozen=True)
class Source:
    "Where the photographs are, and where to compute."
    data: Path    # ImageNet-sample, with train and val
    device: str   # cpu, cuda, ...
    label: str = 'imagenet-sample/val'    # what its photographs for validation are called
    results: Path = RESULTS               # folder of all results

    def packed(self, name: str) -> Path:
        "The archive of what was set aside of a folder."
        return self.results/'begun'/f'{name}.tar.xz'

    def begun(self, name: str) -> Path:
        "Where a folder is made, on top of the rows that it has; no table reads from there."
        folder = self.results/'begun'/name
        if folder.exists(): return folder
        if self.packed(name).exists(): shutil.unpack_archive(self.packed(name), folder)
        elif (self.results/name).exists(): shutil.copytree(self.results/name, folder)
        return folder

    def val(self, images: int) -> Photographs | Crops:
        "So many photographs that nothing was chosen on, evenly spread."
        return open_photographs(find_images(self.data, 'val'), images=images)

    def fresh(self, images: int) -> Photographs | Crops:
        "So many of val, evenly spread over those that are not in the tables of 24."
        tables = set(self.val(24).names)
        others = [file for file in find_images(self.data, 'val')
                  if Photographs([file]).names[0] not in tables]
        return open_photographs(others, images=images)

    @cached_property
    def held_out(self) -> list[Path]:
        "Photographs of the training set that nothing was trained on."
        return holdout(find_images(self.data, 'train'))[1]

    def held(self, images: int) -> Photographs | Crops:
        "So many of them, evenly spread."
        return open_photographs(self.held_out, images=images)


def some_of_sixty(
    source: Source,     # photographs
    images: int,        # how many
) -> Crops:
    "Some of the sixty, evenly spread."
    crops = distinct(source.fresh(SIXTY))
    which = [i*SIXTY//images for i in range(images)]
    return Crops(crops.images[which], [crops.names[i] for i in which])


def finish(
    source: Source,                                # for the folder of all results
    name: str,                                     # of the folder
    rows: pd.DataFrame,                            # all that belongs into it
    write: Callable[[pd.DataFrame, Path], None],   # makes rows.csv and runs.csv
) -> None:
    "Keep what was asked for, in the form for publishing."
    write(rows, source.results/name)
    begun = source.begun(name)
    shutil.rmtree(begun)
    source.packed(name).unlink(missing_ok=True)
    with suppress(OSError): begun.parent.rmdir()      # another folder may be on its way
