"""Quarto's markdown in GitHub's: citations and references in words, no divs, no attributes."""
from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from .bibliography import Source
from .markdown import (
    DIV,
    IMAGE,
    KEY,
    REFERENCE_WORDS,
    change_links,
    is_external,
    is_label,
    outside_literals,
)

CALLOUT_KIND = re.compile(r'\.callout-(\w+)')
DIV_TITLE = re.compile(r'title="([^"]*)"')
FENCE_LINE = re.compile(r' *(`{3,}|~{3,})')

SHORTCODE = re.compile(r'\{\{<.*?>\}\}')
TABLE_CAPTION = re.compile(r'^:\s+(.+?)\s*\{[^{}\n]*\}\s*$', re.MULTILINE)
HEADING_ATTRIBUTES = re.compile(r'^(#+ .*?)[ \t]*\{[^{}\n]*\}[ \t]*$', re.MULTILINE)
SPAN = re.compile(r'\[([^\[\]]*)\]\{[^{}\n]*\}')
LINK_ATTRIBUTES = re.compile(r'(?<=[\])])\{[^{}\n]*\}')
EQUATION_LABEL = re.compile(r'[ \t]*\{#[^{}\n]*\}')
CITATIONS = re.compile(r'\[([^\[\]]*@[^\[\]]*)\](?!\()')  # [see @a, p. 3; @b]
CITATION = re.compile(r'(?P<year_only>-?)@(?P<key>[\w:./-]*\w)')
ALT_TEXT = re.compile(r'\balt="([^"]*)"')  # of alt and of fig-alt
# where a sentence begins: at the top, below an empty line, behind a full stop
SENTENCE_START = re.compile(r'(?:\A|\n\s*\n|[.!?]\s+)[-*>\s\[(]*\Z')


class GitHub:
    """Translates texts that cite the sources of one bibliography."""

    def __init__(self, bibliography: list[Source]) -> None:
        self.sources = {source.key: source for source in bibliography}

    def translate(self, text: str) -> str:
        """A text of index.ipynb as README.md holds it."""
        return outside_literals(flatten_divs(text), self._translate)

    def _translate(self, text: str) -> str:
        """The same for a text without code, comments and maths."""
        text = SHORTCODE.sub('', text)
        text = IMAGE.sub(plain_image, text)
        text = TABLE_CAPTION.sub(r'*\1*', text)
        text = HEADING_ATTRIBUTES.sub(r'\1', text)
        text = SPAN.sub(r'\1', text)
        text = LINK_ATTRIBUTES.sub('', text)
        text = EQUATION_LABEL.sub('', text)
        text = CITATIONS.sub(self._in_brackets, text)
        text = KEY.sub(self._in_sentence, text)
        return change_links(text, from_root)

    def _in_brackets(self, found: re.Match[str]) -> str:
        """The words for `[see @a, p. 3; -@b]` and `[@fig-x]`."""
        parts = found[1].split(';')
        keys = [key[1] for key in map(KEY.search, parts) if key]
        if len(keys) < len(parts):
            return found[0]
        if all(map(is_label, keys)):
            before = found.string[:found.start()]
            words = KEY.sub(lambda key: reference_words(key[1], before), found[1])
            return words.replace(' -the ', ' the ').lstrip('-')
        return '(' + '; '.join(CITATION.sub(self._cited, part.strip()) for part in parts) + ')'

    def _in_sentence(self, key: re.Match[str]) -> str:
        """The words for a bare `@cohen2019` or `@fig-x`."""
        if is_label(key[1]):
            return reference_words(key[1], key.string[:key.start()])
        source = self._source(key[1])
        return f'{names(source)} ({year(source)})'

    def _cited(self, citation: re.Match[str]) -> str:
        """The words for one citation in brackets; a minus leaves the names out."""
        source = self._source(citation['key'])
        return year(source) if citation['year_only'] else f'{names(source)} {year(source)}'

    def _source(self, key: str) -> Source:
        """The source of that key."""
        if key not in self.sources:
            raise SystemExit(f'nbs/index.ipynb: @{key} is not in refs.bib, add it there')
        return self.sources[key]


def names(source: Source) -> str:
    """The authors, as a citation names them."""
    families = source.family_names
    return ' and '.join(families) if len(families) < 3 else f'{families[0]} et al.'


def year(source: Source) -> str:
    """The year, as a citation names it."""
    return source.fields.get('year', 'n.d.')


def reference_words(
    key: str,  # a label such as fig-x
    before: str,  # the text in front of it
) -> str:
    """'the figure' for a label, 'The figure' where a sentence begins."""
    kind = key.partition('-')[0].lower()
    words = f'the {REFERENCE_WORDS[kind]}'
    is_first = SENTENCE_START.search(before) or key[0].isupper()
    return words.capitalize() if is_first else words


def plain_image(image: re.Match[str]) -> str:
    """An image without attributes; a figure's caption stands below it."""
    if not image['attributes']:
        return image[0]
    alt = ALT_TEXT.search(image['attributes'])
    shown = f'![{alt[1] if alt else image["caption"]}]({image["target"]})'
    is_figure = image['caption'] and '#fig-' in image['attributes']
    return f'{shown}\n\n*{image["caption"]}*' if is_figure else shown


def from_root(target: str) -> str:
    """A link of nbs/index.ipynb, as seen from README.md."""
    if is_external(target) or target[0] in '#/':
        return target
    path, hash_mark, anchor = target.partition('#')
    return posixpath.normpath(f'nbs/{path}') + hash_mark + anchor


class OpenDiv(NamedTuple):
    """A div whose end has not come yet."""

    title: str  # of a callout; '' for another div
    start: int  # number of lines that stand before it


class DivFlattener:
    """Turns callouts into block quotes under a bold title; of other divs, the content stays."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._open: list[OpenDiv] = []
        self._fence = ''  # the ticks that have opened a fence, '' outside

    def add(self, line: str) -> None:
        """Read the next line."""
        self._follow_fence(line)
        div = None if self._fence else DIV.match(line)
        if not div:
            self.lines.append(line)
        elif div['attributes']:
            self._open.append(OpenDiv(div_title(div['attributes']), len(self.lines)))
        elif self._open:
            self._close(self._open.pop())
        else:
            self.lines.append(line)

    def _follow_fence(self, line: str) -> None:
        """Notice that a fence begins or ends."""
        ticks = FENCE_LINE.match(line)
        if ticks and not self._fence:
            self._fence = ticks[1]
        elif ticks and ticks[1].startswith(self._fence):
            self._fence = ''

    def _close(self, div: OpenDiv) -> None:
        """Quote what stands in a callout."""
        if not div.title:
            return
        title = div.title
        body = without_empty_ends(self.lines[div.start:])
        if body[0].startswith('#'):
            title = body[0].lstrip('#').strip()
            body = without_empty_ends(body[1:])
        quoted = [f'> {line}'.rstrip() for line in [f'**{title}**', '', *body]]
        self.lines[div.start:] = quoted


def div_title(attributes: str) -> str:
    """The title of a callout, by default its kind; '' for another div."""
    title = DIV_TITLE.search(attributes)
    kind = CALLOUT_KIND.search(attributes)
    if title:
        return title[1]
    return kind[1].capitalize() if kind else ''


def without_empty_ends(lines: list[str]) -> list[str]:
    """The lines without empty ones at the top and at the bottom; at least one."""
    return '\n'.join(lines).strip('\n').split('\n')


def flatten_divs(text: str) -> str:
    """The text without lines of `:::`."""
    flattener = DivFlattener()
    for line in text.split('\n'):
        flattener.add(line)
    return '\n'.join(flattener.lines)
