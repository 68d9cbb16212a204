"""What makes the book fail: each check takes it and yields its findings, one line each.

Left to Quarto, which says so when it builds the pages: divs that do not balance, unknown
callouts, options that are no YAML, HTML and equations that are never closed.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator

from ..arguments import check_arguments
from ..chapters import Book
from .figures import (
    check_alt_texts,
    check_figures,
    check_letters,
    check_pictures,
    check_tables,
)
from .links import check_docstrings, check_links, check_made_links, check_test_names
from .outputs import check_options, check_outputs, check_printed, check_weight, check_widgets
from .reference import check_overloads, check_reference
from .references import check_bibliography, check_keys, check_labels, check_names
from .structure import check_chapters, check_equations, check_folded, check_named_files
from .titles import check_title_cells, check_titles

Check = Callable[[Book], Iterator[str]]

CHECKS: tuple[Check, ...] = (
    check_chapters,
    check_named_files,
    check_titles,
    check_title_cells,
    check_labels,
    check_bibliography,
    check_keys,
    check_names,
    check_links,
    check_made_links,
    check_docstrings,
    check_test_names,
    check_figures,
    check_letters,
    check_tables,
    check_pictures,
    check_alt_texts,
    check_equations,
    check_folded,
    check_outputs,
    check_printed,
    check_options,
    check_widgets,
    check_weight,
    check_reference,
    check_overloads,
    check_arguments,
)


def all_findings(book: Book) -> list[str]:
    """What every check finds."""
    found: list[str] = []
    for check in CHECKS:
        found += check(book)
    return found
