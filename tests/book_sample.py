"""A small book without fault, which tests of tools/book break in one place each."""
from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

Cell = dict[str, Any]
Output = dict[str, Any]

QUARTO = '''project:
  type: book
book:
  chapters:
    - index.ipynb
    # - draft.ipynb comes later
    - part: Background
      chapters:
        - 00_background.ipynb
    - references.qmd
format:
  html:
    theme: [cosmo, theme.scss]  # - gone.css
    include-in-header: https://x.org/a.html
'''
BIBLIOGRAPHY = '''@inproceedings{cohen2019,
  author = {Cohen, Jeremy and Rosenfeld, Elan and Kolter, J. Zico},
  title  = {Certified Adversarial Robustness via Randomized Smoothing},
  year   = {2019},
}
@article{more1983,
  author = {Mor{é}, Jorge J. and Sorensen, D. C.},
  year   = {1983},
}
'''
REFERENCES = '# References {.unnumbered}\n\n::: {#refs}\n:::\n'


# ------------------------------------------------------------------ cells and outputs


def text(source: str) -> Cell:
    """A markdown cell."""
    return {'cell_type': 'markdown', 'metadata': {}, 'source': source}


def code(source: str, outputs: list[Output] | None = None) -> Cell:
    """A code cell."""
    return {
        'cell_type': 'code',
        'metadata': {},
        'source': source,
        'outputs': outputs or [],
        'execution_count': None,
    }


def displayed(mime: str, content: Any) -> list[Output]:
    """What a cell saves that displays one thing."""
    data = {mime: content, 'text/plain': ['<object>']}
    return [{'output_type': 'display_data', 'metadata': {}, 'data': data}]


def printed(content: str, name: str = 'stdout') -> list[Output]:
    """What a cell saves that prints."""
    return [{'output_type': 'stream', 'name': name, 'text': [content]}]


DRAWN = displayed('image/png', base64.b64encode(b'\x89PNG drawn').decode())


# ------------------------------------------------------------------ the book

INDEX = [
    text('# Smoothing\n\n> Why it helps\n\n- skip_exec: true\n- aliases: [start.html]'),
    text(
        'As @cohen2019 show [@cohen2019; see @more1983, p. 3], noise helps.'
        ' @fig-drawn shows it, and so does @fig-other;\n'
        '[@eq-mean] says why in `@code` and $[a](b)$. Write to a@b.org.\n\n'
        '![A caption](images/x.png){#fig-x fig-alt="An x" width=50%}\n\n'
        '$$ g = E f $$ {#eq-mean}\n\n'
        'See [the background](00_background.ipynb#the-2-d-toy)'
        ' and <img src="images/x.png" alt="x">.'
    ),
    text(
        '::: {.callout-note title="Cost"}\n'
        'It takes `k` passes:\n\n'
        '```python\n@decorated  # [no](link)\n```\n'
        ':::'
    ),
    text(
        '<!-- command: test -->\n'
        '```bash\npython3 -m venv .venv\n.venv/bin/pytest -q\n```'
    ),
    code(
        "#| label: fig-drawn\n#| fig-cap: 'Drawn, after @cohen2019'\n"
        '#| fig-alt: A drawing\n#| echo: false\nplot()',
        DRAWN,
    ),
    code('#| hide\nsecret()', DRAWN),
    text('<!-- not in README -->\nRead on the site alone.'),
    code("#| readme: false\nprint('on the site alone')", printed('on the site alone')),
    code("#| slow\nprint('two')", printed('two\n')),
    code(
        '#| label: tbl-x\n#| tbl-cap: "Rows, after @cohen2019"\ntable',
        displayed('text/markdown', ['| a |\n', '|---|\n', '| [b](00_background.ipynb) |\n']),
    ),
]
BACKGROUND = [
    text('# Background'),
    text('## The 2-D toy {.unnumbered}\n\nWhat @fig-x says, @fig-other draws.'),
    code('#| export\ndef toy():\n    return 1'),
    code(
        '#| label: fig-other\n#| fig-cap: Toy\n#| fig-alt: A toy\n'
        'assert toy() == 1\ntoy()',
        DRAWN,
    ),
    text(
        ': Numbers {#tbl-toy}\n\n'
        '::: {.panel}\n'
        '[top](#the-2-d-toy), [index](index.ipynb#fig-x), [sources](refs.bib)'
    ),
    text('and @tbl-toy\n\n:::'),
]


def write_notebook(path: Path, cells: list[Cell]) -> None:
    """Save cells as nbdev_clean leaves them."""
    saved = []
    for index, cell in enumerate(cells):
        lines = cell['source'].splitlines(keepends=True)
        saved.append({**cell, 'id': f'c{index}', 'source': lines})
    notebook = {'cells': saved, 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 5}
    path.write_text(json.dumps(notebook, indent=1))


def write_background(root: Path, cells: list[Cell]) -> Path:
    """Save the cells as the second chapter."""
    path = root / 'nbs' / '00_background.ipynb'
    write_notebook(path, cells)
    return path


def write_index(root: Path, cells: list[Cell]) -> Path:
    """Save the cells as the first page."""
    path = root / 'nbs' / 'index.ipynb'
    write_notebook(path, cells)
    return path


def write_book(root: Path) -> Path:
    """The whole book in an empty folder."""
    images = root / 'nbs' / 'images'
    images.mkdir(parents=True)
    (images / 'x.png').write_bytes(b'x')
    (root / '_quarto.yml').write_text(QUARTO)
    (root / 'nbs' / 'refs.bib').write_text(BIBLIOGRAPHY)
    (root / 'nbs' / 'theme.scss').write_text('')
    (root / 'nbs' / 'references.qmd').write_text(REFERENCES)
    (root / 'tests').mkdir()
    (root / 'tests' / 'test_toy.py').write_text('def test_toy(): pass\n')
    write_index(root, INDEX)
    write_background(root, BACKGROUND)
    return root
