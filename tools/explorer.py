"""The picture that moves on the site, computed beforehand so that it needs no Python there:

    python -m tools.explorer

Attacks and smooths the shipped models on three photographs, and writes into `nbs/explorer` what
`explorer.js` shows: `values.json`, and two sheets of pictures for each photograph and operator.
About 25 minutes of one CPU core."""
from __future__ import annotations

import argparse
import io
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from rssr import __version__
from rssr.adaptive import attack_set
from rssr.certifying import Candidate, Terms, certify_photographs
from rssr.core import write_file
from rssr.data import Crops
from rssr.grid import linear_name
from rssr.linear import Interpolation
from rssr.metrics import metrics
from rssr.operators import Downsampling, Threat
from rssr.sweep import Case, Setting, Subject, case_of, subjects, worst_inputs
from rssr.units import grey_levels, to_pixels

FOLDER = Path('nbs/explorer')
SIDE = 128                                  # of a picture, pixels
RADII = (0., .001, .005, .01, .02, .05, .1)
DRAWS = 1000                                # for a certificate
ALPHA = .001                                # probability that it is wrong
ERROR_SHOWN = 5                             # times the error, by explorer.js
RMS = 25                                    # of a change as it is shown, of 255
PICTURES = 82                               # quality of WebP
CHANGES = 55


@dataclass(frozen=True)
class Photograph:
    "A square of one that comes with scikit-image."
    key: str          # in names of files
    title: str        # for the reader
    source: str       # function of skimage.data
    top: int          # first row
    left: int         # first column

    @property
    def pixels(self) -> np.ndarray:         # uint8 (SIDE, SIDE, 3)
        "What it shows."
        whole = getattr(data, self.source)()
        if isinstance(whole, tuple): whole = whole[0]       # the left one of a pair
        return whole[self.top:self.top + SIDE, self.left:self.left + SIDE]


PHOTOGRAPHS = (
    Photograph('face', 'a face', 'astronaut', 50, 165),
    Photograph('eye', 'the eye of a cat', 'chelsea', 60, 120),
    Photograph('engine', 'an engine', 'stereo_motorcycle', 200, 330),
)


@dataclass(frozen=True)
class Estimator:
    "What can be chosen."
    key: str              # in values.json
    title: str            # for the reader
    about: str            # in a sentence
    model: str            # name of a shipped one; '': the linear map of each radius, or none
    sigma_g: float = 0.   # of the smoothing noise
    told: bool = False    # it is told the radius


def estimators(
    scale: int,           # 2 or 4
) -> list[Estimator]:
    "What can be chosen at a scale."
    ours = f'x{scale}_thesis' if scale == 4 else 'x2'
    found = [
        Estimator('nothing', 'nothing: the enlarged picture',
                  'Bilinear interpolation, which all the others start from.', ''),
        Estimator('linear', 'the best linear filter of the radius',
                  'Fitted in a minute; its worst case is known exactly.', ''),
        Estimator('undefended', 'a network, undefended',
                  'A U-Net trained on clean pictures.', f'x{scale}_standard'),
        Estimator('noise', 'a network trained with noise',
                  'The same, with noise of .1 in training.', f'{ours}_smoothing_0.1'),
        Estimator('smoothing', 'that network, smoothed',
                  'Its mean over noisy copies of the input: randomized smoothing.',
                  f'{ours}_smoothing_0.1', .15),
        Estimator('adversarial', 'a network trained against attacks',
                  'Trained on its own worst cases of radius .05.', f'{ours}_adversarial_0.05'),
        Estimator('refined', 'a network on the linear filters',
                  'What the filters leave is refined; it is told the radius.',
                  f'x{scale}_refined_long', told=True),
    ]
    if scale == 2:
        found.append(Estimator('certified', 'trained for a certificate, smoothed',
                               'Trained for what can be guaranteed at a radius of .001.',
                               'x2_smoothed_0.001', .4))
    return found


