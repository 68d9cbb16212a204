"""The reference page explains each argument of the library, as the library itself does.

The page is made by tools/book from the notebooks; here it is read as a reader has it, and held
against the imported package, whose comments are read by fastcore.
"""
from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastcore.docments import docments

import rssr

PAGE = Path(__file__).parents[1] / 'nbs' / 'api.ipynb'
ENTRY = re.compile(r'^- \[\*\*(?P<name>[\w.]+)\*\*\]\((?P<file>[\w.]+)#', re.MULTILINE)
ARGUMENT = re.compile(r'^  - `\**(?P<name>\w+)[^`]*`: (?P<comment>.+)$', re.MULTILINE)


class Public(NamedTuple):
    """A function or class of the library that is exported."""

    name: str
    chapter: str  # the notebook it is exported from
    value: Callable[..., Any]

    def arguments(self) -> dict[str, inspect.Parameter]:
        """What one calls it with."""
        if isinstance(self.value, type) and issubclass(self.value, Exception):
            return {}
        try:
            return dict(inspect.signature(self.value).parameters)
        except ValueError:  # a class that is made as a builtin one is
            return {}

    def is_unexplained(self) -> bool:
        """Whether it is a console command, or a protocol, which nobody calls."""
        is_protocol = getattr(self.value, '_is_protocol', False)
        return is_protocol or list(self.arguments()) == ['argv']


def exported() -> Iterator[Public]:
    """All functions and classes that the modules offer."""
    for found in pkgutil.iter_modules(rssr.__path__, 'rssr.'):
        module = importlib.import_module(found.name)
        chapter = re.search(r'File to edit: \.\./nbs/(\S+)\.$', inspect.getsource(module), re.M)
        for name in getattr(module, '__all__', []):
            value = getattr(module, name)
            if chapter and getattr(value, '__module__', '') == found.name:
                yield Public(name, chapter[1], value)


def explained() -> dict[tuple[str, str], dict[str, str]]:
    """For each entry of the page, by chapter and name, the comment of each argument."""
    shown = []
    for cell in json.loads(PAGE.read_text(encoding='utf-8'))['cells']:
        for output in cell.get('outputs', []):
            shown.append(''.join(output.get('data', {}).get('text/markdown', [])))
    text = '\n'.join(shown)
    entries = list(ENTRY.finditer(text))
    ends = [entry.start() for entry in entries[1:]] + [len(text)]
    found: dict[tuple[str, str], dict[str, str]] = {}
    for entry, end in zip(entries, ends):
        arguments = dict(ARGUMENT.findall(text[entry.end():end]))
        comments = {name: comment.replace('\\', '') for name, comment in arguments.items()}
        found.setdefault((entry['file'], entry['name']), comments)  # commands come again
    return found


PUBLIC = list(exported())
EXPLAINED = explained()


def test_the_library_is_there() -> None:
    """Neither list is empty by mistake."""
    assert len(PUBLIC) > 150
    assert len(EXPLAINED) >= len(PUBLIC)


def comments_in_code(value: Callable[..., Any]) -> dict[str, str]:
    """The comment of each argument, as far as fastcore can tell."""
    fields = getattr(value, '_fields', ())  # of a named tuple, which fastcore cannot read
    if fields:
        source = inspect.getsource(value)
        return {name: re.findall(rf'^    {name}: .*# (.*)$', source, re.M)[0] for name in fields}
    found = docments(inspect.unwrap(value), returns=False)
    return {name: ' '.join(comment.split()) for name, comment in found.items() if comment}


@pytest.mark.parametrize('public', PUBLIC, ids=[public.name for public in PUBLIC])
def test_each_argument_is_explained_on_the_page(public: Public) -> None:
    """By a comment, which is its own."""
    on_page = EXPLAINED[public.chapter, public.name]
    if public.is_unexplained():
        assert 'argv' not in on_page
        return
    in_code = comments_in_code(public.value) if public.arguments() else {}
    for name, argument in public.arguments().items():
        assert on_page.get(name), f'{public.name}: {name} is not explained'
        if argument.kind is not inspect.Parameter.VAR_KEYWORD:  # fastcore leaves these out
            assert on_page[name] == in_code.get(name), f'{public.name}: {name}'


def test_comments_are_not_those_of_a_neighbour() -> None:
    """A check of the check: an exchange of two comments would be seen."""
    pgd = EXPLAINED['08_attacks.ipynb', 'pgd']
    assert pgd['y'] != pgd['x']
    assert len(set(pgd.values())) == len(pgd) == 8
