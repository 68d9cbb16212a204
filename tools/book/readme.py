"""README.md, written from nbs/index.ipynb."""
from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

from .bibliography import read_bibliography
from .cells import Cell, Output, joined, output_data, read_cells, unquoted
from .github import GitHub

NOTICE = '<!-- Written by tools/book from nbs/index.ipynb: edit the notebook. -->'
IMAGE_SUFFIX = {'image/png': 'png', 'image/jpeg': 'jpg', 'image/svg+xml': 'svg'}

FRONT_MATTER = re.compile(r'^(title|description):\s*(.+?)\s*$', re.MULTILINE)
TITLE_CELL = re.compile(r'\s*# ')
TITLE_KEY = re.compile(r'^-\s+\S.*:.*\n?', re.MULTILINE)  # - aliases: [old.html]
LONGEST = 150  # lines of README.md; the rest is on the site
SITE_ONLY = '<!-- not in README -->\n'  # begins a cell of text; one of code says readme: false
TERMINAL_COLOUR = re.compile(r'\x1b\[[\d;]*[A-Za-z]')


class Readme:
    """index.ipynb as GitHub reads it: `text`, and the `images` that its cells have drawn."""

    def __init__(self, root: Path) -> None:
        self.github = GitHub(read_bibliography(root / 'nbs' / 'refs.bib'))
        self.images: dict[str, bytes] = {}  # by path from the root
        parts = [NOTICE]
        for cell in filter(in_readme, read_cells(root / 'nbs' / 'index.ipynb')):
            written = [part.strip('\n') for part in self._parts(cell)]
            parts += [part for part in written if part.strip()]
        self.text = '\n\n'.join(parts) + '\n'

    def _parts(self, cell: Cell) -> Iterator[str]:
        """What README.md holds of a cell."""
        if cell.kind == 'raw':
            yield front_matter(cell.source)
        elif cell.kind == 'markdown':
            is_title = TITLE_CELL.match(cell.source)
            source = TITLE_KEY.sub('', cell.source) if is_title else cell.source
            yield self.github.translate(source)
        elif not cell.hidden:
            if cell.code and cell.options.get('echo') != 'false':
                yield fenced(cell.code, 'python')
            for number, output in enumerate(cell.shown_outputs):
                yield self._output(cell, output, number)

    def _output(
        self,
        cell: Cell,  # which is shown
        output: Output,  # of that cell
        number: int,  # its place in the cell
    ) -> str:
        """What README.md holds of an output."""
        for mime, suffix in IMAGE_SUFFIX.items():
            drawing = output_data(output, mime)
            if drawing:
                extra = f'-{number}' if number else ''
                name = f'{cell.label or f"cell-{cell.index}"}{extra}.{suffix}'
                return self._image(cell, drawing, f'nbs/images/readme-{name}')
        table = output_data(output, 'text/markdown')
        if table:
            shown = self.github.translate(table).rstrip('\n')
            return shown + self._caption(cell, 'tbl-cap')
        return self._printed(cell, printed_text(output))

    def _image(
        self,
        cell: Cell,  # which is shown
        drawing: str,  # as the notebook saves it
        path: str,  # where README.md finds it
    ) -> str:
        """An image beside README.md, above its caption."""
        is_text = path.endswith('.svg')
        self.images[path] = drawing.encode() if is_text else base64.b64decode(drawing)
        return f'![{cell.options.get("fig-alt", "")}]({path})' + self._caption(cell, 'fig-cap')

    def _printed(
        self,
        cell: Cell,
        text: str,  # of one of its outputs
    ) -> str:
        """What a cell has printed, as text or as the markdown that it is."""
        if cell.options.get('output') == 'asis':
            return self.github.translate(text)
        plain = TERMINAL_COLOUR.sub('', text).strip('\n')
        return fenced(plain, 'text') if plain.strip() else ''

    def _caption(
        self,
        cell: Cell,
        option: str,  # that holds it
    ) -> str:
        """A caption below a figure or a table, '' if there is none."""
        caption = self.github.translate(cell.options.get(option, ''))
        return f'\n\n*{caption}*' if caption else ''


def in_readme(cell: Cell) -> bool:
    """Whether it is not for the site alone."""
    return not cell.source.startswith(SITE_ONLY) and cell.options.get('readme') != 'false'


def front_matter(source: str) -> str:
    """Title and description of a raw cell with YAML."""
    keys = dict(FRONT_MATTER.findall(source)) if source.startswith('---') else {}
    marks = {'title': '#', 'description': '>'}
    found = [f'{marks[name]} {unquoted(keys[name])}' for name in marks if name in keys]
    return '\n\n'.join(found)


def printed_text(output: Output) -> str:
    """What an output says in plain text; standard error is left out."""
    if output.get('name') == 'stdout':
        return joined(output['text'])
    return output_data(output, 'text/plain')


def fenced(
    text: str,
    language: str,  # for the colours
) -> str:
    """A text between lines of ticks, more of them than it holds itself."""
    longest = max(map(len, re.findall('`+', text)), default=0)
    ticks = '`' * max(3, longest + 1)
    return f'{ticks}{language}\n{text}\n{ticks}'


def stale_images(root: Path, made: Readme) -> list[Path]:
    """Images of an earlier README.md that this one does not show."""
    found = sorted((root / 'nbs' / 'images').glob('readme-*'))
    return [path for path in found if path.relative_to(root).as_posix() not in made.images]


def changed_files(root: Path, made: Readme) -> dict[Path, bytes]:
    """What is to be written: the files that differ from what is there."""
    wanted = {root / 'README.md': made.text.encode()}
    wanted.update({root / name: drawn for name, drawn in made.images.items()})
    return {path: content for path, content in wanted.items()
            if not path.exists() or path.read_bytes() != content}


def check_readme(root: Path) -> list[str]:
    """What differs from index.ipynb, and whether it is too long."""
    made = Readme(root)
    differing = [*changed_files(root, made), *stale_images(root, made)]
    found = [f'{path.relative_to(root).as_posix()}: differs from nbs/index.ipynb, '
             'run python -m tools.book readme' for path in differing]
    lines = len(made.text.splitlines())
    if lines > LONGEST:
        found.append(f'README.md: {lines} lines, at most {LONGEST}: leave cells of nbs/index.ipynb '
                     f'to the site ({SITE_ONLY.strip()}, or readme: false)')
    return found


def write_readme(root: Path) -> str:
    """Write README.md and its images; a line that says what was done."""
    made = Readme(root)
    changed = changed_files(root, made)
    for path, content in changed.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    for path in stale_images(root, made):
        path.unlink()
    return f'README.md: {len(made.text.splitlines())} lines, {len(changed)} files written'


def shell_command(
    root: Path,
    name: str,  # NAME in <!-- command: NAME -->
) -> str:
    """The content of README's fenced block below that comment."""
    path = root / 'README.md'
    text = path.read_text(encoding='utf-8') if path.exists() else ''
    block = re.compile(
        rf'''
        <!--\s*command:\s*{re.escape(name)}\s*-->\s*\n
        (?P<ticks>`{{3,}}|~{{3,}})[^\n]*\n
        (?P<content>.*?)\n
        (?P=ticks)
        ''',
        re.DOTALL | re.VERBOSE,
    )
    found = block.search(text)
    if not found:
        raise SystemExit(f'README.md: no fenced block under <!-- command: {name} -->, '
                         'write one in nbs/index.ipynb')
    return found['content']
