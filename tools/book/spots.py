"""Where the code is dense: each line, or function, and how large it is."""
from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .definitions import Definition, function_parameters
from .sources import Group, Source


class Spot(NamedTuple):
    """A line, or a function, and how large it is."""

    size: int
    where: str  # file:cell:line or file:line
    what: str


Measure = Callable[[Group], Iterator[Spot]]


def sizes(measure: Measure, group: Group) -> list[int]:
    """The sizes alone."""
    return [spot.size for spot in measure(group)]


def line_lengths(group: Group) -> Iterator[Spot]:
    """Characters of each line that is not empty."""
    for source in group.sources:
        for number, line in source.lines:
            yield Spot(len(line), f'{source.place}:{number}', beginning(line))


def beginning(line: str) -> str:
    """As much of a line as is needed to find it."""
    return line.strip()[:50]


def tokens_per_line(group: Group) -> Iterator[Spot]:
    """Words of each line that has any."""
    for source in group.sources:
        counts = Counter(token.start[0] for token in source.tokens)
        for number, count in counts.items():
            yield Spot(count, f'{source.place}:{number}', '')


def separators(group: Group) -> Iterator[Spot]:
    """How often a semicolon parts statements, for each line with one."""
    for source in group.sources:
        marks = [token for token in source.tokens if token.string == ';']
        counts = Counter(mark.start[0] for mark in marks)
        for number, line in source.lines:
            if number in counts:
                yield Spot(counts[number], f'{source.place}:{number}', beginning(line))


def named_lambdas(group: Group) -> Iterator[Spot]:
    """Each lambda that is given a name, which a def would give."""
    for source in group.sources:
        for node in source.nodes:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
                name = ast.unparse(node.targets[0])
                yield Spot(1, f'{source.place}:{node.lineno}', name)


def parameter_counts(group: Group) -> Iterator[Spot]:
    """Parameters of each function, self left out."""
    for source in group.sources:
        for node in source.functions:
            count = len(function_parameters(node))
            yield Spot(count, f'{source.place}:{node.lineno}', node.name)


def own_parameter_counts(group: Group) -> Iterator[Spot]:
    """The same without commands: their parameters are options."""
    for spot in parameter_counts(group):
        if spot.what not in group.commands:
            yield spot


def complexities(group: Group) -> Iterator[Spot]:
    """Cyclomatic complexity of each function."""
    try:
        from radon.complexity import cc_visit
        from radon.visitors import Function
    except ImportError:
        raise SystemExit('density needs radon: python -m pip install radon') from None
    for source in group.sources:
        for block in cc_visit(source.code):
            if isinstance(block, Function):  # a class comes with its methods beside it
                where = f'{source.place}:{block.lineno}'
                yield Spot(block.complexity, where, block.fullname)


def statement_counts(group: Group) -> Iterator[Spot]:
    """Statements of each function, those of inner functions and blocks as well."""
    for source in group.sources:
        for node in source.functions:
            inside = [part for part in ast.walk(node) if isinstance(part, ast.stmt)]
            strings = [part for part in inside if is_docstring(part)]
            count = len(inside) - len(strings) - 1  # the function itself is one
            yield Spot(count, f'{source.place}:{node.lineno}', node.name)


def is_docstring(statement: ast.stmt) -> bool:
    """Whether a statement is nothing but a text."""
    if not isinstance(statement, ast.Expr):
        return False
    return isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)


def bound_names(source: Source) -> Iterator[str]:
    """Each name as often as something is bound to it; `_` says that nothing needs one."""
    for node in source.nodes:
        name = name_bound_by(node)
        if name and name != '_':
            yield name


def name_bound_by(node: ast.AST) -> str:
    """The name that an assignment, argument, definition, import or handler binds."""
    if isinstance(node, ast.Name):
        return node.id if isinstance(node.ctx, ast.Store) else ''
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, Definition | ast.alias | ast.ExceptHandler):
        return getattr(node, 'asname', None) or node.name or ''
    return ''
