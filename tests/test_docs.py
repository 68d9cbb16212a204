"What .ci/docs.py promises: a good book passes, each kind of break is named, README.md follows index.ipynb."
import ast
import base64
import configparser
import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

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
format:
  html:
    theme: [cosmo, theme.scss]  # - gone.css
    include-in-header: https://x.org/a.html
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
    ('code', '#| label: tbl-x\n#| tbl-cap: "Rows, after @cohen2019"\ntable', [{'output_type': 'execute_result', 'metadata': {}, 'execution_count': None,
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
    (tmp_path / 'nbs' / 'theme.scss').write_text('')
    (tmp_path / 'tests').mkdir()
    (tmp_path / 'tests' / 'test_toy.py').write_text('def test_toy(): pass\n')
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
PRINTED = lambda text, name='stdout': [{'output_type': 'stream', 'name': name, 'text': [text]}]
SHOWN = lambda md: [{'output_type': 'display_data', 'metadata': {}, 'data': {'text/markdown': [md], 'text/plain': []}}]
WIDGET = [{'output_type': 'display_data', 'metadata': {}, 'data': {docs.VIEW: {'model_id': 'a'}, 'text/plain': ['Text()']}}]
COUNTED = [{'output_type': 'execute_result', 'execution_count': 3, 'metadata': {}, 'data': {}}]
BREAKS = [  # (change of 00_background's cells, what the finding says)
    (added('markdown', 'See @fig-none.'), 'cell 6: @fig-none has no label'),
    (added('markdown', 'See [-@Tbl-none].'), 'cell 6: @Tbl-none has no label'),
    (replaced(3, '#| label', '#| hide\n#| label'), 'cell 1: @fig-other has no label'),  # a hidden cell gives no label
    (added('markdown', '$$ a $$ {#eq-mean}'), 'nbs/index.ipynb: cell 1: label eq-mean is taken by nbs/00_background.ipynb: cell 6'),
    (added('code', '#| export\ndef other(f, # as in `toy`\n    g): return 1'), 'cell 6: `toy` in a comment becomes a link'),
    (added('code', '#| exports\ndef other():\n    "Two ** three."\n    return 8'), 'cell 6: the docstring of other has a bare *'),
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
    (added('markdown', '::: {.callout-note}\nText.\n:::'), 'cell 6: a callout without title'),
    (added('markdown', '::: {.callout-lemma}\n## A\n:::'), 'cell 6: Quarto knows no callout-lemma'),
    (added('markdown', '<details><summary>Answer</summary>\n\nYes.'), 'cell 6: <details> is opened 1 times and closed 0 times'),
    (added('markdown', '<details>\n\nYes.\n\n</details>'), 'cell 6: a <details> without <summary>'),
    (added('markdown', 'a</div>'), 'cell 6: <div> is opened 0 times and closed 1 times'),
    (added('markdown', '$$ a = b'), 'cell 6: a $$ is never closed'),
    (added('markdown', 'so $a$ {#eq-a}'), 'cell 6: the label of an equation stands away from its $$'),
    (added('markdown', '![](images/x.png)'), 'cell 6: images/x.png has no alt text'),
    (added('markdown', '![A](images/x.png){#fig-a}'), 'cell 6: images/x.png needs a caption and fig-alt'),
    (added('markdown', '![](images/x.png){#fig-a fig-alt="A"}'), 'cell 6: images/x.png needs a caption and fig-alt'),
    (added('markdown', '<img src="images/x.png" alt="">'), 'cell 6: <img src="images/x.png" alt=""> has no alt text'),
    (added('markdown', '| a | b |\n|---|---|\n| `|` | 2 |\n| 3 |'), 'cell 6: a table of 2 columns has a row of 1'),
    (added('code', 'x', SHOWN('| a | b |\n|---|---|\n| 1 | 2 | 3 |')), 'cell 6: a table of 2 columns has a row of 3'),
    (added('code', '#| label: tbl-a\nx', SHOWN('| a |\n|---|\n| 1 |')), 'cell 6: a table without caption'),
    (added('code', '#| label: tbl-a\n#| tbl-cap: A\nx', PRINTED('1')), 'cell 6: tbl-a shows no table'),
    (lambda cells: cells.__setitem__(3, (*cells[3][:2], PRINTED('1'))), 'cell 3: fig-other shows no figure'),
    (added('code', 'x', PRINTED('rssr.py:1: UserWarning: deprecated\n', 'stderr')), "cell 6: a reader stumbles over the saved 'UserWarning: deprecated'"),
    (added('code', 'x', PRINTED('wrote /home/me/out.csv')), "cell 6: a reader stumbles over the saved '/home/me/out.csv'"),
    (added('code', 'x', PRINTED('\x1b[31mred')), "cell 6: a reader stumbles over the saved '\\x1b[31m'"),
    (added('code', 'x', WIDGET), 'cell 6: a widget without its state'),
    (added('markdown', 'See [`toy()`](index.ipynb).'), 'cell 6: `toy` in the text of a link becomes a link itself'),
    (added('markdown', '## Toy\n\n[a]{#toy}'), 'cell 6: toy is also what a heading or definition in nbs/00_background.ipynb: cell 2 is called'),
    (added('markdown', '[a]{#x} <b id="x">b</b>'), 'cell 6: x is taken by nbs/00_background.ipynb: cell 6'),
    (added('markdown', '::: {.callout-note}\n## Why\n:::\n\n[why](#why)'), 'cell 6: 00_background.ipynb has no heading or label why'),
    (added('markdown', '## More {#sec-more}\n\n[more](#more)'), 'cell 6: 00_background.ipynb has no heading or label more'),  # a label replaces the identifier
    (added('markdown', 'Held by `tests/test_gone.py::test_it`.'), 'cell 6: tests/test_gone.py does not exist'),
    (added('markdown', 'Held by `tests/test_toy.py::test_gone`.'), 'cell 6: tests/test_toy.py has no test test_gone'),
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
    (lambda r: (r / 'nbs' / 'refs.bib').write_text(BIB + BIB.replace('19', '20')), 'nbs/refs.bib: cohen2020 is never cited'),
    (lambda r: (r / '_quarto.yml').write_text(QUARTO + '    css: gone.css\n'), '_quarto.yml: gone.css does not exist'),
    (lambda r: (r / '_quarto.yml').write_text(QUARTO + 'bibliography: [gone.bib, refs.bib]\n'), '_quarto.yml: gone.bib does not exist'),
    (lambda r: (r / 'nbs' / 'images' / 'x.png').write_bytes(b'x' * 3_000_000), 'nbs/index.ipynb: the page weighs 3.0 MB'),
])
def test_breaks_outside_notebooks(book, capsys, change, finding):
    change(book)
    code, out = check(book, capsys)
    assert code == 1 and finding in out, out


@pytest.mark.parametrize('source', [
    'mail@x.org, `@fig-none`, \\@none, https://x.org/@me', '```\n@fig-none [a](b.md)\n:::\n# comment\n```', '~~~python\n@fig-none\n~~~',
    '[a]{style="color:#fff"} [b]{style="color:#fff"}', '<!-- @fig-none -->', '$$ x@y $$', '[a](https://x.org/y) [b](mailto:a@b.org) [^1]\n\n[^1]: note', '[toy](00_background.ipynb#toy)',
    '::: {.callout-tip collapse="true"}\n\n## Answer\n\nYes.\n:::', '<details>\n<summary>Answer</summary>\n\n`<div>`\n\n</details>', 'Costs \\$$ 3 and `$$`.',
    '| a | b |\n|---|---|\n| `|` | $|x|$ |\n| \\| | 2 |\n\n| c |\n|---|\n| 1 |', '[as `toy` says] [`other`](index.ipynb) ![`toy`](images/x.png)', '`tests/test_toy.py::test_toy`',
    '## Twice\n\n## Twice\n\n[the second](#twice-1)', '## Toy\n\n[after the definition](#toy-1)',
])
def test_no_false_alarm(book, capsys, source):
    notebook(book / 'nbs' / '00_background.ipynb', [*BACKGROUND, ('markdown', source)])
    code, out = check(book, capsys)
    assert code == 0, out


LISTED = '- [toy](00_background.ipynb#toy)`()`: a toy.\n- [decorated](00_background.ipynb#toy.decorated)'
PATCHED = BACKGROUND + [('code', '#| export\n@patch(as_prop=True)\ndef decorated(self:Toy):\n    "It is\\n    decorated. Twice."\ndef _private(): pass\nassert 1; assert 2')]


@pytest.mark.parametrize('listed, finding', [
    (LISTED, ''), (LISTED.split('\n')[0], 'nbs/00_background.ipynb: cell 6: Toy.decorated is not in api.ipynb'),
    (LISTED + '  \n  It is decorated.', ''), (LISTED + '  \n  It was plain.', 'nbs/00_background.ipynb: cell 6: Toy.decorated says something else in api.ipynb'),
    (LISTED.replace('()', '(x[, y])', 1), 'nbs/00_background.ipynb: cell 2: toy is called with (), not with (x[, y]) as in api.ipynb'),
    (LISTED + '\n- [gone](00_background.ipynb#gone)', 'nbs/api.ipynb: 00_background.ipynb exports no gone'),
    (LISTED + '\n- [a heading](00_background.ipynb#the-2-d-toy)', 'nbs/api.ipynb: 00_background.ipynb exports no the-2-d-toy'),
])
def test_the_reference_lists_what_is_exported(book, capsys, listed, finding):
    (book / '_quarto.yml').write_text(QUARTO.replace('    - references.qmd', '    - api.ipynb\n    - references.qmd'))
    notebook(book / 'nbs' / '00_background.ipynb', [*PATCHED, ('code', 'assert 1; assert 2')])
    notebook(book / 'nbs' / 'api.ipynb', [('markdown', '# API\n'), ('markdown', 'See [the index](index.ipynb#fig-x).'), ('code', 'listed()', SHOWN(listed))])
    code, out = check(book, capsys)
    assert (code, finding in out) == (int(bool(finding)), True), out


@pytest.mark.parametrize('source, called', [
    ('def f(): 0', '()'), ('def f(x, y:int=0): 0', '(x[, y])'), ('def f(k=1): 0', '([k])'), ('def f(x, *xs, k, **kw): 0', '(x[, *xs, k, **kw])'), ('def f(self, x): 0', '(x)'),
    ('class C(Exception): 0', '()'), ('class C:\n    def __init__(self, x, k=1): 0', '(x[, k])'), ('@dataclass(frozen=True)\nclass C:\n    x: int\n    k: int = 0', '(x[, k])'), ('class C:\n    x: int', '()'),
])
def test_arguments_are_read_from_the_source(source, called): assert docs.arguments(ast.parse(source).body[0]) == called


def test_a_widget_with_its_state_passes(book, capsys):
    path = book / 'nbs' / '00_background.ipynb'
    notebook(path, [*BACKGROUND, ('code', 'x', WIDGET)])
    nb = json.loads(path.read_text())
    nb['metadata']['widgets'] = {docs.STATE: {'state': {'a': {}}}}
    path.write_text(json.dumps(nb))
    code, out = check(book, capsys)
    assert code == 0, out


def test_measures_are_a_command(book, capsys):
    run = lambda: (docs.main(['--root', str(book), 'measures']), capsys.readouterr().out)
    code, out = run()
    assert code == 0 and out.splitlines()[0].split()[:2] == ['notebook', 'cells'] and '2/1' in out
    assert out == check(book, capsys)[1]  # the same table, nothing more
    notebook(book / 'nbs' / '00_background.ipynb', [*BACKGROUND, ('code', 'x = 1\n' * 26), ('markdown', '@nobody2020')])
    code, out = run()
    assert code == 1 and 'a code cell has 26 lines' in out and 'nobody2020' not in out


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
        '| a |\n|---|\n| [b](nbs/00_background.ipynb) |\n\n*Rows, after Cohen et al. (2019)*\n',
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
    notebook(path, [('markdown', '# T'), ('code', NOISY), ('code', "os.path.basename(os.getcwd())"), ('code', "import tempfile; print(tempfile.mkdtemp() + '/x')")])
    again = lambda: (docs.main(['--root', str(book), 'run', str(path)]), path.read_bytes(), capsys.readouterr().out)
    code, first, out = again()
    assert code == 0 and out.startswith('index.ipynb: ') and out.endswith(' KB\n')
    cells = json.loads(first)['cells']
    assert [o.get('text') for o in cells[1]['outputs']] == [['a\n', 'b\n'], None]  # the bar has left nothing
    assert cells[1]['outputs'][1]['data']['text/plain'] == ['<object>'] and cells[1]['execution_count'] is None
    assert cells[2]['outputs'][0]['data']['text/plain'] == ["'nbs'"] and cells[3]['outputs'][0]['text'] == [f'{tempfile.gettempdir()}/tmp/x\n']
    assert again()[:2] == (0, first)
    notebook(path, [('markdown', '# T'), ('code', '1/0')])
    before = path.read_bytes()
    code, after, out = again()
    assert code == 1 and after == before and 'ZeroDivisionError' in out


def test_the_citation_agrees_with_the_project():
    root = CI.parents[1]
    cff, settings = yaml.safe_load((root / 'CITATION.cff').read_text()), configparser.ConfigParser()
    settings.read(root / 'settings.ini')
    d, bib = settings['DEFAULT'], dict(docs.read_bib(root / 'nbs' / 'refs.bib'))['patsatzi2023']
    assert cff['cff-version'] == '1.2.0' and cff['message'] and cff['type'] == 'software'
    assert cff['version'] == d['version'] and cff['title'] == f"{d['title']}: {d['description'].partition(':')[0]}"
    assert cff['authors'] == [{'name': d['author']}] and (cff['license'], d['license']) == ('Apache-2.0', 'apache2')
    assert cff['repository-code'] == d['git_url'] == yaml.safe_load((root / '_quarto.yml').read_text())['book']['repo-url']
    assert cff['url'] == d['doc_host'] + d['doc_baseurl']
    thesis, = cff['references']
    author, = thesis['authors']
    assert (thesis['type'], thesis['title'], str(thesis['year'])) == ('thesis', bib['title'], bib['year'])
    assert bib['author'] == f"{author['family-names']}, {author['given-names']}" and thesis['institution']['name'] == bib['school']
