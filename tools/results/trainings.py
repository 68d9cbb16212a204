"What a training depends on, and the choice of the linear maps."
from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from rssr.core import write_file
from rssr.grid import GRID, linear_command
from rssr.models import (
    load_card,
)
from rssr.training import train_folder
from tools.results.source import Source


def history(
    source: Source,     # photographs
    init: str,          # model to start from, or '' for a fresh one
) -> list[dict]:        # one row an epoch
    "Four epochs of a network for much noise."
    recipe = GRID['x2_smoothing_1']
    cfg = replace(recipe, name=f'from_{init or "scratch"}', init=init, epochs=4)
    with tempfile.TemporaryDirectory() as out:
        train_folder(cfg, str(source.data), out, source.device)
        card = load_card(Path(out)/f'{cfg.name}.safetensors')
    about = dict(start=init or 'scratch', sigma_f=cfg.sigma_f, lr=cfg.lr, seed=cfg.seed,
                 device=source.device)
    return [about | dict(epoch=i) | row for i, row in enumerate(card['history'], 1)]


def start(source: Source) -> None:
    "A network for much noise, started from the undefended one and from scratch."
    kept = source.results/'start.csv'
    if kept.exists(): return
    rows = [*history(source, 'x2_standard'), *history(source, '')]
    write_file(kept, pd.DataFrame(rows).to_csv(index=False).encode())


def average(source: Source) -> None:
    "What is kept of a training with a constant rate: the last weights, or their moving average."
    kept = source.results/'average.csv'
    if kept.exists(): return
    rows: list[dict] = []
    for name, ema in (('last', 0.), ('average', GRID['x2_thesis_standard'].ema)):
        cfg = replace(GRID['x2_thesis_standard'], ema=ema)
        with tempfile.TemporaryDirectory() as out:
            train_folder(cfg, str(source.data), out, source.device)
            card = load_card(Path(out)/f'{cfg.name}.safetensors')
        about = dict(kept=name, ema=ema)
        rows += (about | dict(epoch=i) | row for i, row in enumerate(card['history'], 1))
    write_file(kept, pd.DataFrame(rows).to_csv(index=False).encode())


def linear(source: Source) -> None:
    "Which noise of a learned linear map for which radius."
    kept = source.results/'linear'/'choice.csv'
    if kept.exists(): return
    with tempfile.TemporaryDirectory() as out:
        linear_command(str(source.data), out)
        write_file(kept, (Path(out)/'choice.csv').read_bytes())
