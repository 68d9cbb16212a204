"""Notebooks run in place, and a second run changes no byte."""
from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest
from book_sample import Cell, code, text, write_book, write_index

from tools.book.__main__ import main
from tools.book.cells import WIDGET_STATE, WIDGET_VIEW
from tools.book.tidy import on_screen

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The root of a book without fault."""
    return write_book(tmp_path)


def run(root: Path, path: Path) -> int:
    """The exit status of the command."""
    return main(['--root', str(root), 'run', str(path)])


@pytest.mark.parametrize(
    'raw, seen',
    [
        ('plain\n', 'plain\n'),
        ('10%\r50%\rdone\n', 'done\n'),
        ('long line\rshort\n', 'shortline\n'),
        ('bar 1/2\r       \r', ''),
        ('outer\ninner 1\r\x1b[Ainner\n', 'inner\ninner 1'),
        ('old text\r\x1b[Knew\n', 'new\n'),
        ('ab\bc', 'ac'),
    ],
)
def test_progress_ends_as_on_a_terminal(raw: str, seen: str) -> None:
    """Carriage returns, backspaces and moves of the cursor leave what they leave there."""
    assert on_screen(raw) == seen


PRINTS = '''import sys, os
print('a', flush=True)
sys.stderr.write('\\r50%')
sys.stderr.flush()
print('b', flush=True)
sys.stderr.write('\\r   \\r')
object()'''
NOISY = [
    text('# T'),
    code(PRINTS),
    code('os.path.basename(os.getcwd())'),
    code("import tempfile\nprint(tempfile.mkdtemp() + '/x')"),
]


def test_run_is_deterministic(book: Path, capsys: Capture) -> None:
    """Streams, addresses and temporary folders are the same each time."""
    pytest.importorskip('nbclient')
    pytest.importorskip('ipykernel')
    path = write_index(book, NOISY)
    assert run(book, path) == 0
    assert re.fullmatch(r'index\.ipynb: [\d.]+ s, \d+ KB\n', capsys.readouterr().out)
    first = path.read_bytes()
    cells = json.loads(first)['cells'][1:]
    assert [cell['execution_count'] for cell in cells] == [None] * 3
    assert [seen(cell) for cell in cells] == [
        ['a\n', 'b\n', '<object>'],  # the bar has left nothing
        ["'nbs'"],
        [f'{tempfile.gettempdir()}/tmp/x\n'],
    ]
    assert run(book, path) == 0
    assert path.read_bytes() == first


def seen(cell: Cell) -> list[str]:
    """The lines of all outputs of a saved cell."""
    lines: list[str] = []
    for output in cell['outputs']:
        lines += output.get('text') or output['data']['text/plain']
    return lines


def test_run_never_writes_a_failure(book: Path, capsys: Capture) -> None:
    """The notebook stays as it was, and the error is printed."""
    pytest.importorskip('nbclient')
    pytest.importorskip('ipykernel')
    path = write_index(book, [text('# T'), code('1/0')])
    before = path.read_bytes()
    assert run(book, path) == 1
    assert path.read_bytes() == before
    assert 'ZeroDivisionError' in capsys.readouterr().out


WIDGETS = '''unseen = w.Text()
w.HBox([w.IntSlider(3), w.Text()])'''


def test_widget_ids_are_stable(book: Path) -> None:
    """They are numbered in the order of the page; what it does not show is dropped."""
    pytest.importorskip('nbclient')
    pytest.importorskip('ipykernel')
    pytest.importorskip('ipywidgets')
    path = write_index(book, [text('# T'), code('import ipywidgets as w'), code(WIDGETS)])
    assert run(book, path) == 0
    first = path.read_bytes()
    assert run(book, path) == 0
    assert path.read_bytes() == first
    notebook = json.loads(first)
    state = notebook['metadata']['widgets'][WIDGET_STATE]['state']
    shown = notebook['cells'][2]['outputs'][0]['data'][WIDGET_VIEW]
    assert shown['model_id'] == f'{0:032x}'
    assert shown['model_id'] in state
    assert sum(saved['model_name'] == 'TextModel' for saved in state.values()) == 1
