"""The sources of refs.bib."""
from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

# @article{key, ... } with the closing brace at the beginning of a line
ENTRY = re.compile(r'^@\w+\{\s*([^,\s]+)\s*,(.*?)^\}', re.MULTILINE | re.DOTALL)
# name = {value} with at most one pair of braces inside, or name = "value"
FIELD = re.compile(r'(\w+)\s*=\s*(?:\{((?:[^{}]|\{[^{}]*\})*)\}|"([^"]*)")')


class Source(NamedTuple):
    """One entry."""

    key: str
    fields: dict[str, str]

    @property
    def family_names(self) -> list[str]:
        """Of its authors; the key where there are none."""
        authors = re.split(r'\s+and\s+', self.fields.get('author', self.key).strip())
        return [family_name(author) for author in authors]


def family_name(author: str) -> str:
    """Of 'Cohen, Jeremy' and of 'Jeremy Cohen'."""
    return author.partition(',')[0] if ',' in author else author.split()[-1]


def read_fields(body: str) -> dict[str, str]:
    """The fields of an entry, without the braces that keep capital letters."""
    fields = {}
    for name, braced, quoted in FIELD.findall(body):
        fields[name.lower()] = re.sub('[{}]', '', braced or quoted)
    return fields


def read_bibliography(path: Path) -> list[Source]:
    """The entries of a file, in its order; none if there is no file."""
    if not path.exists():
        return []
    entries = ENTRY.findall(path.read_text(encoding='utf-8'))
    return [Source(key, read_fields(body)) for key, body in entries]
