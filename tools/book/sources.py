"""The code that is measured: of exported cells, of other cells, of tests and tools."""
from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .chapters import Book
from .definitions import Function

# What tokenize yields beside the words of the language.
NO_TOKENS = {
    tokenize.ENCODING,
    tokenize.NEWLINE,
    tokenize.NL,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.COMMENT,
    tokenize.ENDMARKER,
}


@dataclass
class Source:
    """A cell or a file."""

    place: str  # 'nbs/FILE:CELL' or 'FILE'; a line number may follow
    code: str  # empty lines stand for a cell's options, so that each line keeps its number

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed code."""
        try:
            return ast.parse(self.code)
        except SyntaxError as error:
            raise SystemExit(f'{self.place}: no Python: {error}') from None

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All parts of the tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def tokens(self) -> list[tokenize.TokenInfo]:
        """The words of the code; comments are none.

        Python 3.12 and later cut an f-string in pieces: compare numbers of one version.
        """
        found = tokenize.generate_tokens(io.StringIO(self.code).readline)
        return [token for token in found if token.type not in NO_TOKENS]

    @property
    def lines(self) -> Iterator[tuple[int, str]]:
        """(number, line) of each line that is not empty."""
        for number, line in enumerate(self.code.split('\n'), start=1):
            if line.strip():
                yield number, line

    @property
    def functions(self) -> list[Function]:
        """All functions and methods, nested ones as well."""
        return [node for node in self.nodes if isinstance(node, Function)]


@dataclass
class Group:
    """What one column of the table is about."""

    title: str
    sources: list[Source]
    commands: set[str]  # functions that are console commands


def read_groups(root: Path) -> list[Group]:
    """The three columns: exported cells, other cells, tests and tools."""
    exported: list[Source] = []
    other: list[Source] = []
    for cell in Book(root).cells:
        if cell.kind == 'code' and cell.code:
            source = Source(f'nbs/{cell.file}:{cell.index}', cell.code_in_place)
            (exported if cell.in_library else other).append(source)
    files = [read_source(path, root) for path in code_files(root)]
    commands = console_scripts(root / 'settings.ini') | passed_to_command(exported)
    return [
        Group('exported', exported, commands),
        Group('test cells', other, commands),
        Group('tests+tools', files, commands),
    ]


def code_files(root: Path) -> list[Path]:
    """The Python files beside the book."""
    return [*sorted((root / 'tests').glob('*.py')), *sorted((root / 'tools').rglob('*.py'))]


def read_source(
    path: Path,
    root: Path,  # where its name begins
) -> Source:
    """A file."""
    return Source(path.relative_to(root).as_posix(), path.read_text(encoding='utf-8'))


def console_scripts(settings: Path) -> set[str]:
    """The functions that settings.ini makes console commands of."""
    parser = ConfigParser(delimiters=['='])
    parser.read(settings, encoding='utf-8')
    scripts = parser['DEFAULT'].get('console_scripts', '').split()
    return {script.rpartition(':')[2] for script in scripts}


def passed_to_command(sources: list[Source]) -> set[str]:
    """The functions that are made console commands by `command(function, ...)`."""
    found: set[str] = set()
    for source in sources:
        calls = [node for node in source.nodes if isinstance(node, ast.Call) and node.args]
        found |= {ast.unparse(call.args[0]) for call in calls
                  if ast.unparse(call.func) == 'command'}
    return found
