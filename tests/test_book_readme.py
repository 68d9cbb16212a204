"""README.md follows index.ipynb, in markdown that GitHub shows."""
from __future__ import annotations

from pathlib import Path

import pytest
from book_sample import text, write_book, write_index

from tools.book.__main__ import main
from tools.book.readme import LONGEST

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The root of a book without fault."""
    return write_book(tmp_path)


def readme(root: Path, *options: str) -> int:
    """The exit status of the command."""
    return main(['--root', str(root), 'readme', *options])


SHOWN = [
    '<!-- Written by tools/book from nbs/index.ipynb: edit the notebook. -->\n\n',
    '# Smoothing\n\n> Why it helps\n\n',
    'As Cohen et al. (2019) show (Cohen et al. 2019; see Moré and Sorensen 1983, p. 3), noise',
    'The figure shows it, and so does the figure;\n',
    '\nthe equation says why in `@code` and $[a](b)$. Write to a@b.org.',
    '![An x](nbs/images/x.png)\n\n*A caption*\n\n$$ g = E f $$\n\n',
    '[the background](nbs/00_background.ipynb#the-2-d-toy)',
    '<img src="nbs/images/x.png" alt="x">',
    '> **Cost**\n>\n> It takes `k` passes:\n>\n> ```python\n> @decorated  # [no](link)\n> ```\n',
    '![A drawing](nbs/images/readme-fig-drawn.png)\n\n*Drawn, after Cohen et al. (2019)*',
    "```python\nprint('two')\n```\n\n```text\ntwo\n```",
    '| a |\n|---|\n| [b](nbs/00_background.ipynb) |\n\n*Rows, after Cohen et al. (2019)*\n',
]
LEFT_OUT = ['on the site alone', 'skip_exec', 'aliases', '#|', 'plot()', 'secret', '{#', ':::',
            '<object>']


def test_readme_reads_as_github(book: Path) -> None:
    """Citations, figures, tables and callouts become plain markdown."""
    assert readme(book) == 0
    written = (book / 'README.md').read_text()
    for part in SHOWN:
        assert part in written, part
    for part in LEFT_OUT:
        assert part not in written, part
    assert (book / 'nbs/images/readme-fig-drawn.png').read_bytes() == b'\x89PNG drawn'


def test_readme_check_notices_a_drift(book: Path, capsys: Capture) -> None:
    """A missing file, and one that was edited."""
    assert readme(book, '--check') == 1
    readme(book)
    capsys.readouterr()
    assert readme(book, '--check') == 0
    assert capsys.readouterr().out == ''
    (book / 'README.md').write_text('edited by hand')
    assert readme(book, '--check') == 1
    assert capsys.readouterr().out.startswith('README.md: differs from nbs/index.ipynb')


def test_readme_stays_short(book: Path, capsys: Capture) -> None:
    """A page too long to be read is found; what only the site shows does not count."""
    long = '\n'.join(['A line.']*LONGEST)
    write_index(book, [text('# T'), text(f'<!-- not in README -->\n{long}')])
    assert readme(book) == readme(book, '--check') == 0
    write_index(book, [text('# T'), text(long)])
    readme(book)
    capsys.readouterr()
    assert readme(book, '--check') == 1
    assert capsys.readouterr().out.startswith(f'README.md: {LONGEST + 4} lines, at most')


def test_readme_drops_images_that_it_does_not_show(book: Path, capsys: Capture) -> None:
    """They are found, and gone when it is written again."""
    readme(book)
    old = book / 'nbs/images/readme-old.png'
    old.write_bytes(b'')
    capsys.readouterr()
    assert readme(book, '--check') == 1
    assert 'readme-old.png: differs' in capsys.readouterr().out
    readme(book)
    assert readme(book, '--check') == 0
    assert not old.exists()


def test_readme_refuses_an_unknown_source(book: Path) -> None:
    """The message says where to add it."""
    write_index(book, [text('# T'), text('@nobody2020')])
    with pytest.raises(SystemExit, match='@nobody2020 is not in refs.bib'):
        readme(book)


def test_command_prints_the_marked_block(book: Path, capsys: Capture) -> None:
    """README's commands can be run by a script."""
    readme(book)
    capsys.readouterr()
    assert main(['--root', str(book), 'command', 'test']) == 0
    assert capsys.readouterr().out == 'python3 -m venv .venv\n.venv/bin/pytest -q\n'
    with pytest.raises(SystemExit, match='command: nothing'):
        main(['--root', str(book), 'command', 'nothing'])
