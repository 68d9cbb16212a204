"""What a notebook has saved: no error, nothing of the writer's machine, not too much."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..cells import OPTION, WIDGET_STATE, WIDGET_VIEW, Cell, joined
from ..chapters import Book
from ..markdown import is_external, link_targets

# What only the writer's machine or a terminal makes sense of.
UNTIDY = re.compile(
    r'''
    \b\w*Warning:[ ].*
    | \x1b\[[\d;]*\w                    # colours and moves of the cursor
    | /(?:home|root|Users)/[\w./-]+
    | /[\w./-]*site-packages/[\w./-]*
    | Traceback[ ]\(most[ ]recent
    ''',
    re.VERBOSE,
)
PICTURE = re.compile(r'\.(?:png|jpe?g|gif|svg|webp)$')
HEAVIEST_PAGE = 3_000_000  # bytes


def check_outputs(book: Book) -> Iterator[str]:
    """No error and no execution count is saved."""
    for cell in book.cells:
        if any(output['output_type'] == 'error' for output in cell.outputs):
            yield f'{cell.where}: a saved error, mend the cell and run the notebook'
        counts = [output.get('execution_count') for output in cell.outputs]
        if any(count is not None for count in [cell.execution_count, *counts]):
            yield f'{cell.where}: an execution count, run nbdev_clean'


def check_printed(book: Book) -> Iterator[str]:
    """What is printed makes sense to any reader."""
    for cell in book.cells:
        for output in cell.shown_outputs:
            untidy = UNTIDY.search(joined(output.get('text', '')))
            if untidy:
                yield (f'{cell.where}: a reader stumbles over the saved {untidy[0]!r}, '
                       'mend the cell and run the notebook')


def check_options(book: Book) -> Iterator[str]:
    """nbdev reads options that take one line."""
    for cell in book.cells:
        for line in cell.option_lines:
            if not OPTION.match(line.strip()):
                yield (f'{cell.where}: nbdev drops "{line.strip()}", '
                       'write each option on one line')


def check_widgets(book: Book) -> Iterator[str]:
    """A saved widget has its state beside it, without which the page shows nothing."""
    for file, cells in book.notebooks.items():
        shown = list(shown_widgets(cells))
        state = saved_state(book.nbs / file) if shown else {}
        for cell, model in shown:
            if model not in state:
                yield (f'{cell.where}: a widget without its state, '
                       'run the notebook by python -m tools.book run')


def shown_widgets(cells: list[Cell]) -> Iterator[tuple[Cell, str]]:
    """Each cell with the id of each widget in its outputs."""
    for cell in cells:
        for output in cell.outputs:
            if WIDGET_VIEW in output.get('data', {}):
                yield cell, output['data'][WIDGET_VIEW]['model_id']


def saved_state(notebook: Path) -> dict[str, Any]:
    """The state of each widget of a notebook, by its id."""
    metadata = json.loads(notebook.read_text(encoding='utf-8'))['metadata']
    return metadata.get('widgets', {}).get(WIDGET_STATE, {}).get('state', {})


def check_weight(book: Book) -> Iterator[str]:
    """A page carries what its notebook holds and the pictures that it names: not too much."""
    for file, cells in book.files.items():
        parts = {book.nbs / file}
        for cell in cells:
            parts |= {book.nbs / name for name in named_pictures(cell)}
        weight = sum(part.stat().st_size for part in parts if part.exists())
        if weight > HEAVIEST_PAGE:
            megabytes = f'{weight / 1e6:.1f}'
            yield (f'nbs/{file}: the page weighs {megabytes} MB, '
                   f'cut it to {HEAVIEST_PAGE / 1e6:.0f}')


def named_pictures(cell: Cell) -> Iterator[str]:
    """The picture files that a cell links to, from nbs/."""
    for text in cell.texts:
        for target in link_targets(text):
            if PICTURE.search(target) and not is_external(target):
                yield unquote(target)
