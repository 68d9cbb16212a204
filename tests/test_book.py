"""What `python -m tools.book check` promises: a good book passes, each kind of break is named."""
from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from book_sample import (
    BACKGROUND,
    BIBLIOGRAPHY,
    DRAWN,
    QUARTO,
    Cell,
    code,
    displayed,
    printed,
    text,
    write_background,
    write_book,
    write_notebook,
)

from tools.book.__main__ import main
from tools.book.arguments import argument_comments
from tools.book.cells import WIDGET_STATE, WIDGET_VIEW
from tools.book.chapters import Book
from tools.book.definitions import Definition, call_signature, documented
from tools.book.entries import entry

Capture = pytest.CaptureFixture[str]
Change = Callable[[list[Cell]], None]  # of a chapter
BookChange = Callable[[Path], object]  # of the book below its root


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The root of a book without fault."""
    return write_book(tmp_path)


def called(
    root: Path,  # of a book
    capsys: Capture,  # what is printed
    name: str = 'check',  # of the command
) -> tuple[int, str]:
    """Exit status and output of a command."""
    status = main(['--root', str(root), name])
    return status, capsys.readouterr().out


def test_good_book_passes(book: Path, capsys: Capture) -> None:
    """No finding, and the table of measures."""
    status, out = called(book, capsys)
    assert status == 0, out
    assert '3 chapters, 0 findings' in out
    assert out.splitlines()[0].split() == ['notebook', 'cells', 'longest', 'prose/code', 'KB']
    assert any(line.split()[:4] == ['00_background.ipynb', '6', '5', '4/2']
               for line in out.splitlines())


# ------------------------------------------------------------------ breaks in a notebook


FIGURE = '#| label: fig-more\n#| fig-cap: More\n#| fig-alt: More'


def drawing(
    letters: float,  # their size on a page, pixels
) -> str:
    """An SVG picture twice as wide as its place, with one number and its exponent."""
    points = 690 * 2 * 3 / 4
    size = letters * 2 * 3 / 4
    spans = f'<tspan style="font: {size}px">10</tspan><tspan style="font-size: 1px">2</tspan>'
    return f'<svg width="{points}pt"><text>{spans}</text></svg>'


def added(*cells: Cell) -> Change:
    """The chapter with more cells; the first of them is cell 6."""

    def change(chapter: list[Cell]) -> None:
        """Add them."""
        chapter += cells

    return change


def replaced(
    index: int,  # of the cell
    old: str,  # in its source
    new: str,  # in its place
) -> Change:
    """The chapter with other words in one cell."""

    def change(chapter: list[Cell]) -> None:
        """Replace them; they must be there."""
        cell = chapter[index]
        assert old in cell['source']
        chapter[index] = {**cell, 'source': cell['source'].replace(old, new)}

    return change


def first_text(chapter: list[Cell]) -> None:
    """Put text before the title."""
    chapter.insert(0, text('First.'))


def undrawn(chapter: list[Cell]) -> None:
    """Let the cell of the figure print a number."""
    chapter[3] = {**chapter[3], 'outputs': printed('1')}


REFERENCES = [
    (added(text('See @fig-none.')), 'cell 6: @fig-none has no label'),
    (added(text('See [-@Tbl-none].')), 'cell 6: @Tbl-none has no label'),
    (replaced(3, '#| label', '#| hide\n#| label'), 'cell 1: @fig-other has no label'),
    (added(text('$$ a $$ {#eq-mean}')),
     'nbs/index.ipynb: cell 1: label eq-mean is taken by nbs/00_background.ipynb: cell 6'),
    (added(text('As [@nobody2020] says.')), 'cell 6: @nobody2020 is not in refs.bib'),
    (added(text('so $a$ {#eq-a}')), 'cell 6: the label of an equation stands away from its $$'),
    (added(text('## Toy\n\n[a]{#toy}')),
     'cell 6: toy is also what a heading or definition in nbs/00_background.ipynb: cell 2'),
    (added(text('[a]{#x} <b id="x">b</b>')), 'cell 6: x is taken by nbs/00_background.ipynb'),
]
LINKS = [
    (added(text('[away](gone.ipynb)')), 'cell 6: gone.ipynb does not exist'),
    (added(text('![alt](images/y.png)')), 'cell 6: images/y.png does not exist'),
    (added(text('<img src="images/y.png">')), 'cell 6: images/y.png does not exist'),
    (added(text('[there][1]\n\n[1]: gone.md')), 'cell 6: gone.md does not exist'),
    (added(text('[out](../_quarto.yml)')), 'cell 6: ../_quarto.yml leaves nbs/'),
    (added(text('[anchor](index.ipynb#nowhere)')),
     'cell 6: index.ipynb has no heading or label nowhere'),
    (added(text('[anchor](#nowhere)')),
     'cell 6: 00_background.ipynb has no heading or label nowhere'),
    (added(text('::: {.callout-note}\n## Why\n:::\n\n[why](#why)')),  # a title, no heading
     'cell 6: 00_background.ipynb has no heading or label why'),
    (added(text('## More {#sec-more}\n\n[more](#more)')),  # the label takes the place of it
     'cell 6: 00_background.ipynb has no heading or label more'),
    (added(text('Held by `tests/test_gone.py::test_it`.')),
     'cell 6: tests/test_gone.py does not exist'),
    (added(text('Held by `tests/test_toy.py::test_gone`.')),
     'cell 6: tests/test_toy.py has no test test_gone'),
    (added(text('See [`toy()`](index.ipynb).')),
     'cell 6: `toy` in the text of a link becomes a link itself'),
    (added(code('#| export\ndef other(f, # as in `toy`\n    g): return 1')),
     'cell 6: `toy` in a comment becomes a link'),
    (added(code('#| exports\ndef other():\n    "Two ** three."\n    return 8')),
     'cell 6: the docstring of other has a bare *'),
    (added(code('#| export\n@overload\ndef other(x:int): ...')),
     'cell 6: nbdev documents other again for each @overload'),
]
TITLES = [
    (replaced(0, 'Background', 'Background {#sec-b}'), 'cell 0: the title carries attributes'),
    (replaced(0, '# Background', 'Untitled'), 'cell 0: 0 titles'),
    (added(text('# Another')), 'cell 6: 2 titles'),
    (replaced(0, '# Background', '# Background\n\nMore.'), 'cell 0: nbdev drops other text'),
    (replaced(0, '# Background', '# Background\n\n> one\n> two'), 'cell 0: nbdev keeps one line'),
    (first_text, 'cell 1: text stands before the title'),
]
FIGURES = [
    (added(code(FIGURE, displayed('image/svg+xml', drawing(letters=7)))),
     'cell 6: letters of 7.0 pixels on the page, draw fig-more narrower'),
    (replaced(3, '#| label: fig-other', '#| label: other'), 'cell 3: a figure without a label'),
    (replaced(3, '#| fig-cap: Toy\n', ''), 'cell 3: a figure without caption'),
    (replaced(3, '#| fig-alt: A toy\n', ''), 'cell 3: a figure without alt text'),
    (undrawn, 'cell 3: fig-other shows no figure'),
    (added(text('![](images/x.png)')), 'cell 6: images/x.png has no alt text'),
    (added(text('![A](images/x.png){#fig-a}')), 'cell 6: images/x.png needs a caption'),
    (added(text('![](images/x.png){#fig-a fig-alt="A"}')),
     'cell 6: images/x.png needs a caption and fig-alt'),
    (added(text('<img src="images/x.png" alt="">')),
     'cell 6: <img src="images/x.png" alt=""> has no alt text'),
    (added(code('#| label: tbl-a\nx', displayed('text/markdown', '| a |\n|---|\n| 1 |'))),
     'cell 6: a table without caption'),
    (added(code('#| label: tbl-a\n#| tbl-cap: A\nx', printed('1'))),
     'cell 6: tbl-a shows no table'),
    (added(text('::: {.callout-note}\nText.\n:::')), 'cell 6: a callout without title'),
    (added(text('<details>\n\nYes.\n\n</details>')), 'cell 6: a <details> without <summary>'),
]
ERROR = [{'output_type': 'error', 'ename': 'E', 'evalue': '', 'traceback': []}]
COUNTED = [{'output_type': 'execute_result', 'execution_count': 3, 'metadata': {}, 'data': {}}]
WIDGET = displayed(WIDGET_VIEW, {'model_id': 'a'})
OUTPUTS = [
    (replaced(3, 'Toy\n', 'Toy\n#|   goes on\n'), 'cell 3: nbdev drops "#|   goes on"'),
    (added(code('fail()', ERROR)), 'cell 6: a saved error'),
    (added(code('x', COUNTED)), 'cell 6: an execution count'),
    (added(code('x', printed('a.py:1: UserWarning: old\n', 'stderr'))),
     "cell 6: a reader stumbles over the saved 'UserWarning: old'"),
    (added(code('x', printed('wrote /home/me/out.csv'))),
     "cell 6: a reader stumbles over the saved '/home/me/out.csv'"),
    (added(code('x', printed('\x1b[31mred'))),
     "cell 6: a reader stumbles over the saved '\\x1b[31m'"),
    (added(code('x', WIDGET)), 'cell 6: a widget without its state'),
]
MEASURES = [
    (added(code('#| slow\n' + 'x = 1\n' * 40)), 'a code cell has 41 lines'),
    (added(*[code('x')] * 9), '4 lines of prose for 11 code cells'),
    (added(text('x' * 300_001)), 'KB, cut'),
]
ARGUMENTS = [
    (added(code('#| export\ndef other(first):\n    return first')),
     'cell 6: other: parameter first has no comment of its own'),
    (added(code('#| export\n@patch\ndef put(self: Box, value): pass')),
     'cell 6: Box.put: parameter value has no comment of its own'),
    (added(code('#| exports\n@dataclass\nclass Point:\n    x: int # across\n    y: int')),
     'cell 6: Point: parameter y has no comment of its own'),
    (added(code('#| export\nclass Box:\n    def __init__(self, size): pass')),
     'cell 6: Box: parameter size has no comment of its own'),
    (added(code('#| export\nclass Corner(NamedTuple):\n    x: int # across\n    y: int')),
     'cell 6: Corner: parameter y has no comment of its own'),
    (added(code('#| export\ndef other(first, # as in toy\n    second): # any number\n    0')),
     'cell 6: other: parameter first is explained elsewhere ("as in toy"), say what it means'),
]
BREAKS = [*REFERENCES, *LINKS, *TITLES, *FIGURES, *OUTPUTS, *MEASURES, *ARGUMENTS]


@pytest.mark.parametrize('change, finding', BREAKS, ids=[finding[:50] for _, finding in BREAKS])
def test_each_break_is_found(
    book: Path,  # its root
    capsys: Capture,  # what is printed
    change: Change,  # of the second chapter
    finding: str,  # a part of it
) -> None:
    """The finding names the cell and says what is wrong."""
    cells = list(BACKGROUND)
    change(cells)
    write_background(book, cells)
    status, out = called(book, capsys)
    assert status == 1
    begins = '' if finding.startswith('nbs/') else 'nbs/00_background.ipynb: '
    named = [line for line in out.splitlines() if line.startswith(begins)]
    assert any(finding in line for line in named), out


def test_forty_lines_with_their_options_pass(book: Path, capsys: Capture) -> None:
    """Empty lines are none."""
    write_background(book, [*BACKGROUND, code('#| slow\n#| eval: false\n' + 'x = 1\n\n' * 38)])
    status, out = called(book, capsys)
    assert status == 0, out


# ------------------------------------------------------------------ breaks beside the notebooks


def more_config(lines: str) -> BookChange:
    """The book with more in its _quarto.yml."""
    return lambda root: (root / '_quarto.yml').write_text(QUARTO + lines)


def other_bibliography(entries: str) -> BookChange:
    """The book with another refs.bib."""
    return lambda root: (root / 'nbs' / 'refs.bib').write_text(entries)


def unlisted_chapter(root: Path) -> None:
    """Write a chapter that _quarto.yml does not name."""
    write_notebook(root / 'nbs' / '01_new.ipynb', [text('# New')])


def bad_link_in_text(root: Path) -> None:
    """Let a .qmd file link to nothing."""
    (root / 'nbs' / 'references.qmd').write_text('# A\n\n[x](no.md)\n')


def heavy_picture(root: Path) -> None:
    """Let the picture weigh 3 MB."""
    (root / 'nbs' / 'images' / 'x.png').write_bytes(b'x' * 3_000_000)


@pytest.mark.parametrize(
    'change, finding',
    [
        (more_config('    - 09_gone.ipynb\n'), '_quarto.yml: chapter 09_gone.ipynb does not exist'),
        (more_config('    - index.ipynb\n'), '_quarto.yml: chapter index.ipynb is listed twice'),
        (more_config('    css: gone.css\n'), '_quarto.yml: gone.css does not exist'),
        (more_config('bibliography: [gone.bib, refs.bib]\n'),
         '_quarto.yml: gone.bib does not exist'),
        (other_bibliography(BIBLIOGRAPHY + BIBLIOGRAPHY), 'nbs/refs.bib: key cohen2019 twice'),
        (other_bibliography(BIBLIOGRAPHY + BIBLIOGRAPHY.replace('19', '20')),
         'nbs/refs.bib: cohen2020 is never cited'),
        (unlisted_chapter, 'nbs/01_new.ipynb: not in _quarto.yml'),
        (bad_link_in_text, 'nbs/references.qmd: no.md does not exist'),
        (heavy_picture, 'nbs/index.ipynb: the page weighs 3.0 MB'),
    ],
)
def test_breaks_outside_notebooks(
    book: Path,  # its root
    capsys: Capture,  # what is printed
    change: BookChange,  # what is broken
    finding: str,  # its beginning
) -> None:
    """The finding names the file."""
    change(book)
    status, out = called(book, capsys)
    assert status == 1
    assert finding in out, out


# ------------------------------------------------------------------ no false alarm


@pytest.mark.parametrize(
    'source',
    [
        'mail@x.org, `@fig-none`, \\@none, https://x.org/@me',
        '```\n@fig-none [a](b.md)\n:::\n# comment\n```',
        '~~~python\n@fig-none\n~~~',
        '[a]{style="color:#fff"} [b]{style="color:#fff"}',
        '<!-- @fig-none -->',
        '$$ x@y $$',
        '[a](https://x.org/y) [b](mailto:a@b.org) [^1]\n\n[^1]: note',
        '[toy](00_background.ipynb#toy)',
        '::: {.callout-tip collapse="true"}\n\n## Answer\n\nYes.\n:::',
        '<details>\n<summary>Answer</summary>\n\n`<div>`\n\n</details>',
        'Costs \\$$ 3 and `$$`.',
        '[as `toy` says] [`other`](index.ipynb) ![`toy`](images/x.png)',
        '`tests/test_toy.py::test_toy`',
        '## Twice\n\n## Twice\n\n[the second](#twice-1)',
        '## Toy\n\n[after the definition](#toy-1)',
    ],
)
def test_no_false_alarm(
    book: Path,  # its root
    capsys: Capture,  # what is printed
    source: str,  # of one more cell
) -> None:
    """What looks like a break and is none."""
    write_background(book, [*BACKGROUND, text(source)])
    status, out = called(book, capsys)
    assert status == 0, out


def test_letters_that_can_be_read_pass(book: Path, capsys: Capture) -> None:
    """An exponent may be smaller."""
    write_background(book, [
        *BACKGROUND, code(FIGURE, displayed('image/svg+xml', drawing(letters=8)))])
    status, out = called(book, capsys)
    assert status == 0, out


def test_a_widget_with_its_state_passes(book: Path, capsys: Capture) -> None:
    """The state stands in the metadata of the notebook."""
    path = write_background(book, [*BACKGROUND, code('x', WIDGET)])
    notebook = json.loads(path.read_text())
    notebook['metadata']['widgets'] = {WIDGET_STATE: {'state': {'a': {}}}}
    path.write_text(json.dumps(notebook))
    status, out = called(book, capsys)
    assert status == 0, out


def test_measures_are_a_command(book: Path, capsys: Capture) -> None:
    """The table of the check and what is beyond its bounds, without other findings."""
    status, out = called(book, capsys, 'measures')
    assert status == 0
    assert out == called(book, capsys)[1]
    write_background(book, [*BACKGROUND, code('x = 1\n' * 41), text('@nobody2020')])
    status, out = called(book, capsys, 'measures')
    assert status == 1
    assert 'a code cell has 41 lines' in out
    assert 'nobody2020' not in out


# ------------------------------------------------------------------ the reference

PATCHED = code(
    '#| export\n'
    '@patch(as_prop=True)\n'
    'def decorated(self:Toy):\n'
    '    "It is\\n    decorated. Twice."\n'
    'def _private(): pass'
)
TOY = '- [toy](00_background.ipynb#toy)`()`: a toy.'
DECORATED = '- [decorated](00_background.ipynb#toy.decorated)'
LISTED = f'{TOY}\n{DECORATED}'
KNOWING = code(
    '#| export\n'
    'class Base:\n'
    '    def __init__(self,\n'
    '        side: int=2, # pixels\n'
    '        *rest, # numbers * 2, `a*b`\n'
    '    ): 0\n'
    '    @property\n'
    '    def area(self) -> int: "Its area."\n'
    '    def scale(self,\n'
    '        by: float # above 0\n'
    '    ): "Enlarge `it`. Twice."\n'
    '    def _private(self): 0\n'
    'class Square(Base): 0\n'
    'class Sized(Protocol):\n'
    '    side: int # pixels\n'
    '    area: int\n'
    'def rssr_toy(argv=None): "The command."\n'
    'def half(\n'
    '    side: int # pixels\n'
    ') -> int: # half of them\n'
    '    "Halve it."'
)


def write_reference(
    root: Path,  # of a book
    listed: str,  # the Markdown that it has saved
) -> None:
    """The book with a reference page."""
    config = QUARTO.replace('    - references.qmd', '    - api.ipynb\n    - references.qmd')
    (root / '_quarto.yml').write_text(config)
    page = [
        text('# API\n'),
        text('See [the index](index.ipynb#fig-x).'),
        code('listed()', displayed('text/markdown', listed)),
    ]
    write_notebook(root / 'nbs' / 'api.ipynb', page)


@pytest.mark.parametrize(
    'listed, finding',
    [
        (LISTED, ''),
        (LISTED + '  \n  It is decorated.', ''),
        (TOY, 'nbs/00_background.ipynb: cell 6: Toy.decorated is not in api.ipynb'),
        (LISTED + '  \n  It was plain.',
         'nbs/00_background.ipynb: cell 6: Toy.decorated says something else in api.ipynb'),
        (LISTED.replace('()', '(x[, y])'),
         'nbs/00_background.ipynb: cell 2: toy is called with (), '
         'not with (x[, y]) as in api.ipynb'),
        (LISTED + '\n- [gone](00_background.ipynb#gone)',
         'nbs/api.ipynb: 00_background.ipynb exports no gone'),
        (LISTED + '\n- [a heading](00_background.ipynb#the-2-d-toy)',
         'nbs/api.ipynb: 00_background.ipynb exports no the-2-d-toy'),
    ],
)
def test_the_reference_lists_what_is_exported(
    book: Path,  # its root
    capsys: Capture,  # what is printed
    listed: str,  # output of the reference
    finding: str,  # its beginning, '' for none
) -> None:
    """No more, no less, and as the source says it."""
    write_background(book, [*BACKGROUND, PATCHED])
    write_reference(book, listed)
    status, out = called(book, capsys)
    assert status == int(bool(finding)), out
    assert finding in out, out


ENTRIES = """\
- [**toy**](00_background.ipynb#toy)
- [**Base**](00_background.ipynb#base) `([side, *rest])`
  <details><summary>2 arguments, 2 methods</summary>

  - `side: int = 2`: pixels
  - `*rest`: numbers \\* 2, `a*b`
  - `.area`: Its area.
  - `.scale(by)`: Enlarge `it`.
      - `by: float`: above 0

  </details>

- [**Square**](00_background.ipynb#square) `([side, *rest])`
  <details><summary>2 arguments</summary>

  - `side: int = 2`: pixels
  - `*rest`: numbers \\* 2, `a*b`

  </details>

- [**Sized**](00_background.ipynb#sized)
  <details><summary>2 attributes</summary>

  - `.side: int`: pixels
  - `.area: int`

  </details>

- [**rssr_toy**](00_background.ipynb#rssr_toy) `([argv])`  
  The command.
- [**half**](00_background.ipynb#half) `(side)`  
  Halve it.
  <details><summary>1 argument</summary>

  - `side: int`: pixels
  - returns `int`: half of them

  </details>
"""


def test_an_entry_holds_what_the_source_says(book: Path) -> None:
    """Arguments with their comments, also those of the class that one inherits from."""
    path = write_background(book, [*BACKGROUND, KNOWING])
    whole = Book(book)
    file = path.name
    entries = [entry(whole, file, place) for place in whole.places[file]
               if place.name in documented(place.cell)]
    assert '\n'.join(entries) == ENTRIES


@pytest.mark.parametrize(
    'old, new',
    [
        ('', ''),
        ('`side: int = 2`: pixels', '`side: int = 2`: above 0'),  # that of another
        ('`side: int = 2`: pixels', '`side: int = 2`'),
        ('`side: int = 2`', '`side: int = 3`'),
        ('  - returns `int`: half of them\n', ''),
        ('  - `.area: int`\n', '  - `.area: int`\n  - `.gone: int`\n'),
    ],
)
def test_the_reference_explains_as_the_source_does(
    book: Path,  # its root
    capsys: Capture,  # what is printed
    old: str,  # in the saved page
    new: str,  # in its place
) -> None:
    """A comment that is missing, another's, or no longer there is found."""
    write_background(book, [*BACKGROUND, KNOWING])
    assert old in ENTRIES
    write_reference(book, ENTRIES.replace(old, new) if old else ENTRIES)
    status, out = called(book, capsys)
    assert status == int(bool(old)), out
    assert ('explains its arguments otherwise in api.ipynb' in out) == bool(old), out


@pytest.mark.parametrize(
    'source, signature',
    [
        ('def f(): 0', '()'),
        ('def f(x, y:int=0): 0', '(x[, y])'),
        ('def f(k=1): 0', '([k])'),
        ('def f(x, *xs, k, **kw): 0', '(x[, *xs, k, **kw])'),
        ('def f(self, x): 0', '(x)'),
        ('class C(Exception): 0', '()'),
        ('class C:\n    def __init__(self, x, k=1): 0', '(x[, k])'),
        ('@dataclass(frozen=True)\nclass C:\n    x: int\n    k: int = 0', '(x[, k])'),
        ('class C:\n    x: int', '()'),
        ('class C(NamedTuple):\n    x: int\n    k: int = 0', '(x[, k])'),
    ],
)
def test_signatures_are_read_from_the_source(source: str, signature: str) -> None:
    """What one calls a definition with; what may be left out stands in brackets."""
    node = ast.parse(source).body[0]
    assert isinstance(node, Definition)
    assert call_signature(node) == signature


# ------------------------------------------------------------------ comments of arguments

COMMENTED = '''
@delegates(other)
def smooth(self, images:Tensor, # (N, 3, h, w)
    draws:int=10,  # for each '#' of them
    *rest, # more
    **kw # for `other`
    ) -> Tensor: # as large
    "Smooth # them."
    return images # changed
'''
SHARED = '''
def smooth(
    images, draws=10, # of them
    noise=0.1,
    seed=0, # of the noise
    **kw) -> Tensor: # as large
    return images
'''
FIELDS = '''
    @dataclass
    class Attack:
        "One attack."
        steps: int = 10 # of gradient ascent
        norm: str = 'l2'
        def run(self, images): return images
'''
CONSTRUCTED = '''
class Smoothed(Module):
    "The smoothed estimator."
    k: int # no argument
    def __init__(self, f, # any estimator
        sigma:float): # of the noise
        self.f = f
'''


@pytest.mark.parametrize(
    'source, comments',
    [
        (COMMENTED, {'images': '(N, 3, h, w)', 'draws': "for each '#' of them",
                     'rest': 'more', 'kw': 'for `other`'}),
        (SHARED, {'images': '', 'draws': '', 'noise': '', 'seed': 'of the noise', 'kw': ''}),
        (FIELDS, {'steps': 'of gradient ascent', 'norm': ''}),
        (CONSTRUCTED, {'f': 'any estimator', 'sigma': 'of the noise'}),
        ('def f(x): # any number\n    return x', {'x': 'any number'}),
        ('def f(x) -> int: # the result\n    return x', {'x': ''}),
        ('def f(x, #\n    y # known\n): 0', {'x': '', 'y': 'known'}),
        ('def f(): # nothing\n    return 0', {}),
    ],
)
def test_an_argument_has_a_comment_of_its_own(source: str, comments: dict[str, str]) -> None:
    """One that stands on its line, which it shares with no other argument and no result."""
    assert argument_comments(source) == comments


def test_only_definitions_have_arguments() -> None:
    """A mistake of the caller is named."""
    with pytest.raises(ValueError, match='no definition: x = 1'):
        argument_comments('x = 1')


def test_arguments_are_a_command(book: Path, capsys: Capture) -> None:
    """It prints the findings alone, and fails if there are any."""
    assert called(book, capsys, 'arguments') == (0, '')
    fine = code('#| export\ndef fine(first): # to begin with\n    return first')
    private = code('#| export\ndef _private(first): return first')
    method = code('#| export\nclass Box:\n    def put(self, thing): return thing')
    overload = code('#| export\n@overload\ndef helper(first): ...')
    helper = code('def helper(first): return first')
    console = code('#| export\ndef rssr_toy(argv: list[str] | None = None): return 0')
    shape = code('#| export\ndef shaped(first): # same shape\n    return first')
    good = [fine, private, method, overload, helper, console, shape]
    write_background(book, [*BACKGROUND, *good])
    assert called(book, capsys, 'arguments') == (0, '')
    write_background(book, [*BACKGROUND, code('#| export\ndef bad(first, *rest): 0')])
    status, out = called(book, capsys, 'arguments')
    assert status == 1
    assert out.splitlines() == [
        'nbs/00_background.ipynb: cell 6: bad: parameter first has no comment of its own',
        'nbs/00_background.ipynb: cell 6: bad: parameter rest has no comment of its own',
    ]


def test_code_that_is_no_python_is_named(book: Path) -> None:
    """The place stands in the message."""
    write_background(book, [*BACKGROUND, code('#| export\ndef broken(:', DRAWN)])
    with pytest.raises(SystemExit, match='nbs/00_background.ipynb: cell 6: no Python'):
        main(['--root', str(book), 'check'])
