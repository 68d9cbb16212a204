"""Each argument of what the library offers is explained by a comment of its own.

    def smooth(
        images: Tensor,  # (N, 3, h, w), normalised
        draws: int = 10,  # for each of them
    ) -> Tensor:  # of the same shape

`--help` of the commands and the reference page are made of these comments. As in fastcore's
docments, a comment behind the type of the result is about the result. Whoever reads the page
sees one definition: a comment that sends him to another one says nothing.
"""
from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from collections import Counter
from collections.abc import Iterator

from .chapters import Book
from .definitions import (
    Definition,
    Function,
    constructor,
    definition_source,
    documented,
    field_parameters,
    is_decorated,
    parameters,
)

# as in pgd; as above; see other; the same as `f`
ELSEWHERE = re.compile(
    r"""
    (?:the[ ])?(?:as|same|see|like)(?:[ ](?:as|in|for|of))*
    (?:[ ][`\w.]+(?:\(\))?)?   # one word: of two, one may mean something
    """,
    re.VERBOSE | re.IGNORECASE,
)
EXPLAINED = 'shape size length type units unit device'.split()  # same shape: that is an answer


def check_arguments(book: Book) -> Iterator[str]:
    """No two arguments share a line, and the comment of each says what it means."""
    for cell in book.cells:
        for name, node in documented(cell).items():
            if is_decorated(node, 'overload'):  # the definition itself comes below
                continue
            comments = argument_comments(definition_source(cell.code, node))
            for parameter in [] if is_console(node) else comments:
                fault = comment_fault(comments[parameter])
                if fault:
                    yield f'{cell.where}: {name}: parameter {parameter} {fault}'


def is_console(node: Definition) -> bool:
    """Whether it is a console command, whose one argument is the words of the command line."""
    return [parameter.name for parameter in parameters(node)] == ['argv']


def comment_fault(comment: str) -> str:
    """What is wrong with the comment of an argument, '' if nothing."""
    if not comment:
        return 'has no comment of its own'
    if ELSEWHERE.fullmatch(comment) and comment.split()[-1] not in EXPLAINED:
        return f'is explained elsewhere ("{comment}"), say what it means'
    return ''


def argument_comments(source: str) -> dict[str, str]:
    """The comment of each argument of a function, an `__init__` or a dataclass.

    The source is that of one definition. An argument without a comment of its own has ''.
    """
    code = textwrap.dedent(source)
    node = ast.parse(code).body[0]
    if not isinstance(node, Definition):
        raise ValueError(f'no definition: {code.splitlines()[0]}')
    comments = comments_by_line(code)
    found = parameters(node)
    taken = Counter(parameter.line for parameter in found)
    taken[result_line(node)] += 1
    return {
        parameter.name: comments.get(parameter.line, '') if taken[parameter.line] == 1 else ''
        for parameter in found
    }


def comments_by_line(code: str) -> dict[int, str]:
    """The text of each comment, by the number of its line."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return {token.start[0]: token.string.lstrip('#').strip()
            for token in tokens if token.type == tokenize.COMMENT}


def result_line(node: Definition) -> int:
    """The line on which the type of the result stands, 0 without one."""
    function = constructor(node) if isinstance(node, ast.ClassDef) else node
    return function.returns.lineno if function and function.returns else 0


def result_comment(source: str) -> str:
    """The comment behind the type of a function's result, '' if there is none."""
    code = textwrap.dedent(source)
    node = ast.parse(code).body[0]
    return comments_by_line(code).get(result_line(node), '') if isinstance(node, Function) else ''


def attribute_comments(source: str) -> dict[str, str]:
    """The comment of each annotated attribute of a class that has one."""
    code = textwrap.dedent(source)
    node = ast.parse(code).body[0]
    comments = comments_by_line(code)
    fields = field_parameters(node) if isinstance(node, ast.ClassDef) else []
    return {field.name: comments[field.line] for field in fields if field.line in comments}
