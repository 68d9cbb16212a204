"""Figures and tables: labels, captions, and words for those who do not see them."""
from __future__ import annotations

import re
from collections.abc import Iterator

from ..cells import WIDGET_VIEW, Cell, output_data
from ..chapters import Book
from ..markdown import IMAGE, TABLE_ROW, prose

DRAWINGS = {'image/png', 'image/jpeg', 'image/svg+xml'}
SEEN_AS_FIGURE = {*DRAWINGS, WIDGET_VIEW, 'text/html'}
FIGURE_OPTIONS = {'fig-cap': 'caption', 'fig-alt': 'alt text'}
IMAGE_TAG = re.compile(r'<img\b[^>]*>')
COLUMN = 690  # pixels that a figure has on the page, at most
SMALLEST = 8  # pixels of a letter there
PIXELS = 4 / 3  # of a point
WIDTH = re.compile(r'<svg[^>]*?\bwidth="([\d.]+)pt"')
LETTERS = re.compile(r'<text\b.*?</text>', re.DOTALL)
SIZE = re.compile(r'([\d.]+)px\b')
ALT_TEXT = re.compile(r'\balt=["\'][^"\']')  # that is not empty


def check_figures(book: Book) -> Iterator[str]:
    """A cell that draws has label, caption and alt text; one that is labelled so draws."""
    for cell in book.cells:
        is_labelled = cell.label.startswith('fig-')
        if cell.shown_types & DRAWINGS:
            yield from missing_options(cell)
        if is_labelled and not cell.hidden and not cell.shown_types & SEEN_AS_FIGURE:
            yield (f'{cell.where}: {cell.label} shows no figure, '
                   'run the notebook or drop the label')


def missing_options(cell: Cell) -> Iterator[str]:
    """What a cell that draws does not say about its figure."""
    if not cell.label.startswith('fig-'):
        yield f'{cell.where}: a figure without a label, add "#| label: fig-..."'
    for option, what in FIGURE_OPTIONS.items():
        if not cell.options.get(option):
            yield f'{cell.where}: a figure without {what}, add "#| {option}: ..."'


def check_letters(book: Book) -> Iterator[str]:
    """Letters of a drawing can be read where the page shows it."""
    for cell in book.cells:
        for output in cell.shown_outputs:
            size = letter_size(output_data(output, 'image/svg+xml'))
            if size < SMALLEST:
                yield (f'{cell.where}: letters of {size:.1f} pixels on the page, '
                       f'draw {cell.label} narrower or its letters larger, at least {SMALLEST}')


def letter_size(drawing: str) -> float:
    """Of the smallest text in an SVG picture, in pixels of the page; an exponent is none."""
    width = WIDTH.search(drawing)
    texts = [[*map(float, SIZE.findall(text))] for text in LETTERS.findall(drawing)]
    sizes = [max(found) for found in texts if found]
    if not width or not sizes:
        return SMALLEST
    shown = min(1, COLUMN / (PIXELS * float(width[1])))
    return shown * PIXELS * min(sizes)


def check_tables(book: Book) -> Iterator[str]:
    """A cell that is labelled as a table shows one, under a caption."""
    for cell in book.cells:
        if not cell.label.startswith('tbl-'):
            continue
        if not cell.hidden and not shows_table(cell):
            yield f'{cell.where}: {cell.label} shows no table, run the notebook or drop the label'
        if not cell.options.get('tbl-cap'):
            yield f'{cell.where}: a table without caption, add "#| tbl-cap: ..."'


def shows_table(cell: Cell) -> bool:
    """Whether an output is one."""
    shown = [output_data(output, 'text/markdown') for output in cell.shown_outputs]
    return 'text/html' in cell.shown_types or bool(TABLE_ROW.search(''.join(shown)))


def check_pictures(book: Book) -> Iterator[str]:
    """A picture in the text has alt text, and a caption if it is a figure."""
    for cell, text in book.texts:
        for image in IMAGE.finditer(prose(text)):
            fault = picture_fault(image['caption'], image['attributes'] or '')
            if fault:
                yield f'{cell.where}: {image["target"]} {fault}'


def picture_fault(
    caption: str,
    attributes: str,  # {#fig-x fig-alt="..."}, '' without any
) -> str:
    """What a picture in the text lacks, '' if nothing."""
    if '{#fig-' in attributes:
        return '' if caption and 'fig-alt=' in attributes else 'needs a caption and fig-alt'
    return '' if caption or 'alt=' in attributes else 'has no alt text, describe it'


def check_alt_texts(book: Book) -> Iterator[str]:
    """A picture in HTML has alt text."""
    for cell, text in book.texts:
        for tag in IMAGE_TAG.findall(prose(text)):
            if not ALT_TEXT.search(tag):
                yield f'{cell.where}: {tag} has no alt text, describe it'
