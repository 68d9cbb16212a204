"""The files of the book, and the parts of a page that lose their meaning in a wrong place."""
from __future__ import annotations

import re
from collections.abc import Iterator

from ..chapters import Book
from ..markdown import COMMENT, FENCE, INLINE_CODE, is_external, prose

CHAPTER = re.compile(r'[\w./-]+\.(?:ipynb|qmd)\b')
# A value of _quarto.yml that names a file of its own: refs.bib, [cosmo, theme.scss]
NAMED_FILE = re.compile(
    r'''
    [^\s"'\[\]{},]+
    \.(?:s?css|bib|csl|html|js|lua|tex|ico|png|jpe?g|svg)
    (?=[\s"'\],}]|$)
    ''',
    re.VERBOSE,
)
EQUATION_LABEL = re.compile(r'\{#eq-')
# the line that opens a callout, and the first one in it that is not empty
CALLOUT = re.compile(r'^ *(:{3,}.*\.callout-.*)\n\s*(.*)', re.MULTILINE)


def check_chapters(book: Book) -> Iterator[str]:
    """_quarto.yml lists the files that there are, each once."""
    listed = CHAPTER.findall(book.config)
    for name in dict.fromkeys(listed):
        if name not in book.files:
            yield (f'_quarto.yml: chapter {name} does not exist, '
                   f'write nbs/{name} or drop the line')
        if listed.count(name) > 1:
            yield f'_quarto.yml: chapter {name} is listed twice, keep one'
    for name in book.files:
        if name not in listed:
            yield f'nbs/{name}: not in _quarto.yml, add it to the chapters'


def check_named_files(book: Book) -> Iterator[str]:
    """The other files that _quarto.yml names exist."""
    for name in dict.fromkeys(NAMED_FILE.findall(book.config)):
        if not is_external(name) and not (book.nbs / name).exists():
            yield f'_quarto.yml: {name} does not exist, write nbs/{name} or drop the name'


def check_equations(book: Book) -> Iterator[str]:
    """The label of an equation stands right behind it; elsewhere a page shows it as text."""
    for cell, text in book.texts:
        for literal in (COMMENT, FENCE, INLINE_CODE):
            text = literal.sub(' ', text)
        for label in EQUATION_LABEL.finditer(text):
            if not text[:label.start()].rstrip(' ').endswith('$$'):
                yield (f'{cell.where}: the label of an equation stands away from its $$, '
                       'put it right behind')


def check_folded(book: Book) -> Iterator[str]:
    """What a reader may fold or skip says what it is about."""
    for cell, text in book.texts:
        plain = prose(text)
        for opening, first in CALLOUT.findall(f'{plain}\n'):
            if 'title="' not in opening and not first.startswith('#'):
                yield f'{cell.where}: a callout without title, begin it with a heading'
        if plain.count('<details') > plain.count('<summary'):
            yield f'{cell.where}: a <details> without <summary> has no title, add one'
