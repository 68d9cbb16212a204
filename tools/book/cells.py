"""A cell of a notebook: its options, its code, and the markdown that Quarto reads in it."""
from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .markdown import labels, prose

Output = dict[str, Any]  # as nbformat saves it

WIDGET_VIEW = 'application/vnd.jupyter.widget-view+json'
WIDGET_STATE = 'application/vnd.jupyter.widget-state+json'

EXPORTING = {'export', 'exports'}  # the definitions of such a cell are public
IN_LIBRARY = {*EXPORTING, 'exporti'}
HIDING = {'hide', 'export', 'exporti', 'default_exp'}  # nbdev drops the cell and its outputs
CAPTIONS = ('fig-cap', 'tbl-cap', 'lst-cap')  # options that hold markdown

OPTION_LINE = re.compile(r'\s*#\s*\|')
# '#| name: value' for Quarto, '#| name value' for nbdev; nbdev knows one space behind the bar
OPTION = re.compile(r'#\s*\| ?(?P<name>[\w-]+)(?:\s*:)?[ \t]*(?P<value>.*?)[ \t]*$')
HTML_ID = re.compile(r'<[a-z][^<>]*\bid=["\']([^"\']+)')


@dataclass
class Cell:
    """A cell of a notebook, or a whole .qmd file."""

    file: str  # its name in nbs/
    index: int  # its place in nb['cells'], from 0
    kind: str  # 'markdown', 'code' or 'raw'
    source: str
    outputs: list[Output] = field(default_factory=list)
    execution_count: int | None = None

    @property
    def where(self) -> str:
        """The place, as findings name it."""
        is_notebook = self.file.endswith('.ipynb')
        return f'nbs/{self.file}: cell {self.index}' if is_notebook else f'nbs/{self.file}'

    @cached_property
    def option_lines(self) -> list[str]:
        """The `#|` lines at the top."""
        if self.kind != 'code':
            return []
        written = [line for line in self.source.splitlines() if line.strip()]
        return list(itertools.takewhile(OPTION_LINE.match, written))

    @cached_property
    def options(self) -> dict[str, str]:
        """Quarto's options and nbdev's directives."""
        found = [OPTION.match(line.strip()) for line in self.option_lines]
        return {option['name']: unquoted(option['value']) for option in found if option}

    @property
    def label(self) -> str:
        """The option of that name, '' without one."""
        return self.options.get('label', '')

    @property
    def code(self) -> str:
        """The source below the options."""
        return self.code_in_place.strip('\n')

    @property
    def code_in_place(self) -> str:
        """The source with empty lines for the options, so that each line keeps its number."""
        lines = self.source.split('\n')
        below = list(itertools.dropwhile(is_option_or_empty, lines))
        return '\n'.join([''] * (len(lines) - len(below)) + below)

    @property
    def exported(self) -> bool:
        """Whether it defines what the library offers."""
        return bool(EXPORTING & self.options.keys())

    @property
    def in_library(self) -> bool:
        """Whether its code becomes a part of the library."""
        return bool(IN_LIBRARY & self.options.keys())

    @property
    def hidden(self) -> bool:
        """Whether the page shows nothing of it."""
        return bool(HIDING & self.options.keys()) or self.options.get('include') == 'false'

    @property
    def shown_outputs(self) -> list[Output]:
        """The outputs that the page shows."""
        return [] if self.hidden or self.options.get('output') == 'false' else self.outputs

    @property
    def shown_types(self) -> set[str]:
        """The MIME types among them."""
        return {mime for output in self.shown_outputs for mime in output.get('data', {})}

    @cached_property
    def texts(self) -> list[str]:
        """All markdown that Quarto reads here."""
        if self.kind != 'code':
            return [self.source] if self.kind == 'markdown' else []
        if self.hidden:
            return []
        captions = [self.options.get(name, '') for name in CAPTIONS]
        printed = [self._markdown_of(output) for output in self.shown_outputs]
        return list(filter(None, captions + printed))

    def _markdown_of(self, output: Output) -> str:
        """What an output holds of it."""
        if self.options.get('output') == 'asis' and 'text' in output:
            return joined(output['text'])
        return output_data(output, 'text/markdown')

    @cached_property
    def given_names(self) -> list[str]:
        """The identifiers that are written here by hand: labels and HTML's id."""
        names = [self.label] if self.label and not self.hidden else []
        for text in self.texts:
            names += labels(text)
        for text in self.texts:
            names += HTML_ID.findall(prose(text))
        return names


def is_option_or_empty(line: str) -> bool:
    """Whether no code has begun yet."""
    return not line.strip() or bool(OPTION_LINE.match(line))


def unquoted(value: str) -> str:
    """A YAML value without its quotes."""
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in '"\''
    return value[1:-1] if is_quoted else value


def joined(text: str | list[str]) -> str:
    """A text that nbformat may have saved as a list of lines."""
    return text if isinstance(text, str) else ''.join(text)


def output_data(output: Output, mime: str) -> str:
    """What an output says in one MIME type, '' if it says nothing."""
    return joined(output.get('data', {}).get(mime, ''))


def read_cells(path: Path) -> list[Cell]:
    """The cells of a notebook; a .qmd file is one."""
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.qmd':
        return [Cell(path.name, 0, 'markdown', text)]
    return [cell_from_json(path.name, index, saved)
            for index, saved in enumerate(json.loads(text)['cells'])]


def cell_from_json(
    file: str,  # name of the notebook
    index: int,  # place in it
    saved: dict[str, Any],  # as nbformat saves a cell
) -> Cell:
    """The cell that a notebook holds."""
    return Cell(
        file,
        index,
        saved['cell_type'],
        joined(saved['source']),
        saved.get('outputs', []),
        saved.get('execution_count'),
    )
