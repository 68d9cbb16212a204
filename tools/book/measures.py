"""How a notebook reads: how much of it is explained, how long its cells are, how heavy it is."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .cells import Cell
from .chapters import Book
from .markdown import FENCE

LONGEST_CELL = 40  # lines of code
HEAVIEST = 300  # units of 1000 bytes
# a line of text: no heading, no div, no comment
PROSE_LINE = re.compile(r'\s*(?!#|:::|<!--)\S')

COLUMNS = f'{"notebook":<26}{"cells":>6}{"longest":>9}{"prose/code":>12}{"KB":>6}'


@dataclass
class Measures:
    """Of one notebook."""

    file: str  # its name
    cells: int
    code_cells: int
    longest: int  # lines of a code cell; empty ones are none
    prose_lines: int
    kilobytes: float  # 1000 bytes each

    def row(self) -> str:
        """The line of the table."""
        share = f'{self.prose_lines}/{self.code_cells}'
        return (f'{self.file:<26}{self.cells:>6}{self.longest:>9}{share:>12}'
                f'{self.kilobytes:>6.0f}')

    def findings(self) -> Iterator[str]:
        """What is beyond its bound."""
        where = f'nbs/{self.file}'
        if self.longest > LONGEST_CELL:
            yield f'{where}: a code cell has {self.longest} lines, split it to {LONGEST_CELL}'
        if self.prose_lines < self.code_cells:
            yield (f'{where}: {self.prose_lines} lines of prose for {self.code_cells} code cells, '
                   'explain more')
        if self.kilobytes > HEAVIEST:
            yield f'{where}: {self.kilobytes:.1f} KB, cut the outputs to {HEAVIEST}'


def measure(
    book: Book,
    file: str,  # name of a notebook
) -> Measures:
    """The measures of a notebook."""
    cells = book.files[file]
    code_cells = [cell for cell in cells if cell.kind == 'code']
    return Measures(
        file,
        cells=len(cells),
        code_cells=len(code_cells),
        longest=max((code_lines(cell) for cell in code_cells), default=0),
        prose_lines=sum(prose_lines(cell) for cell in cells),
        kilobytes=(book.nbs / file).stat().st_size / 1000,
    )


def code_lines(cell: Cell) -> int:
    """The lines of a cell that are not empty."""
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def prose_lines(cell: Cell) -> int:
    """The lines of text of a cell, outside fences."""
    if cell.kind != 'markdown':
        return 0
    lines = FENCE.sub('', cell.source).splitlines()
    return sum(bool(PROSE_LINE.match(line)) for line in lines)


def print_measures(book: Book) -> list[str]:
    """Print the table; what is beyond its bounds is returned."""
    findings: list[str] = []
    print(COLUMNS)
    for file in book.notebooks:
        measured = measure(book, file)
        print(measured.row())
        findings += measured.findings()
    return findings