def subject(
    one: Estimator,       # which
    eps_rel: float,       # radius that it meets
    kind: str,            # 'attack' or 'noise'
    scale: int,           # 2 or 4
) -> Subject:
    "As the tables measure it."
    if one.key == 'nothing': return Subject(one.key, Interpolation(scale), perturb=kind)
    model = one.model or linear_name(scale, Threat(eps_rel))
    there = [s for s in subjects([model], scale) if s.told == one.told]
    s = next(s for s in there if s.name.removesuffix(', told') == model)
    s.perturb = kind
    return s.meeting(eps_rel)


@dataclass
class Shown:
    "One estimator under one change, on all photographs."
    case: Case            # what it meets
    change: Tensor        # of the input (N, 3, SIDE, SIDE), normalised
    output: Tensor        # (N, 3, SIDE, SIDE), normalised

    @classmethod
    def of(
        cls,
        one: Estimator,       # which
        eps_rel: float,       # radius
        kind: str,            # 'attack' or 'noise'
        p: Tensor,            # photographs (N, 3, SIDE, SIDE), pixels
        scale: int,           # 2 or 4
    ) -> Shown:
        "Measured."
        setting = Setting(scale, attacks=attack_set('strongest'))
        case = case_of(subject(one, eps_rel, kind, scale), p, eps_rel, setting)
        level = one.sigma_g if kind == 'attack' else 0.       # the same noise for everybody
        z = worst_inputs(case, [level])[level].z
        return cls(case, z - case.y, case.output(z, one.sigma_g))

    @property
    def quality(self) -> list[list[float]]:
        "PSNR and SSIM of each photograph."
        found = metrics(self.output, self.case.x)
        return [[round(float(psnr), 2), round(float(ssim), 3)]
                for psnr, ssim in zip(found['psnr'], found['ssim'])]


def guaranteed(
    one: Estimator,       # a smoothed one
    crops: Crops,         # photographs
    scale: int,           # 2 or 4
) -> list[list[float]]:   # PSNR of each photograph at each radius above 0, dB
    "By B7."
    f = subject(one, 0., 'attack', scale).f
    candidate = Candidate(f, one.model, Downsampling(scale), 'input', one.sigma_g)
    terms = Terms(('B7',), RADII[1:], DRAWS, ALPHA)
    with tempfile.TemporaryDirectory() as folder:
        rows = certify_photographs(candidate, crops, folder, terms)
    certain = rows[rows['method'] == 'B7'].set_index(['photograph', 'eps_rel'])['psnr']
    return [[round(float(certain[name, eps_rel]), 2) for eps_rel in RADII[1:]]
            for name in crops.names]


def certain(
    one: Estimator,       # any
    attacked: list[Shown],    # it, at each radius
    crops: Crops,         # photographs
    scale: int,           # 2 or 4
) -> list[list[float]]:   # of each photograph at each radius above 0, dB; [] where there is none
    "What is guaranteed: by a certificate, or since the worst case is known."
    if one.sigma_g: return guaranteed(one, crops, scale)
    if one.model: return [[] for _ in crops.names]
    found = [shown.quality for shown in attacked[1:]]
    return [[at[i][0] for at in found] for i in range(len(crops.names))]


