"""Labels, sources and identifiers: what is named exists, once."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..cells import Cell
from ..chapters import Book, own_headings
from ..markdown import cited_keys, is_label, slug


def label_places(book: Book) -> dict[str, list[str]]:
    """For each label such as fig-x the cells that give it."""
    places: dict[str, list[str]] = {}
    for cell in book.cells:
        for label in filter(is_label, cell.given_names):
            places.setdefault(label, []).append(cell.where)
    return places


def check_labels(book: Book) -> Iterator[str]:
    """A label is given once in the whole book."""
    for label, places in label_places(book).items():
        for place in places[1:]:
            yield f'{place}: label {label} is taken by {places[0]}, choose another'


def check_bibliography(book: Book) -> Iterator[str]:
    """A source stands in refs.bib once, and is cited."""
    cited = {key for _, text in book.texts for key in cited_keys(text)}
    for key, count in Counter(source.key for source in book.bibliography).items():
        if count > 1:
            yield f'nbs/refs.bib: key {key} twice, keep one'
        if key not in cited:
            yield f'nbs/refs.bib: {key} is never cited, cite it or drop it'


def check_keys(book: Book) -> Iterator[str]:
    """What is cited exists."""
    labels = label_places(book)
    sources = {source.key for source in book.bibliography}
    for cell in book.cells:
        for key in cell_keys(cell):
            label = key[0].lower() + key[1:]  # @Fig-x begins a sentence
            if is_label(key) and label not in labels:
                yield (f'{cell.where}: @{key} has no label, '
                       'give one to its target (in a cell that is shown)')
            elif not is_label(key) and key not in sources:
                yield (f'{cell.where}: @{key} is not in refs.bib, '
                       'add it there (or put code in backticks)')


def cell_keys(cell: Cell) -> list[str]:
    """What a cell cites, each once."""
    found: dict[str, None] = {}
    for text in cell.texts:
        found.update(dict.fromkeys(cited_keys(text)))
    return list(found)


def check_names(book: Book) -> Iterator[str]:
    """One name, one place: what is labelled by hand is not what pandoc makes of a heading."""
    for cells in book.files.values():
        made = heading_places(cells)
        given: dict[str, str] = {}
        for cell, name in names_by_hand(cells):
            if name in made:
                yield (f'{cell.where}: {name} is also what a heading or definition in '
                       f'{made[name]} is called, choose another')
            elif name in given and not is_label(name):  # check_labels sees to labels
                yield f'{cell.where}: {name} is taken by {given[name]}, choose another'
            given[name] = cell.where


def heading_places(cells: list[Cell]) -> dict[str, str]:
    """For each identifier that pandoc makes the first cell with such a heading."""
    places: dict[str, str] = {}
    for cell in cells:
        for heading in own_headings(cell):
            places.setdefault(slug(heading), cell.where)
    return places


def names_by_hand(cells: list[Cell]) -> Iterator[tuple[Cell, str]]:
    """Each cell with each of the names that it gives."""
    for cell in cells:
        for name in cell.given_names:
            yield cell, name
