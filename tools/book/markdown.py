"""Markdown as pandoc and Quarto read it: what is literal, headings, labels, citations, links."""
from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

# A block between lines of ``` or ~~~. One that is never closed reaches to the end of the text.
FENCE = re.compile(
    r'''
    ^[ ]*(?P<ticks>`{3,}|~{3,})          # at least three ticks or tildes
    (?P<info>[^`\n]*)\n                  # the language and its attributes
    .*?                                  # the content
    (?:^[ ]*(?P=ticks)[`~]*[ \t]*$|\Z)   # at least as many ticks again
    ''',
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
INLINE_CODE = re.compile(
    r'''
    (?<!`)(?P<ticks>`+)(?!`)   # a run of ticks
    (?:(?!\n\s*\n).)+?         # anything but an empty line
    (?<!`)(?P=ticks)(?!`)      # the same run again
    ''',
    re.DOTALL | re.VERBOSE,
)
COMMENT = re.compile(r'<!--.*?-->', re.DOTALL)
MATHS = re.compile(
    r'''
    \$\$.*?\$\$                  # an equation of its own
    |
    (?<![\\$])\$(?=[^\s$])       # within a line: no space behind the first $,
    (?:\\.|(?!\n\s*\n)[^$\\])+?  # no empty line between the two,
    (?<=\S)\$(?!\d)              # no space before the last one; $5 and $6 are prices
    ''',
    re.DOTALL | re.VERBOSE,
)
LITERALS = (FENCE, INLINE_CODE, COMMENT, MATHS)  # in this order: a fence may hold any other

ATTRIBUTES = re.compile(r'\{[^{}\n]*\}')  # {#sec-x .unnumbered}
LABEL = re.compile(r'\{(?:[^{}\n]*\s)?#([\w:.-]+)[^{}\n]*\}')  # sec-x in the same
HEADING = re.compile(r'^(#{1,6})[ \t]+(\S.*?)[ \t]*$', re.MULTILINE)
KEY = re.compile(r'(?<![\w./@\\])@([A-Za-z0-9_](?:[\w:./-]*\w)?)')  # @cohen2019, not a@b.org
TABLE_ROW = re.compile(r'^\|.*\|', re.MULTILINE)
DIV = re.compile(r'^ *:{3,}\s*(?P<attributes>.*?)\s*:*$')  # a line of :::, which closes if bare
IMAGE = re.compile(
    r'''
    !\[(?P<caption>(?:[^\[\]]|\[[^\]]*\])*)\]  # may hold a link or a citation
    \((?P<target>[^)\s]+)[^)]*\)
    (?P<attributes>\{[^{}]*\})?
    ''',
    re.VERBOSE,
)

# The three ways to write a link: [text](target), [text]: target, src="target".
INLINE_LINK = re.compile(r'(?P<before>\]\(\s*<?)(?P<target>[^\s)<>]+)')
LINK_DEFINITION = re.compile(
    r'(?P<before>^ {0,3}\[(?!\^)[^\]\n]+\]:\s*<?)(?P<target>[^\s>]+)', re.MULTILINE
)
HTML_LINK = re.compile(r'(?P<before>\b(?:src|href)=["\'])(?P<target>[^"\']+)')
LINKS = (INLINE_LINK, LINK_DEFINITION, HTML_LINK)
SCHEME = re.compile(r'[a-z][a-z0-9+.-]*:|//', re.IGNORECASE)  # https:, mailto:

# The kinds of things that Quarto numbers, by what their labels begin with.
REFERENCE_WORDS = {
    'fig': 'figure',
    'tbl': 'table',
    'eq': 'equation',
    'sec': 'section',
    'lst': 'listing',
    'thm': 'theorem',
    'lem': 'lemma',
    'cor': 'corollary',
    'prp': 'proposition',
    'cnj': 'conjecture',
    'def': 'definition',
    'exm': 'example',
    'exr': 'exercise',
    'sol': 'solution',
    'rem': 'remark',
    'alg': 'algorithm',
}


class Heading(NamedTuple):
    """A heading outside fences."""

    level: int
    text: str  # with its attributes

    @property
    def title(self) -> str:
        """What a reader sees."""
        return ATTRIBUTES.sub('', self.text).strip()

    @property
    def label(self) -> str:
        """The identifier that its attributes give, '' if they give none."""
        found = LABEL.search(self.text)
        return found[1] if found else ''

    @property
    def anchor(self) -> str:
        """What a link calls it: its label, or what pandoc makes of its title."""
        return self.label or slug(self.title)


def headings(text: str) -> list[Heading]:
    """Those outside fences, from the top."""
    found = HEADING.findall(FENCE.sub('', text))
    return [Heading(len(marks), heading) for marks, heading in found]


def slug(title: str) -> str:
    """The identifier that pandoc makes of a heading."""
    without_links = re.sub(r'!?\[([^\]]*)\]\([^)]*\)', r'\1', title).strip().lower()
    words = re.sub(r'[^\w\s.-]', '', without_links)
    joined = re.sub(r'\s+', '-', words)
    from_first_letter = re.sub(r'^[\W\d_]+', '', joined)
    return from_first_letter or 'section'


@cache
def prose(text: str) -> str:
    """The text without code, comments and maths, in which an @ or a ]( means nothing."""
    for pattern in LITERALS:
        text = pattern.sub(fence_attributes if pattern is FENCE else ' ', text)
    return text


def fence_attributes(fence: re.Match[str]) -> str:
    """What a fence leaves of itself in the prose: a label may stand in its first line."""
    return ' '.join(ATTRIBUTES.findall(fence['info']))


def outside_literals(text: str, change: Callable[[str], str]) -> str:
    """Change all of a text but its code, comments and maths."""
    kept: list[str] = []

    def stash(literal: re.Match[str]) -> str:
        """Put a literal aside; a number between two NULs takes its place."""
        kept.append(literal[0])
        return f'\0{len(kept) - 1}\0'

    for pattern in LITERALS:
        text = pattern.sub(stash, text)
    text = change(text)
    while '\0' in text:  # more than once: a stashed comment may hold stashed code
        text = re.sub('\0(\\d+)\0', lambda place: kept[int(place[1])], text)
    return text


def labels(text: str) -> list[str]:
    """All that is labelled in a text by {#...}."""
    return LABEL.findall(prose(text))


def cited_keys(text: str) -> list[str]:
    """All that a text names by @: sources, and labels such as fig-x."""
    return KEY.findall(prose(text))


def is_label(key: str) -> bool:
    """Whether a key names something that Quarto numbers, and not a source."""
    kind, dash, _ = key.partition('-')
    return bool(dash) and kind.lower() in REFERENCE_WORDS


def link_targets(text: str) -> list[str]:
    """Where the links and pictures of a text lead to, each once."""
    plain = prose(text)
    found: dict[str, None] = {}
    for pattern in LINKS:
        found.update(dict.fromkeys(link['target'] for link in pattern.finditer(plain)))
    return list(found)


def change_links(text: str, change: Callable[[str], str]) -> str:
    """The text with another target for each of its links."""
    for pattern in LINKS:
        text = pattern.sub(lambda link: link['before'] + change(link['target']), text)
    return text


def is_external(target: str) -> bool:
    """Whether a link leads away from the book's own files."""
    return bool(SCHEME.match(target))
