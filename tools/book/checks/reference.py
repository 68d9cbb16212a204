"""The saved reference page says what the source says."""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..chapters import Book, Place
from ..definitions import docstrings, documented, is_decorated
from ..entries import details, folded, signature_of

REFERENCE = 'api.ipynb'
# - [**pgd**](03_attacks.ipynb#pgd) `(f, y[, k])`
#   First sentence of the docstring.
#   <details> ... </details>
ENTRY = re.compile(
    r'''
    \]\((?P<file>[^)\#]+)\#(?P<anchor>[^)]+)\)   # the link to the definition
    (?:[ ]*`(?P<signature>\([^`\n]*\))`)?        # left out if it takes no argument
    [^\n]*
    (?:\n[ ]+(?P<sentence>(?!<)\S.*))?           # the indented line below
    (?P<rest>(?:\n(?:[ ].*)?)*)                  # all that is indented below it
    ''',
    re.VERBOSE,
)


class Described(NamedTuple):
    """What is said about a definition."""

    signature: str
    docstring: str  # or its first sentence
    details: str  # its arguments and methods, as Markdown


def check_reference(book: Book) -> Iterator[str]:
    """Each exported definition is listed, with what its source says of it, and no other."""
    if REFERENCE not in book.files:
        return
    listed = listed_definitions(book)
    places = definition_places(book)
    for key, place in places.items():
        fault = entry_fault(book, place, listed.get(key))
        if fault:
            yield f'{place.cell.where}: {place.name} {fault}, run that notebook'
    for file, anchor in sorted(listed.keys() - places.keys()):
        yield f'nbs/{REFERENCE}: {file} exports no {anchor}, run the notebook'


def check_overloads(book: Book) -> Iterator[str]:
    """An `@overload` is no definition of its own, though nbdev would document it as one."""
    for cell in book.cells:
        for name, node in documented(cell).items():
            if is_decorated(node, 'overload'):
                yield (f'{cell.where}: nbdev documents {name} again for each @overload, '
                       'begin their cell with "#| exporti"')


def definition_places(book: Book) -> dict[tuple[str, str], Place]:
    """The place of each exported definition, by file and anchor."""
    found = {}
    for file, places in book.places.items():
        for place in places:
            if place.name in documented(place.cell):
                found[file, place.anchor] = place
    return found


def listed_definitions(book: Book) -> dict[tuple[str, str], Described]:
    """What the outputs of the reference say, by file and anchor."""
    shown: list[str] = []
    for cell in book.files[REFERENCE]:
        shown += cell.texts if cell.kind == 'code' else []
    found: dict[tuple[str, str], Described] = {}
    for entry in ENTRY.finditer('\n'.join(shown)):
        described = Described(
            entry['signature'] or '()', entry['sentence'] or '', entry['rest'].strip()
        )
        found.setdefault((entry['file'], entry['anchor']), described)  # commands come again
    return found


def entry_fault(
    book: Book,  # where a class that it inherits from is looked up
    place: Place,  # of a definition
    listed: Described | None,  # what the reference says about it
) -> str:
    """What is wrong with an entry of the reference, '' if nothing."""
    if listed is None:
        return f'is not in {REFERENCE}'
    signature = signature_of(book, place)
    if listed.signature != signature:
        return f'is called with {signature}, not with {listed.signature} as in {REFERENCE}'
    if not docstrings(place.cell)[place.name].startswith(listed.docstring):
        return f'says something else in {REFERENCE}'
    if listed.details != folded(details(book, place)).strip():
        return f'explains its arguments otherwise in {REFERENCE}'
    return ''
