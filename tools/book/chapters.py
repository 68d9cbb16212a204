"""The book: everything under nbs/, read once."""
from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from .bibliography import read_bibliography
from .cells import Cell, read_cells
from .definitions import documented
from .markdown import headings, slug

# The heading at the top of a callout: Quarto makes a title of it, without an identifier.
CALLOUT_TITLE = re.compile(
    r'''
    ^([ ]*:{3,}.*\.callout-.*\n\s*)  # the line that opens the callout
    \#{1,6}[ ].*                     # its title
    ''',
    re.MULTILINE | re.VERBOSE,
)
YAML_COMMENT = re.compile(r'(^|\s)#.*')


class Place(NamedTuple):
    """A heading or an exported definition, and what a link calls it."""

    cell: Cell
    name: str
    anchor: str


class Book:
    """The notebooks and texts of nbs/, its bibliography, and _quarto.yml."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.nbs = root / 'nbs'
        self.files = {path.name: read_cells(path) for path in chapter_paths(self.nbs)}
        self.bibliography = read_bibliography(self.nbs / 'refs.bib')
        self.config = read_config(root / '_quarto.yml')

    @property
    def cells(self) -> Iterator[Cell]:
        """All cells of all files."""
        for cells in self.files.values():
            yield from cells

    @property
    def notebooks(self) -> dict[str, list[Cell]]:
        """The files that are notebooks."""
        return {name: cells for name, cells in self.files.items() if name.endswith('.ipynb')}

    @property
    def texts(self) -> Iterator[tuple[Cell, str]]:
        """All markdown that Quarto reads, each text beside its cell."""
        for cell in self.cells:
            for text in cell.texts:
                yield cell, text

    @cached_property
    def places(self) -> dict[str, list[Place]]:
        """For each file its headings and exported definitions, down the page."""
        return {file: list(places_of(cells)) for file, cells in self.files.items()}

    @cached_property
    def anchors(self) -> dict[str, set[str]]:
        """For each file all that `file#...` may name."""
        found = {file: given_names(cells) for file, cells in self.files.items()}
        for file, places in self.places.items():
            found[file].update(place.anchor for place in places)
        return found

    @cached_property
    def definitions(self) -> set[str]:
        """The names of all exported definitions."""
        return {name for cell in self.cells for name in documented(cell)}


def chapter_paths(folder: Path) -> list[Path]:
    """The notebooks and texts of a folder that Quarto would build."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix in ('.ipynb', '.qmd')]
    return [path for path in found if not path.name.startswith(('.', '_'))]


def read_config(path: Path) -> str:
    """A YAML file without its comments; '' if there is none."""
    return YAML_COMMENT.sub(r'\1', path.read_text(encoding='utf-8')) if path.exists() else ''


def own_headings(cell: Cell) -> list[str]:
    """What gets an identifier from pandoc: headings, and definitions, which nbdev heads."""
    found = list(documented(cell))
    for text in cell.texts:
        without_callouts = CALLOUT_TITLE.sub(r'\1', text)
        unlabelled = [item for item in headings(without_callouts) if not item.label]
        found += [item.title for item in unlabelled]
    return found


def given_names(cells: list[Cell]) -> set[str]:
    """The identifiers that are written by hand."""
    return {name for cell in cells for name in cell.given_names}


def places_of(cells: list[Cell]) -> Iterator[Place]:
    """The places of a page; of two that are called alike, the second gets a number."""
    taken = given_names(cells)
    for cell in cells:
        for name in own_headings(cell):
            anchor = unused(slug(name), taken)
            taken.add(anchor)
            yield Place(cell, name, anchor)


def unused(
    name: str,
    taken: set[str],  # what it must not be
) -> str:
    """The name, or the name with the first number that makes it a new one."""
    number = 0
    unique = name
    while unique in taken:
        number += 1
        unique = f'{name}-{number}'
    return unique
