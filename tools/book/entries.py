"""What the reference says about a definition, all of it read from the source.

    - [**smooth**](04_smoothing.ipynb#smooth) `(f, y[, k])`
      The mean over draws.
      <details><summary>3 arguments</summary>

      - `f: Estimator`: what is smoothed
      - `k: int = 50`: draws for each image
      - returns `Tensor`: of the same shape

      </details>

The page api.ipynb prints these entries, and the check compares them with what it has saved.
"""
from __future__ import annotations

import ast
import re
from typing import NamedTuple

from .arguments import (
    argument_comments,
    attribute_comments,
    is_console,
    result_comment,
)
from .cells import Cell
from .chapters import Book, Place
from .definitions import (
    Definition,
    Function,
    Parameter,
    base_names,
    call_signature,
    definition_source,
    docstrings,
    documented,
    field_parameters,
    is_decorated,
    one_line,
    parameters,
)
from .markdown import outside_literals

SENTENCE_END = re.compile(r'(?<=[.!?])(?<!al\.)\s')  # not behind "et al."


class Source(NamedTuple):
    """A definition beside the code that it was parsed from."""

    node: Definition
    code: str  # of its cell

    @property
    def text(self) -> str:
        """Its lines."""
        return definition_source(self.code, self.node)


def entry(
    book: Book,  # where a class that it inherits from is looked up
    file: str,  # of the chapter, 'x.ipynb'
    place: Place,  # of the definition in it
) -> str:
    """How a definition is called, what it does in a sentence, and, folded, what belongs to it."""
    signature = signature_of(book, place)
    called = '' if signature == '()' else f' `{signature}`'
    said = first_sentence(docstrings(place.cell)[place.name])
    head = link(file, place) + called + (f'  \n  {said}' if said else '')
    return head + folded(details(book, place))


def link(
    file: str,  # of the chapter
    place: Place,  # of the definition in it
) -> str:
    """The name of a definition, as an item of a list."""
    return f'- [**{place.name}**]({file}#{place.anchor})'


def first_sentence(docstring: str) -> str:
    """What a docstring begins with."""
    return SENTENCE_END.split(docstring, maxsplit=1)[0]


def signature_of(
    book: Book,  # where a class that it inherits from is looked up
    place: Place,  # of a definition
) -> str:
    """What one calls it with, what may be left out in brackets."""
    return call_signature(built_by(book, source_of(place.cell, place.name)).node)


def source_of(
    cell: Cell,  # that holds it
    name: str,  # as nbdev calls it
) -> Source:
    """The source of a definition."""
    return Source(documented(cell)[name], cell.code)


def built_by(
    book: Book,  # where names are looked up
    source: Source,  # of a definition
) -> Source:
    """The definition that says what it is called with: itself, or the class it inherits that of."""
    node = source.node
    if parameters(node) or not isinstance(node, ast.ClassDef):
        return source
    for cell in book.cells:
        for name in documented(cell):
            if name in base_names(node):
                return built_by(book, source_of(cell, name))
    return source


class Details(NamedTuple):
    """What is folded under an entry."""

    title: str  # what it holds, counted
    lines: list[str]  # of a Markdown list


def details(
    book: Book,  # where a class that it inherits from is looked up
    place: Place,  # of a definition
) -> Details:
    """Arguments, result and methods."""
    source = source_of(place.cell, place.name)
    if is_console(source.node):
        return Details('', [])
    arguments = argument_lines(built_by(book, source))
    attributes = attribute_lines(source)
    methods = public_methods(source)
    counts = {'argument': len(arguments), 'attribute': len(attributes), 'method': len(methods)}
    lines = [*arguments, *attributes, *result_lines(source)]
    for method in methods:
        lines += method_lines(method)
    return Details(', '.join(counted(counts)) or 'result', lines)


def counted(counts: dict[str, int]) -> list[str]:
    """`2 arguments`, `1 method`; nothing of what there is none."""
    present = {word: count for word, count in counts.items() if count}
    return [f'{count} {word}' + ('s' if count > 1 else '') for word, count in present.items()]


def folded(found: Details) -> str:
    """Below an entry, closed until a reader opens it; '' if there is nothing.

    An empty line before it would make a paragraph of the title, and of every entry.
    """
    if not found.lines:
        return ''
    opening = f'<details><summary>{found.title}</summary>'
    inside = [opening, '', *found.lines, '', '</details>', '']
    return '\n' + '\n'.join(f'  {line}'.rstrip() for line in inside)


def argument_lines(source: Source) -> list[str]:
    """Each argument with its type, its default and what it means."""
    comments = argument_comments(source.text)
    return [item(written(argument), comments[argument.name])
            for argument in parameters(source.node)]


def attribute_lines(source: Source) -> list[str]:
    """What a protocol asks for beside methods."""
    node = source.node
    if not isinstance(node, ast.ClassDef) or 'Protocol' not in base_names(node):
        return []
    comments = attribute_comments(source.text)
    return [item('.' + written(field), comments.get(field.name, ''))
            for field in field_parameters(node)]


def result_lines(source: Source) -> list[str]:
    """The type of the result and what it means, if it has both."""
    node = source.node
    comment = result_comment(source.text)
    if not comment or not isinstance(node, Function) or not node.returns:
        return []
    return [f'- returns `{ast.unparse(node.returns)}`: {escaped(comment)}']


def public_methods(source: Source) -> list[Source]:
    """The methods that a user calls; how a class is called is one of them."""
    members = source.node.body if isinstance(source.node, ast.ClassDef) else []
    return [Source(member, source.code) for member in members
            if isinstance(member, Function) and is_public(member)]


def is_public(method: Function) -> bool:
    """Whether a method is for users, and no mere overload."""
    name_is_public = method.name == '__call__' or not method.name.startswith('_')
    return name_is_public and not is_decorated(method, 'overload')


def method_lines(source: Source) -> list[str]:
    """What a method is called with and does; below, its arguments as far as they are explained."""
    node = source.node
    is_value = is_decorated(node, 'property') or is_decorated(node, 'cached_property')
    called = f'.{node.name}' + ('' if is_value else call_signature(node))
    lines = [item(called, first_sentence(one_line(ast.get_docstring(node))), escape=False)]
    comments = argument_comments(source.text)
    explained = [argument for argument in parameters(node) if comments[argument.name]]
    return lines + ['    ' + item(written(argument), comments[argument.name])
                    for argument in explained]


def written(argument: Parameter) -> str:
    """An argument as a signature has it, `k: int = 50`."""
    text = argument.stars + argument.name
    if argument.annotation:
        text += f': {ast.unparse(argument.annotation)}'
    return text if argument.default is None else f'{text} = {ast.unparse(argument.default)}'


def item(
    code: str,  # name and type, or a call
    meaning: str,  # in words, '' if there are none
    escape: bool = True,  # whether the words are no Markdown
) -> str:
    """A line of the list."""
    said = escaped(meaning) if escape else meaning
    return f'- `{code}`' + (f': {said}' if said else '')


def escaped(comment: str) -> str:
    """A comment, in which a star is a star, as Markdown."""
    return outside_literals(comment, lambda text: re.sub(r'([*<])', r'\\\1', text))
