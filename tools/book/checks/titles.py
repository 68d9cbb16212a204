"""One title for each file, in a cell of which nbdev keeps everything."""
from __future__ import annotations

import re
from collections.abc import Iterator

from ..cells import Cell
from ..chapters import Book
from ..markdown import ATTRIBUTES, headings

FRONT_MATTER_TITLE = re.compile(r'\A---\n(?:.*\n)*?title:')
# What nbdev makes front matter of: the title, lines '- aliases: [old.html]', empty lines
TITLE_LINE = re.compile(r'#\s|-\s+\S.*:|\s*$')


def title_cells(cells: list[Cell]) -> list[Cell]:
    """The cells with a heading of the first level, once for each."""
    found: list[Cell] = []
    for cell in cells:
        if cell.kind == 'markdown':
            found += [cell for heading in headings(cell.source) if heading.level == 1]
    return found


def check_titles(book: Book) -> Iterator[str]:
    """A file has one title, written as a heading or in its front matter."""
    for file, cells in book.files.items():
        written = title_cells(cells)
        in_front = [cell for cell in cells if FRONT_MATTER_TITLE.match(cell.source)]
        count = len(written) + len(in_front)
        if count != 1:
            place = [*written[1:], *cells[:1]]
            where = place[0].where if place else f'nbs/{file}'
            yield f'{where}: {count} titles, write exactly one "# Title"'


def check_title_cells(book: Book) -> Iterator[str]:
    """Nothing of a title cell is lost, nor what stands before it."""
    for cells in book.notebooks.values():
        for cell in title_cells(cells)[:1]:
            first = next(other for other in cells if other.kind == 'markdown')
            if cell is not first:
                yield f'{cell.where}: text stands before the title, move it below'
            yield from lost_in_title(cell)


def lost_in_title(cell: Cell) -> Iterator[str]:
    """What nbdev drops when it turns a title cell into front matter."""
    title = min(headings(cell.source))  # by its level
    if ATTRIBUTES.search(title.text):
        yield f'{cell.where}: the title carries attributes, label a ## section instead'
    other = [line for line in cell.source.splitlines() if not TITLE_LINE.match(line)]
    if not all(line.startswith('>') for line in other):
        yield (f'{cell.where}: nbdev drops other text of the title cell, '
               'move it to a cell of its own')
    if len(other) > 1:
        yield f'{cell.where}: nbdev keeps one line of the description, write it on one line'
