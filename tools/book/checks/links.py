"""Links lead somewhere: to files, to places in them, to tests; and none stands within another."""
from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from ..cells import Cell
from ..chapters import Book
from ..definitions import docstrings
from ..markdown import FENCE, INLINE_CODE, is_external, link_targets

# [... `name` ...](, but no picture
NAME_IN_LINK = re.compile(r'(?<!!)\[[^\[\]]*`([\w.]+)(?:\(\))?`[^\[\]]*\]\(')
# code, and `name` in the comment behind it
NAME_IN_COMMENT = re.compile(r'^[ \t]*[^#\s][^#\n]*# .*?`([\w.]+)(?:\(\))?`', re.MULTILINE)
TEST_NAME = re.compile(r'\b(tests/\w+\.py)(?:::(\w+))?')


class Target(NamedTuple):
    """Where a link of the book's own leads."""

    file: str  # from nbs/
    anchor: str  # '' without one


def check_links(book: Book) -> Iterator[str]:
    """The file, and the place in it, that a link names exist."""
    for cell in book.cells:
        for written in cell_targets(cell):
            fault = link_fault(book, written, resolve(written, cell.file))
            if fault:
                yield f'{cell.where}: {fault}'


def cell_targets(cell: Cell) -> list[str]:
    """The links of a cell to the book's own files, each once."""
    found: dict[str, None] = {}
    for text in cell.texts:
        found.update(dict.fromkeys(link_targets(text)))
    return [target for target in found if not is_external(target)]


def resolve(
    written: str,  # `file?query#anchor`, each part optional, percent-encoded
    page: str,  # the file that holds the link
) -> Target:
    """What a link means."""
    path, _, anchor = unquote(written).partition('#')
    name = path.partition('?')[0].lstrip('/')
    return Target(posixpath.normpath(name) if name else page, anchor)


def link_fault(
    book: Book,  # whose page holds it
    written: str,  # as the reader of the source sees it
    target: Target,  # what it means
) -> str:
    """What is wrong with a link, '' if nothing."""
    file, anchor = target
    if file.startswith('..'):
        return f'{written} leaves nbs/ and is not on the site, use its full URL'
    if not (book.nbs / file).exists():
        return f'{written} does not exist, correct the link'
    if anchor and file in book.files and anchor not in book.anchors[file]:
        return f'{file} has no heading or label {anchor}, correct the anchor'
    return ''


def check_made_links(book: Book) -> Iterator[str]:
    """nbdev makes a link of each exported name in backticks: not everywhere a good one."""
    for cell in book.cells:
        for name in sorted(book.definitions.intersection(names_in_links(cell))):
            yield (f'{cell.where}: `{name}` in the text of a link becomes a link itself, '
                   'drop the backticks or the link')
        commented = NAME_IN_COMMENT.findall(cell.source) if cell.exported else []
        for name in sorted(book.definitions.intersection(commented)):
            yield (f'{cell.where}: `{name}` in a comment becomes a link, '
                   'which a signature shows as source, drop the backticks')


def check_docstrings(book: Book) -> Iterator[str]:
    """A docstring is shown as it is written."""
    for cell in book.cells:
        for name, docstring in docstrings(cell).items():
            if '*' in INLINE_CODE.sub('', docstring):
                yield (f'{cell.where}: the docstring of {name} has a bare *, '
                       'by which nbdev sets it in italics, put it in backticks')


def names_in_links(cell: Cell) -> Iterator[str]:
    """What stands in backticks in the text of a link."""
    for text in cell.texts:
        yield from NAME_IN_LINK.findall(FENCE.sub('', text))


def check_test_names(book: Book) -> Iterator[str]:
    """A test that the text names exists."""
    for cell in book.cells:
        for path, test in named_tests(cell):
            file = book.root / path
            if not file.exists():
                yield f'{cell.where}: {path} does not exist, correct the name'
            elif test and f'\ndef {test}(' not in '\n' + file.read_text(encoding='utf-8'):
                yield f'{cell.where}: {path} has no test {test}, correct the name'


def named_tests(cell: Cell) -> list[tuple[str, str]]:
    """(file, test or '') of each `tests/file.py::test` in a cell, each once."""
    found: dict[tuple[str, str], None] = {}
    for text in cell.texts:
        found.update(dict.fromkeys(TEST_NAME.findall(text)))
    return list(found)
