"""`python -m tools.book density` measures what it says."""
from __future__ import annotations

from pathlib import Path

import pytest
from book_sample import BACKGROUND, code, write_background, write_book

from tools.book.__main__ import main
from tools.book.density import ROWS, density_faults
from tools.book.sources import Group, Source, read_groups

pytest.importorskip('radon')

Capture = pytest.CaptureFixture[str]


def measured(
    title: str,  # of a row
    source: str,  # that is measured
    commands: set[str] | None = None,  # functions that are console commands
) -> str:
    """What the table says about a piece of code."""
    return ROWS[title](Group('code', [Source('file.py', source)], commands or set()))


LONG = 'x' * 98 + '=1\n'  # 100 characters
WIDE = 'def wide(self, a, b, c, d, e, f, *, g, **h): 0\n'  # eight parameters
NINE = 'def nine(a, b, c, d, e, f, g, h, i): 0\n'
BRANCHES = 'def f(x):\n' + '    if x: x += 1\n' * 10 + 'def g(): 0\n'  # 11 ways and 1
LONG_BODY = 'def f():\n    "Said."\n    def g():\n' + '        x = 1\n' * 20


@pytest.mark.parametrize(
    'title, source, value',
    [
        ('lines of code', 'x = 1\n\n# said\ny = 2\n', '3'),
        ('over 100 characters, %', LONG, '0.0'),
        ('over 100 characters, %', LONG + 'x' + LONG, '50.0'),
        ('over 120 characters, %', LONG + 'x' * 21 + LONG, '50.0'),
        ('over 150 characters, %', LONG + 'x' * 51 + LONG, '50.0'),
        ('tokens a line, 90th percentile', 'x = 1 # one\ny = 2\n\nz = 3\n', '3'),
        ('tokens a line, 90th percentile', 'x\n' * 89 + 'f(x, y)\n' * 11, '6'),
        ('lines with ;', "x = ';'; y = 2; z = 3\na = 1 # ;\n", '1'),
        ('lambdas with a name', 'f = lambda x: x\nsorted([], key=lambda x: x)\n', '1'),
        ('functions', 'def f(): 0\nclass C:\n    def g(self): 0\n', '2'),
        ('over 8 parameters, %', WIDE, '0.0'),
        ('over 8 parameters, %', WIDE + NINE, '50.0'),
        ('most parameters', WIDE + NINE, '9'),
        ('complexity, mean', BRANCHES, '6.0'),
        ('complexity over 10, %', BRANCHES, '50.0'),
        ('complexity, largest', BRANCHES, '11'),
        ('complexity, largest', 'class C:\n    def f(self): 0\n    def g(self): 0\n', '1'),
        ('most statements', LONG_BODY, '21'),
        ('over 20 statements, %', LONG_BODY, '50.0'),
        ('one-letter names, %', 'import torch as t\ndef name(x, y1): word, _ = x\n', '40.0'),
        ('arguments with a type, %', 'def f(self, x:int, y:int, *z:int, **k): 0\n', '75.0'),
        ('arguments with a type, %', 'x = 1\n', '-'),
    ],
)
def test_each_measure(
    title: str,  # of a row of the table
    source: str,  # that is measured
    value: str,  # in the column
) -> None:
    """One number of the table for one piece of code."""
    assert measured(title, source) == value


def test_commands_may_have_many_parameters() -> None:
    """They are options, which one writes by name."""
    assert measured('most parameters', WIDE + NINE, {'nine'}) == '8'


SETTINGS = '''[DEFAULT]
console_scripts = toy_run=toy.core:toy_run
    toy_see=toy.core:toy_see
'''
EXPORTED = code('#| export\n#| slow\ndef run(path): 0\ndef toy_run(argv): command(run, argv)')
DENSE = code('#| slow\nx = 1; y = 2\nf = lambda: ' + '1 + ' * 30 + '1\na = 1; b = 2; c = 3')


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book with dense code, a command and a tool."""
    root = write_book(tmp_path)
    write_background(root, [*BACKGROUND, EXPORTED, DENSE, code('#| exporti\n_inner = 1')])
    (root / 'settings.ini').write_text(SETTINGS)
    (root / 'tools' / 'deep').mkdir(parents=True)
    (root / 'tools' / 'deep' / 'tool.py').write_text('z = 1\n' + NINE)
    return root


def test_code_is_read_from_cells_tests_and_tools(book: Path) -> None:
    """Each in its column; a line keeps its number, and options are no code."""
    exported, other, files = read_groups(book)
    assert [source.place for source in exported.sources] == [
        'nbs/00_background.ipynb:2',
        'nbs/00_background.ipynb:6',
        'nbs/00_background.ipynb:8',
    ]
    assert list(exported.sources[1].lines)[0] == (3, 'def run(path): 0')
    assert 'nbs/00_background.ipynb:7' in [source.place for source in other.sources]
    assert [source.place for source in files.sources] == [
        'tests/test_toy.py',
        'tools/deep/tool.py',
    ]
    assert exported.commands == {'run', 'toy_run', 'toy_see'}


def test_the_table_has_a_column_for_each_group(book: Path, capsys: Capture) -> None:
    """And names the commands."""
    assert main(['--root', str(book), 'density']) == 0
    here, elsewhere = capsys.readouterr().out.split('\n\n')
    head, *rows = here.splitlines()
    assert head.split() == ['exported', 'test', 'cells', 'tests+tools']
    assert 'lines with ;                                 0             2             0' in rows
    commands, others, *compared = elsewhere.splitlines()
    assert commands.endswith(': run 1, toy_run 1')
    assert others.split()[:4] == ['rssr', 'rssr', '0.1.0', 'fastcore']
    assert compared[4].split()[:6] == ['lines', 'with', ';', '0', '79', '4']


def test_the_list_names_the_worst_spots(book: Path, capsys: Capture) -> None:
    """By file, cell and line of the cell, options counted."""
    assert main(['--root', str(book), 'density', '--list']) == 0
    assert capsys.readouterr().out.splitlines() == [
        'lines over 100 characters: 1',
        '   133  nbs/00_background.ipynb:7:3  f = lambda: 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 ',
        'lines with ;: 2',
        '     2  nbs/00_background.ipynb:7:4  a = 1; b = 2; c = 3',
        '     1  nbs/00_background.ipynb:7:2  x = 1; y = 2',
        'lambdas with a name: 1',
        '     1  nbs/00_background.ipynb:7:3  f',
        'functions with more than 8 parameters: 1',
        '     9  tools/deep/tool.py:2  nine',
        'functions of complexity over 8: 0',
        'functions with more than 20 statements: 0',
    ]


def test_exported_code_is_held_to_its_bounds() -> None:
    """Readable code passes; a dense line is named with its measure."""
    readable = 'def shift(x: float) -> float:\n    "Said."\n    return x + 1\n'
    dense = readable + LONG + 'x' + LONG
    assert density_faults(Group('exported', [Source('file.py', readable)], set())) == []
    found = density_faults(Group('exported', [Source('file.py', dense)], set()))
    assert len(found) == 1
    assert found[0].startswith('exported code: over 100 characters, %:')
