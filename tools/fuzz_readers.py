"""What `tools.fuzz` tries: readers of files, valid files for them, and what they may raise."""
from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from rssr.certifying import read_certificates
from rssr.data import BadImage, embedded_photographs, read_image
from rssr.models import load_card, load_model, noise_of, operator_of, save_model, threat_of
from rssr.sweep import read_results
from rssr.unet import UNet

RESULTS = Path(__file__).resolve().parents[1]/'nbs'/'results'


@dataclass(frozen=True)
class Reader:
    "A reader of files."
    read: Callable[[Path, bytes], object]    # given a folder and a file's bytes
    seeds: Callable[[], Sequence[bytes]]     # valid files
    declared: tuple[type[Exception], ...]    # what it may raise


# ---------------------------------------------------------------- photographs

def _encoded(
    image: Image.Image,    # of any mode
    kind: str,             # JPEG, PNG, WEBP or BMP
    **options,             # how it is written
) -> bytes:
    "A picture as a file."
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@cache
def photographs() -> list[bytes]:
    "Every format and every way that pictures are kept in it."
    image = Image.fromarray(embedded_photographs(24).images[0].permute(1, 2, 0).numpy())
    turned = Image.Exif()
    turned[0x0112] = 6                                # to be rotated
    turned[0x010e] = 'a photograph'
    deep = Image.fromarray(np.arange(576, dtype=np.uint16).reshape(24, 24)*100)
    files = [_encoded(image, kind, exif=turned) for kind in ('JPEG', 'PNG', 'WEBP')]
    files += [_encoded(image.convert(mode), 'PNG') for mode in ('RGBA', 'LA', 'P', '1')]
    files += [_encoded(image.convert('CMYK'), 'JPEG', progressive=True), _encoded(deep, 'PNG')]
    return files + [_encoded(image, 'BMP'), _encoded(image, 'WEBP', lossless=True)]


def read_photograph(
    folder: Path,          # where it may stand
    raw: bytes,            # the file
) -> None:
    "As chapter 03 reads it."
    path = folder/'photograph.jpg'
    path.write_bytes(raw)
    a = read_image(path)
    if a.dtype != np.uint8 or a.ndim != 3 or a.shape[2] != 3: raise AssertionError('no RGB')


# ---------------------------------------------------------------- networks

@cache
def network_files() -> tuple[bytes, bytes]:
    "Weights and card of a small network."
    with tempfile.TemporaryDirectory() as folder:
        about = dict(scale=2, sigma_f=.1, eps_rel=.02, config=dict(threat='measurement'),
                     sigma_g=dict(chosen=.05), history=[dict(loss=.1)])
        path = save_model(UNet(widths=(2, 4)), Path(folder)/'model.safetensors', about)
        return path.read_bytes(), path.with_suffix('.json').read_bytes()


def read_card(
    folder: Path,          # where it may stand
    raw: bytes,            # the card
) -> None:
    "A card beside whole weights, and what chapters ask of it."
    path = folder/'model.safetensors'
    path.write_bytes(network_files()[0])
    path.with_suffix('.json').write_bytes(raw)
    card = load_card(path)
    operator_of(card)
    threat_of(card)
    noise_of(card)
    load_model(path)


def read_weights(
    folder: Path,          # where they may stand
    raw: bytes,            # the weights
) -> None:
    "Weights beside a card that has their hash: nothing but their content can be refused."
    path = folder/'model.safetensors'
    path.write_bytes(raw)
    card = json.loads(network_files()[1]) | dict(sha256=hashlib.sha256(raw).hexdigest())
    path.with_suffix('.json').write_text(json.dumps(card))
    load_model(path)


# ---------------------------------------------------------------- rows

def _some(
    read: Callable[[Path], pd.DataFrame],    # of a folder
    folder: str,                             # of nbs/results
) -> pd.DataFrame:
    "A few of the published rows."
    return read(RESULTS/folder).iloc[::97][:4]


@cache
def jobs(
    read: Callable[[Path], pd.DataFrame],    # of a folder
    folder: str,                             # of nbs/results
) -> list[bytes]:
    "Jobs of some published rows: each has columns that all share, and columns of their own."
    found = []
    for own in (2, 8):
        rows = _some(read, folder).drop(columns='run')
        shared = rows.iloc[0, own:].to_dict()
        each = rows.iloc[:, :own].to_dict('records')
        found.append(json.dumps(shared | dict(rows=each), default=str, indent=1).encode())
    return found


def read_job(
    read: Callable[[Path], pd.DataFrame],    # of a folder
    folder: Path,                            # where it may stand
    raw: bytes,                              # the job
) -> None:
    "A folder with one job."
    (folder/'jobs').mkdir(exist_ok=True)
    (folder/'jobs'/'job.json').write_bytes(raw)
    read(folder)


def published(
    name: str,             # rows.csv or runs.csv
    folder: str,           # of nbs/results
) -> list[bytes]:
    "The beginning of a published file."
    lines = (RESULTS/folder/name).read_bytes().splitlines(keepends=True)
    return [b''.join(lines[:n]) for n in (2, 6)]


def read_published(
    read: Callable[[Path], pd.DataFrame],    # of a folder
    name: str,                               # which of rows.csv and runs.csv is broken
    source: str,                             # folder of nbs/results where the other comes from
    folder: Path,                            # where they may stand
    raw: bytes,                              # the file
) -> None:
    "A folder with both published files."
    (folder/'published').mkdir(exist_ok=True)
    for other in ('rows.csv', 'runs.csv'):
        (folder/'published'/other).write_bytes(published(other, source)[0])
    (folder/'published'/name).write_bytes(raw)
    read(folder/'published')


def _rows(
    read: Callable[[Path], pd.DataFrame],    # of a folder
    source: str,                             # folder of nbs/results
    what: str,                               # that the names of the readers begin with
) -> dict[str, Reader]:
    "Readers of jobs and of published files of one kind."
    found = {f'{what}_jobs': Reader(partial(read_job, read), partial(jobs, read, source),
                                    (ValueError, OSError))}
    for name in ('rows', 'runs'):
        file = f'{name}.csv'
        found[f'{what}_{name}'] = Reader(
            partial(read_published, read, file, source), partial(published, file, source),
            (ValueError, OSError))
    return found


# ---------------------------------------------------------------- all of them

def weights() -> list[bytes]:
    "Weights of a small network."
    return [network_files()[0]]


def cards() -> list[bytes]:
    "Its card."
    return [network_files()[1]]


READERS = {
    'photographs': Reader(read_photograph, photographs, (BadImage,)),
    'cards': Reader(read_card, cards, (ValueError, OSError)),
    'weights': Reader(read_weights, weights, (ValueError, OSError)),
    **_rows(read_results, 'x2_embedded', 'results'),
    **_rows(read_certificates, 'x2_smoothed', 'certificates'),
}
