"What .ci/docs.py promises: a good book passes, each kind of break is named, README.md follows index.ipynb."
import base64
import importlib.util
import json
import sys
from pathlib import Path

import pytest

CI = Path(__file__).resolve().parents[1] / '.ci' / 'docs.py'
spec = importlib.util.spec_from_file_location('ci_docs', CI)
docs = sys.modules['ci_docs'] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
spec.loader.exec_module(docs)

PNG = base64.b64encode(b'\x89PNG drawn').decode()
DRAWN = [{'output_type': 'display_data', 'metadata': {}, 'data': {'image/png': PNG, 'text/plain': ['<Figure size 1x1>']}}]
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
'''
BIB = '''@inproceedings{cohen2019,
  author = {Cohen, Jeremy and Rosenfeld, Elan and Kolter, J. Zico},
  title  = {Certified Adversarial Robustness via Randomized Smoothing},
  year   = {2019},
}
@article{more1983,
  author = {Mor{é}, Jorge J. and Sorensen, D. C.},
  year   = {1983},
}
'''
INDEX = [
    ('markdown', '# Smoothing\n\n> Why it helps\n\n- skip_exec: true'),
    ('markdown', 'As @cohen2019 show [@cohen2019; see @more1983, p. 3], noise helps. @fig-drawn shows it, and so does @fig-other;\n'
                 '[@eq-mean] says why in `@code` and $[a](b)$. Write to a@b.org.\n\n'
                 '![A caption](images/x.png){#fig-x fig-alt="An x" width=50%}\n\n'
                 '$$ g = E f $$ {#eq-mean}\n\nSee [the background](00_background.ipynb#the-2-d-toy) and <img src="images/x.png" alt="x">.'),
    ('markdown', '::: {.callout-note title="Cost"}\nIt takes `k` passes:\n\n```python\n@decorated  # [no](link)\n```\n:::'),
    ('markdown', '<!-- command: test -->\n```bash\npython3 -m venv .venv\n.venv/bin/pytest -q\n```'),
    ('code', "#| label: fig-drawn\n#| fig-cap: 'Drawn, after @cohen2019'\n#| fig-alt: A drawing\n#| echo: false\nplot()", DRAWN),
    ('code', '#| hide\nsecret()', DRAWN),
    ('code', "#| slow\nprint('two')", [{'output_type': 'stream', 'name': 'stdout', 'text': ['two\n']}]),
    ('code', 'table', [{'output_type': 'execute_result', 'metadata': {}, 'execution_count': None,
                        'data': {'text/markdown': ['| a |\n', '|---|\n', '| [b](00_background.ipynb) |\n'], 'text/plain': ['T']}}]),
]
BACKGROUND = [
    ('markdown', '# Background'),
    ('markdown', '## The 2-D toy {.unnumbered}\n\nWhat @fig-x says, @fig-other draws.'),
    ('code', '#| export\ndef toy():\n    return 1'),
    ('code', '#| label: fig-other\n#| fig-cap: Toy\n#| fig-alt: A toy\nassert toy() == 1; assert toy()\ntoy()', DRAWN),
    ('markdown', ': Numbers {#tbl-toy}\n\n::: {.panel}\n[top](#the-2-d-toy), [index](index.ipynb#fig-x), [sources](refs.bib)'),
    ('markdown', 'and @tbl-toy\n\n:::'),
]


def notebook(path: Path, cells: list[tuple]):
    made = [dict(cell_type=kind, id=f'c{i}', metadata={}, source=source.splitlines(True),
                 **(dict(outputs=rest[0] if rest else [], execution_count=None) if kind == 'code' else {}))
            for i, (kind, source, *rest) in enumerate(cells)]
    path.write_text(json.dumps(dict(cells=made, metadata={}, nbformat=4, nbformat_minor=5), indent=1))


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / 'nbs' / 'images').mkdir(parents=True)
    (tmp_path / '_quarto.yml').write_text(QUARTO)
    (tmp_path / 'nbs' / 'refs.bib').write_text(BIB)
    (tmp_path / 'nbs' / 'images' / 'x.png').write_bytes(b'x')
    (tmp_path / 'nbs' / 'references.qmd').write_text('# References {.unnumbered}\n\n::: {#refs}\n:::\n')
    notebook(tmp_path / 'nbs' / 'index.ipynb', INDEX)
    notebook(tmp_path / 'nbs' / '00_background.ipynb', BACKGROUND)
    return tmp_path


def check(root: Path, capsys) -> tuple[int, str]:
    code = docs.main(['--root', str(root), 'check'])
    return code, capsys.readouterr().out


def test_good_book_passes(book, capsys):
    code, out = check(book, capsys)
    assert code == 0, out
    assert '3 chapters, 0 findings' in out
    assert '00_background.ipynb' in out and '2/1' in out  # the table: two assertions for one definition


def added(kind, source, *rest): return lambda cells: cells.append((kind, source, *rest))
def replaced(i, old, new): return lambda cells: cells.__setitem__(i, (cells[i][0], cells[i][1].replace(old, new), *cells[i][2:]))


ERROR = [{'output_type': 'error', 'ename': 'E', 'evalue': '', 'traceback': []}]
COUNTED = [{'output_type': 'execute_result', 'execution_count': 3, 'metadata': {}, 'data': {}}]
BREAKS = [  # (change of 00_background's cells, what the finding says)
    (added('markdown', 'See @fig-none.'), 'cell 6: @fig-none has no label'),
    (added('markdown', 'See [-@Tbl-none].'), 'cell 6: @Tbl-none has no label'),
    (replaced(3, '#| label', '#| hide\n#| label'), 'cell 1: @fig-other has no label'),  # a hidden cell gives no label
    (added('markdown', '$$ a $$ {#eq-mean}'), 'nbs/index.ipynb: cell 1: label eq-mean is taken by nbs/00_background.ipynb: cell 6'),
    (added('markdown', 'As [@nobody2020] says.'), 'cell 6: @nobody2020 is not in refs.bib'),
    (added('markdown', '[away](gone.ipynb)'), 'cell 6: gone.ipynb does not exist'),
    (added('markdown', '![alt](images/y.png)'), 'cell 6: images/y.png does not exist'),
    (added('markdown', '<img src="images/y.png">'), 'cell 6: images/y.png does not exist'),
    (added('markdown', '[there][1]\n\n[1]: gone.md'), 'cell 6: gone.md does not exist'),
    (added('markdown', '[out](../_quarto.yml)'), 'cell 6: ../_quarto.yml leaves nbs/'),
    (added('markdown', '[anchor](index.ipynb#nowhere)'), 'cell 6: index.ipynb has no heading or label nowhere'),
    (added('markdown', '[anchor](#nowhere)'), 'cell 6: 00_background.ipynb has no heading or label nowhere'),
    (replaced(0, 'Background', 'Background {#sec-b}'), 'cell 0: the title carries attributes'),
    (replaced(0, '# Background', 'Untitled'), 'cell 0: 0 titles'),
    (added('markdown', '# Another'), 'cell 6: 2 titles'),
    (replaced(0, '# Background', '# Background\n\nMore text.'), 'cell 0: nbdev drops other text'),
    (replaced(0, '# Background', '# Background\n\n> one\n> two'), 'cell 0: nbdev keeps one line'),
    (lambda cells: cells.insert(0, ('markdown', 'First.')), 'cell 1: text stands before the title'),
    (replaced(3, '#| label: fig-other', '#| label: other'), 'cell 3: a figure without a label'),
    (replaced(3, '#| fig-cap: Toy\n', ''), 'cell 3: a figure without caption'),
    (replaced(3, '#| fig-alt: A toy\n', ''), 'cell 3: a figure without alt text'),
    (replaced(3, 'Toy\n', 'Toy\n#|   goes on\n'), 'cell 3: nbdev drops "#|   goes on"'),
    (replaced(3, 'fig-cap: Toy', 'fig-cap: Toy: a play'), 'cell 3: option fig-cap is not plain YAML'),
    (replaced(3, 'fig-cap: Toy', 'fig-cap: "A $\\sigma$"'), 'cell 3: option fig-cap is not plain YAML'),
    (added('code', 'fail()', ERROR), 'cell 6: a saved error'),
    (added('code', 'x', COUNTED), 'cell 6: an execution count'),
    (replaced(5, '\n\n:::', ''), 'cell 4: a ::: is never closed'),
    (added('markdown', ':::'), 'cell 6: ::: closes nothing'),
    (lambda cells: cells.extend([('code', 'a\nb\nc\nd\ne\nf')] * 3), 'the median code cell has 6 lines'),
    (added('code', 'x = 1\n' * 26), 'a code cell has 26 lines'),
    (lambda cells: cells.extend([('code', 'x')] * 9), '4 lines of prose for 11 code cells'),
    (replaced(3, 'assert', 'print'), '0 assertions for 1 exported definitions'),
    (lambda cells: cells.extend([('markdown', 'x')] * 60), '66 cells'),
    (added('markdown', 'x' * 300_001), 'KB, cut'),
]


@pytest.mark.parametrize('change, finding', BREAKS, ids=[finding[:50] for _, finding in BREAKS])
def test_each_break_is_found(book, capsys, change, finding):
    cells = list(BACKGROUND)
    change(cells)
    notebook(book / 'nbs' / '00_background.ipynb', cells)
    code, out = check(book, capsys)
    assert code == 1
    prefix = '' if finding.startswith('nbs/') else 'nbs/00_background.ipynb: '
    assert any(line.startswith(prefix) and finding in line for line in out.splitlines()), out


@pytest.mark.parametrize('change, finding', [
    (lambda r: (r / '_quarto.yml').write_text(QUARTO + '    - 09_gone.ipynb\n'), '_quarto.yml: chapter 09_gone.ipynb does not exist'),
    (lambda r: (r / '_quarto.yml').write_text(QUARTO + '    - index.ipynb\n'), '_quarto.yml: chapter index.ipynb is listed twice'),
    (lambda r: notebook(r / 'nbs' / '01_new.ipynb', [('markdown', '# New')]), 'nbs/01_new.ipynb: not in _quarto.yml'),
    (lambda r: (r / 'nbs' / 'refs.bib').write_text(BIB + BIB), 'nbs/refs.bib: key cohen2019 twice'),
    (lambda r: (r / 'nbs' / 'references.qmd').write_text('# A\n\n[x](no.md)\n'), 'nbs/references.qmd: no.md does not exist'),
])
def test_breaks_outside_notebooks(book, capsys, change, finding):
    change(book)
    code, out = check(book, capsys)
    assert code == 1 and finding in out, out


@pytest.mark.parametrize('source', [
    'mail@x.org, `@fig-none`, \\@none, https://x.org/@me', '```\n@fig-none [a](b.md)\n:::\n# comment\n```', '~~~python\n@fig-none\n~~~',
    '[a]{style="color:#fff"} [b]{style="color:#fff"}', '<!-- @fig-none -->', '$$ x@y $$', '[a](https://x.org/y) [b](mailto:a@b.org) [^1]\n\n[^1]: note', '[toy](00_background.ipynb#toy)',
])
def test_no_false_alarm(book, capsys, source):
    notebook(book / 'nbs' / '00_background.ipynb', [*BACKGROUND, ('markdown', source)])
    code, out = check(book, capsys)
    assert code == 0, out


def test_readme_reads_as_github(book):
    assert docs.main(['--root', str(book), 'readme']) == 0
    text = (book / 'README.md').read_text()
    for part in [
        '# Smoothing\n\n> Why it helps\n\n',
        'As Cohen et al. (2019) show (Cohen et al. 2019; see Moré and Sorensen 1983, p. 3), noise helps.',
        'The figure shows it, and so does the figure;\nthe equation says why in `@code` and $[a](b)$. Write to a@b.org.',
        '![An x](nbs/images/x.png)\n\n*A caption*\n\n$$ g = E f $$\n\n',
        '[the background](nbs/00_background.ipynb#the-2-d-toy) and <img src="nbs/images/x.png" alt="x">',
        '> **Cost**\n>\n> It takes `k` passes:\n>\n> ```python\n> @decorated  # [no](link)\n> ```\n',
        '![A drawing](nbs/images/readme-fig-drawn.png)\n\n*Drawn, after Cohen et al. (2019)*',
        "```python\nprint('two')\n```\n\n```text\ntwo\n```",
        '| a |\n|---|\n| [b](nbs/00_background.ipynb) |',
    ]: assert part in text, part
    for part in ('skip_exec', '#|', 'plot()', 'secret', '{#', ':::', '<Figure'): assert part not in text, part
    assert (book / 'nbs/images/readme-fig-drawn.png').read_bytes() == b'\x89PNG drawn'


def test_readme_check_notices_a_drift(book, capsys):
    run = lambda *argv: (docs.main(['--root', str(book), 'readme', *argv]), capsys.readouterr().out)
    assert run('--check')[0] == 1  # there is none yet
    assert run()[0] == 0 and run('--check') == (0, '')
    (book / 'README.md').write_text('edited by hand')
    assert run('--check')[0] == 1 and run('--check')[1].startswith('README.md: differs')
    run()
    (book / 'nbs/images/readme-old.png').write_bytes(b'')
    assert 'readme-old.png: differs' in run('--check')[1]
    run()
    assert run('--check')[0] == 0 and not (book / 'nbs/images/readme-old.png').exists()


def test_readme_refuses_an_unknown_source(book):
    notebook(book / 'nbs' / 'index.ipynb', [('markdown', '# T'), ('markdown', '@nobody2020')])
    with pytest.raises(SystemExit, match='@nobody2020 is not in refs.bib'): docs.main(['--root', str(book), 'readme'])


def test_command_prints_the_marked_block(book, capsys):
    docs.main(['--root', str(book), 'readme'])
    capsys.readouterr()
    assert docs.main(['--root', str(book), 'command', 'test']) == 0
    assert capsys.readouterr().out == 'python3 -m venv .venv\n.venv/bin/pytest -q\n'
    with pytest.raises(SystemExit, match='command: nothing'): docs.main(['--root', str(book), 'command', 'nothing'])


@pytest.mark.parametrize('raw, seen', [
    ('plain\n', 'plain\n'), ('10%\r50%\rdone\n', 'done\n'), ('long line\rshort\n', 'shortline\n'), ('bar 1/2\r       \r', ''),
    ('outer\ninner 1\r\x1b[Ainner\n', 'inner\ninner 1'), ('old text\r\x1b[Knew\n', 'new\n'), ('ab\bc', 'ac'),
])
def test_progress_ends_as_on_a_terminal(raw, seen): assert docs.on_screen(raw) == seen


NOISY = '''import sys, os
print('a', flush=True); sys.stderr.write('\\r50%'); sys.stderr.flush(); print('b', flush=True)
sys.stderr.write('\\r   \\r'); object()'''


def test_widget_ids_are_stable(book):
    pytest.importorskip('nbclient'); pytest.importorskip('ipykernel'); pytest.importorskip('ipywidgets')
    path = book / 'nbs' / 'index.ipynb'
    notebook(path, [('markdown', '# T'), ('code', 'import ipywidgets as w'), ('code', 'unseen = w.Text(); w.HBox([w.IntSlider(3), w.Text()])')])
    first, second = ((docs.main(['--root', str(book), 'run', str(path)]), path.read_bytes()) for _ in range(2))
    assert first == second and first[0] == 0
    nb = json.loads(first[1])
    state = nb['metadata']['widgets'][docs.STATE]['state']
    assert nb['cells'][2]['outputs'][0]['data'][docs.VIEW]['model_id'] == f'{0:032x}' in state
    assert sum(s['model_name'] == 'TextModel' for s in state.values()) == 1  # the unseen one is gone


def test_run_is_deterministic_and_never_writes_a_failure(book, capsys):
    pytest.importorskip('nbclient'); pytest.importorskip('ipykernel')
    path = book / 'nbs' / 'index.ipynb'
    notebook(path, [('markdown', '# T'), ('code', NOISY), ('code', "os.path.basename(os.getcwd())")])
    again = lambda: (docs.main(['--root', str(book), 'run', str(path)]), path.read_bytes(), capsys.readouterr().out)
    code, first, out = again()
    assert code == 0 and out.startswith('index.ipynb: ') and out.endswith(' KB\n')
    cells = json.loads(first)['cells']
    assert [o.get('text') for o in cells[1]['outputs']] == [['a\n', 'b\n'], None]  # the bar has left nothing
    assert cells[1]['outputs'][1]['data']['text/plain'] == ['<object>'] and cells[1]['execution_count'] is None
    assert cells[2]['outputs'][0]['data']['text/plain'] == ["'nbs'"]
    assert again()[:2] == (0, first)
    notebook(path, [('markdown', '# T'), ('code', '1/0')])
    before = path.read_bytes()
    code, after, out = again()
    assert code == 1 and after == before and 'ZeroDivisionError' in out
