"""What exported cells define, as nbdev documents it."""
from __future__ import annotations

import ast
from typing import NamedTuple

from .cells import Cell

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef

RECEIVERS = ('self', 'cls')  # no argument that a caller writes


class Parameter(NamedTuple):
    """One argument of a call."""

    name: str
    line: int  # of the source that was parsed, from 1
    required: bool  # without a default and not by keyword alone
    stars: str = ''  # '*' or '**' of one that takes all others
    annotation: ast.expr | None = None
    default: ast.expr | None = None  # what it is if a call leaves it out


def parse(cell: Cell) -> ast.Module:
    """The code of a cell."""
    try:
        return ast.parse(cell.code)
    except SyntaxError as error:
        raise SystemExit(f'{cell.where}: no Python: {error}') from None


def documented(cell: Cell) -> dict[str, Definition]:
    """What nbdev documents below an exported cell, by name.

    `pgd`, and `Photographs.decoded` for a method that is patched into a class.
    """
    if not cell.exported:
        return {}
    found = [node for node in parse(cell).body if isinstance(node, Definition)]
    return {full_name(node): node for node in found if not node.name.startswith('_')}


def full_name(node: Definition) -> str:
    """The name, behind that of its class for a patched method."""
    if isinstance(node, ast.ClassDef) or not is_decorated(node, 'patch'):
        return node.name
    patched = node.args.args[0].annotation  # def f(self: Photographs)
    return f'{ast.unparse(patched)}.{node.name}' if patched else node.name


def is_decorated(
    node: Definition,
    name: str,  # of a decorator, which may be called: `@dataclass(frozen=True)`
) -> bool:
    """Whether a decorator of that name stands above a definition."""
    names = [ast.unparse(decorator).partition('(')[0] for decorator in node.decorator_list]
    return name in names


def docstrings(cell: Cell) -> dict[str, str]:
    """The docstring of each documented definition, on one line; '' if there is none."""
    return {name: one_line(ast.get_docstring(node)) for name, node in documented(cell).items()}


def one_line(text: str | None) -> str:
    """A text with single spaces for all white space."""
    return ' '.join((text or '').split())


def definition_source(
    code: str,
    node: Definition,  # parsed from that code
) -> str:
    """The lines of a definition, from its first decorator on."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return '\n'.join(code.split('\n')[first - 1:node.end_lineno])


def constructor(node: ast.ClassDef) -> Function | None:
    """A class's own `__init__`."""
    found = [member for member in node.body if isinstance(member, Function)]
    return next((member for member in found if member.name == '__init__'), None)


def parameters(node: Definition) -> list[Parameter]:
    """What one calls a function or a class with; `self` is left out."""
    if not isinstance(node, ast.ClassDef):
        return function_parameters(node)
    written = constructor(node)
    if written:
        return function_parameters(written)
    return field_parameters(node) if has_fields(node) else []


def has_fields(node: ast.ClassDef) -> bool:
    """Whether a class is called with its fields: a dataclass or a named tuple."""
    return is_decorated(node, 'dataclass') or 'NamedTuple' in base_names(node)


def base_names(node: ast.ClassDef) -> list[str]:
    """What a class inherits from, as it is written."""
    return [ast.unparse(base) for base in node.bases]


def function_parameters(node: Function) -> list[Parameter]:
    """The parameters of a function in the order of its signature."""
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    required = len(positional) - len(spec.defaults)
    found = [from_argument(argument, required=True) for argument in positional[:required]]
    found += [from_argument(argument, default)
              for argument, default in zip(positional[required:], spec.defaults)]
    if spec.vararg:
        found.append(from_argument(spec.vararg, stars='*'))
    found += [from_argument(argument, default)
              for argument, default in zip(spec.kwonlyargs, spec.kw_defaults)]
    if spec.kwarg:
        found.append(from_argument(spec.kwarg, stars='**'))
    return [parameter for parameter in found if parameter.name not in RECEIVERS]


def from_argument(
    argument: ast.arg,  # as Python's parser names it
    default: ast.expr | None = None,  # of the signature
    required: bool = False,  # whether every call must give it
    stars: str = '',  # that stand before it
) -> Parameter:
    """An argument of a function's signature."""
    return Parameter(
        argument.arg, argument.lineno, required, stars, argument.annotation, default
    )


def field_parameters(node: ast.ClassDef) -> list[Parameter]:
    """The fields of a dataclass."""
    fields = [member for member in node.body if isinstance(member, ast.AnnAssign)]
    return [
        Parameter(
            ast.unparse(member.target),
            member.lineno,
            required=not member.value,
            annotation=member.annotation,
            default=member.value,
        )
        for member in fields
    ]


def call_signature(node: Definition) -> str:
    """What one calls it with, what may be left out in brackets: `(f, y[, k])`."""
    found = parameters(node)
    required = ', '.join(item.name for item in found if item.required)
    optional = ', '.join(item.stars + item.name for item in found if not item.required)
    if not optional:
        return f'({required})'
    return f'({required}[, {optional}])' if required else f'([{optional}])'