def pixels(
    images: Tensor,       # (N, 3, SIDE, SIDE), in [0, 1]
) -> np.ndarray:          # uint8 (N, SIDE, SIDE, 3)
    "For a sheet."
    return (images*255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def change_shown(
    change: Tensor,       # (N, 3, SIDE, SIDE), normalised
    eps_rel: float,       # its root mean square
) -> np.ndarray:          # uint8 (N, SIDE, SIDE, 3)
    "On grey, as strong at each radius."
    return pixels((128 + RMS*change/eps_rel)/255)


def sheet(
    rows: Sequence[Sequence[np.ndarray | None]],      # pictures uint8 (SIDE, SIDE, 3), or none
    **options: int | bool,                            # of WebP
) -> bytes:
    "Pictures in rows, as one file."
    empty = np.zeros((SIDE, SIDE, 3), np.uint8)
    whole = np.vstack([np.hstack([empty if one is None else one for one in row]) for row in rows])
    file = io.BytesIO()
    Image.fromarray(whole).save(file, 'WEBP', method=6, **options)
    return file.getvalue()


def measured(
    crops: Crops,         # photographs
    scale: int,           # 2 or 4
) -> dict[tuple[str, str], list[Shown]]:      # by estimator and kind, one for each radius
    "All that can be chosen at a scale."
    p = crops.images.float()/255
    found = {}
    for one in estimators(scale):
        for kind in ('attack', 'noise'):
            found[one.key, kind] = [Shown.of(one, eps_rel, kind, p, scale) for eps_rel in RADII]
            print(f'x{scale} {one.title}: {kind}', flush=True)
    return found


def values_of(
    found: dict[tuple[str, str], list[Shown]],    # see measured
    crops: Crops,                                 # photographs
    scale: int,                                   # 2 or 4
) -> dict[str, dict]:                             # by photograph, estimator, and what it is
    "PSNR and SSIM at each radius, and what PSNR is certain there."
    values: dict[str, dict] = {name: {} for name in crops.names}
    for one in estimators(scale):
        attacked, noisy = found[one.key, 'attack'], found[one.key, 'noise']
        sure = certain(one, attacked, crops, scale)
        for i, name in enumerate(crops.names):
            values[name][one.key] = dict(
                attack=[shown.quality[i] for shown in attacked],
                noise=[shown.quality[i] for shown in noisy],
                certain=sure[i])
    return values


def write_sheets(
    found: dict[tuple[str, str], list[Shown]],    # see measured
    folder: Path,                                 # gets them
    scale: int,                                   # 2 or 4
) -> None:
    "For each photograph: the pair, outputs (a row for each estimator and kind), changes."
    outputs = {key: [pixels(to_pixels(one.output)) for one in shown]
               for key, shown in found.items()}
    changes = {key: [change_shown(one.change, eps_rel) for one, eps_rel in zip(shown, RADII)][1:]
               for key, shown in found.items() if key[1] == 'attack' or key[0] == 'nothing'}
    case = found['nothing', 'attack'][0].case
    pairs = [pixels(to_pixels(image)) for image in (case.x, case.y)]
    for i, photograph in enumerate(PHOTOGRAPHS):
        name = f'{photograph.key}_x{scale}'
        write_file(folder/f'{name}_pair.webp', sheet([[pair[i] for pair in pairs]], lossless=True))
        write_file(folder/f'{name}_outputs.webp', sheet(
            [[one[i] for one in shown] for shown in outputs.values()], quality=PICTURES))
        write_file(folder/f'{name}_changes.webp', sheet(
            [[one[i] for one in shown] for shown in changes.values()], quality=CHANGES))


def main(argv: list[str] | None = None) -> None:
    "Make all of it."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=FOLDER)
    args = parser.parse_args(argv)
    images = torch.from_numpy(np.stack([one.pixels for one in PHOTOGRAPHS])).permute(0, 3, 1, 2)
    crops = Crops(images, [one.key for one in PHOTOGRAPHS])
    operators = {}
    for scale in (2, 4):
        found = measured(crops, scale)
        write_sheets(found, args.out, scale)
        operators[f'x{scale}'] = dict(
            title=f'enlarged by {scale}',
            estimators=[asdict(one) for one in estimators(scale)],
            values=values_of(found, crops, scale))
    said = dict(
        version=__version__, side=SIDE, radii=RADII, rms=RMS,
        grey_levels=[round(grey_levels(eps_rel), 2) for eps_rel in RADII],
        certificate=f'B7, {DRAWS:,} draws, confidence {100*(1 - ALPHA):.1f}%',
        photographs=[dict(key=one.key, title=one.title) for one in PHOTOGRAPHS],
        operators=operators)
    write_file(args.out/'values.json', (json.dumps(said, separators=(',', ':')) + '\n').encode())


if __name__ == '__main__': main()
