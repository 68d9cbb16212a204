"The filters of the pages: which cells are folded, and the links above a chapter."
import json
import math
from configparser import ConfigParser
from pathlib import Path

import lupa
import pytest

NBS = Path('nbs')
WIDE = 95                    # characters in a line of prose, at 1400 pixels
PICTURE = 22                 # lines that a picture is high
CODE_LINE = .75              # of a line of prose
AROUND = 2                   # lines around an open cell


@pytest.fixture(scope='module')
def fold():
    "From a cell's code and its options to what the filter says of it."
    lua = lupa.LuaRuntime()
    lua.execute((NBS/'fold.lua').read_text())
    has = lua.eval('function(list, wanted) for _, one in ipairs(list) do '
                   'if one == wanted then return true end end return false end')

    def run(code, options=(), classes=('python', 'cell-code')):
        classes = lua.table_from(classes)
        classes['includes'] = has
        attributes = lua.table_from(dict(options))
        block = lua.table_from(dict(text=code, classes=classes, attributes=attributes))
        lua.globals().CodeBlock(block)
        return dict(attributes.items())
    return run


def options_of(source: str) -> dict[str, str]:
    "What stands above the code of a cell."
    lines = [line[2:] for line in source.splitlines() if line.startswith('#| ')]
    pairs = (line.split(':', 1) for line in lines if ':' in line)
    return {key.strip(): value.strip().strip('"') for key, value in pairs}


def code_of(source: str) -> str:
    return '\n'.join(line for line in source.splitlines() if not line.startswith('#|'))


def height(output: dict) -> int:
    "Lines that an output takes."
    data = output.get('data', {})
    if any(kind.startswith('image') for kind in data): return PICTURE
    text = data.get('text/markdown', data.get('text/plain', output.get('text', '')))
    return len(''.join(text).splitlines())


def heights(path: Path, fold) -> tuple[float, float]:
    "Of open code, and of the page, in lines."
    code = page = 0.
    for cell in json.loads(path.read_text())['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            page += sum(max(1, math.ceil(len(line)/WIDE)) for line in source.splitlines())
        if cell['cell_type'] != 'code' or '#| hide' in source: continue
        page += sum(map(height, cell['outputs']))
        options = options_of(source)
        if options.get('echo') == 'false': continue
        kept = {key: options[key] for key in ('code-fold', 'code-summary') if key in options}
        lines = [line for line in code_of(source).splitlines() if line.strip()]
        if not lines: continue
        is_open = fold(code_of(source), kept)['code-fold'] != 'true'
        tall = CODE_LINE*len(lines) + AROUND if is_open else 1
        code += tall*is_open
        page += tall
    return code, page


def test_less_than_a_quarter_of_the_book_is_open_code(fold):
    chapters = [path for path in NBS.glob('*.ipynb') if path.stem != 'api']
    code, page = map(sum, zip(*(heights(path, fold) for path in chapters)))
    assert code < .25*page, f'{code/page:.1%} of the book is code that is not folded'


@pytest.mark.parametrize(('code', 'folded', 'summary'), [
    ('x = 1', 'show', 'Code'),
    ('test_eq(f(1), 2)\n', 'true', 'Tests'),
    ('assert f(1) == 2', 'true', 'Tests'),
    ('reassert(f)', 'show', 'Code'),
    ('def f():\n    "Half of it. Or more."\n    assert 1', 'show', '`f`: Half of it'),
    ('def f(\n    x,   # a\n):\n    """Mean of `x*y` over\n    images. None."""', 'show',
     r'`f`: Mean of \`x\*y\` over images'),
    ('class _A:\n    "One."\ndef b(): "Two."\ndef _c(): "Three."', 'show', '`b`: Two'),
    ('def _a(): "One."\ndef _b(): "Two."', 'show', '`_a`, `_b`: One'),
    ('def ab(): "One."\ndef a(): "Two."', 'show', '`ab`, `a`: One'),
    ('def a(): return 1\n', 'show', '`a`'),
    ('x = 1\n'*30, 'true', 'Code'),
])
def test_what_stands_on_a_cell(fold, code, folded, summary):
    assert fold(code) == {'code-fold': folded, 'code-summary': summary}


def test_a_cell_decides_for_itself(fold):
    assert fold('x = 1\n'*30, {'code-fold': 'show'})['code-fold'] == 'show'
    said = {'code-fold': 'true', 'code-summary': 'Imports'}
    assert fold('import os', said) == said
    assert fold('x = 1', {'code-fold': 'false'}) == {'code-fold': 'false'}


def test_code_that_is_no_cell_stays(fold):
    assert fold('pip install', classes=('sh',)) == {}


# ---------------------------------------------------------------- what nbdev says of a name

CODE = """def one(
    x,        # a
):
    "First. Said `here`."
    return _help(x)

def _help(x): return x

class Two:
    "Second."
    y = 1
"""


@pytest.fixture
def arranged():
    "From the blocks of a page to their kinds and texts, in the order of the filter."
    lua = lupa.LuaRuntime()
    lua.execute("""
        pandoc = {utils = {stringify = function(block) return block.said end}}
        function Classes(names)
            names.includes = function(list, wanted)
                for _, name in ipairs(list) do if name == wanted then return true end end
                return false
            end
            return names
        end""")
    lua.execute((NBS/'docs.lua').read_text())

    def block(kind, said, fold='show'):
        if kind != 'Cell': return lua.table_from(dict(t=kind, said=said))
        attributes = lua.table_from({'code-fold': fold})
        code = lua.table_from(dict(t='CodeBlock', text=said, attributes=attributes))
        classes = lua.globals().Classes(lua.table_from(['cell']))
        return lua.table_from(dict(t='Div', classes=classes, content=lua.table_from([code])))

    def run(*blocks):
        page = lua.table_from(dict(blocks=lua.table_from([block(*each) for each in blocks])))
        found = lua.globals().Pandoc(page).blocks
        return [one.said if one.content is None else
                one.content[1].attributes['code-summary'] or one.content[1].text
                for one in found.values()]
    return run


def said_of(name: str, *texts: str) -> list[tuple[str, str]]:
    "What nbdev writes below a cell."
    return [('HorizontalRule', '-'), ('Para', 'source'), ('Header', name),
            ('CodeBlock', f'def {name}()'), *(('Para', text) for text in texts)]


HEADS = ['-', 'source', 'one', '-', 'source', 'Two']


def test_a_heading_stands_above_its_source_and_the_copy_goes(arranged):
    below = [*said_of('Two', 'Second.'), *said_of('one', 'First. Said here.')]
    found = arranged(('Cell', CODE), *below, ('Para', 'Prose.'))
    assert found == [*HEADS, 'Source of `one`, `Two`', 'Prose.']


def test_where_the_source_is_folded_the_copy_is_read(arranged):
    below = [*said_of('one', 'First.', 'Said here.'), *said_of('Two', 'Second.')]
    found = arranged(('Cell', CODE, 'true'), *below, ('Para', 'Prose.'))
    assert found == ['-', 'source', 'one', 'def one()', 'First.', 'Said here.',
                     '-', 'source', 'Two', 'def Two()', 'Second.',
                     'Source of `one`, `Two`', 'Prose.']


@pytest.mark.parametrize('prose', ['Said here.', 'x', 'First', '', 'Second.'])
def test_prose_below_a_cell_stays_whatever_it_says(arranged, prose):
    "Only the docstring goes, paragraph after paragraph from its beginning."
    found = arranged(('Cell', CODE), *said_of('one', 'First. Said here.'), ('Para', prose))
    assert found == ['-', 'source', 'one', 'Source of `one`', prose]


def test_what_a_cell_does_not_define_stays(arranged):
    below = said_of('other', 'First.')
    texts = [said for _, said in below]
    assert arranged(('Cell', CODE), *below) == [CODE, *texts]
    assert arranged(('Para', 'Prose.'), *below) == ['Prose.', *texts]
    assert arranged(*below) == texts
    assert arranged(('Cell', CODE), ('HorizontalRule', '-'), ('Para', 'x')) == [CODE, '-', 'x']


# ---------------------------------------------------------------- tables

@pytest.fixture
def aligned():
    "From rows of texts to the alignment that each column gets."
    lua = lupa.LuaRuntime()
    lua.execute("""pandoc = {utils = {stringify = function(text) return text end}}""")
    lua.execute((NBS/'tables.lua').read_text())

    def run(*rows):
        cells = [[lua.table_from(dict(contents=text, col_span=1)) for text in row] for row in rows]
        body = lua.table_from([lua.table_from(dict(cells=lua.table_from(row))) for row in cells])
        bodies = lua.table_from([lua.table_from(dict(body=body))])
        specs = lua.table_from([lua.table_from(['AlignDefault']) for _ in rows[0]])
        lua.globals().Table(lua.table_from(dict(bodies=bodies, colspecs=specs)))
        return ''.join('R' if spec[1] == 'AlignRight' else '-' for spec in specs.values())
    return run


@pytest.mark.parametrize(('texts', 'right'), [
    (['24.93 ± 0.80', '-0.5', '+1,000'], True),
    (['24.93 / 0.802', '', '12%'], True),
    (['−3', '≤ 2', '1\u00a0000'], True),
    (['1', 'no'], False),
    (['x2', '3'], False),
    (['', ''], False),
    (['± .', '-'], False),
])
def test_numbers_stand_at_the_right(aligned, texts, right):
    assert aligned(*([f'row {i}', text] for i, text in enumerate(texts))) == '-' + '-R'[right]


def test_each_column_is_judged_by_itself(aligned):
    assert aligned(['1', '2', 'a', '3'], ['4', '5', '6', '7']) == '-R-R'    # the first names rows


# ---------------------------------------------------------------- the line above each chapter

@pytest.fixture
def links():
    "From the name of a file to the blocks that the filter puts first."
    lua = lupa.LuaRuntime()
    lua.execute('''
        pandoc = {
            Link = function(text, target) return {text = text, target = target} end,
            Str = function(text) return {text = text} end,
            Para = function(inlines) return inlines end,
            Attr = function(id, classes) return classes end,
            Div = function(blocks, classes) return {inlines = blocks[1], classes = classes} end,
        }
        quarto = {doc = {}}''')
    lua.execute((NBS/'links.lua').read_text())

    def run(path):
        lua.execute(f'quarto.doc.input_file = {json.dumps(path)}')
        blocks = lua.eval('{insert = function(list, at, block) table.insert(list, at, block) end}')
        lua.globals().Pandoc(lua.table_from(dict(blocks=blocks)))
        return blocks[1]
    return run


def test_each_chapter_links_to_its_notebook(links):
    first = links('/home/me/rssr/_proc/08_attacks.ipynb')
    colab, _, file, _, words = first['inlines'].values()
    assert colab['target'] == ('https://colab.research.google.com/github/rssr/rssr/blob/main/nbs/'
                               '08_attacks.ipynb')
    assert file['target'] == 'https://github.com/rssr/rssr/raw/main/nbs/08_attacks.ipynb'
    assert words['target'] == 'words.html' and (NBS/'words.ipynb').exists()
    assert links('/home/me/rssr/_proc/references.qmd') is None


def test_where_they_lead_the_book_is_fetched():
    "The same cell below each title: without it a chapter would find neither package nor figures."
    settings = ConfigParser()
    settings.read('settings.ini')
    user, repository = settings['DEFAULT']['user'], settings['DEFAULT']['repo']
    found = set()
    for path in NBS.glob('*.ipynb'):
        cells = json.loads(path.read_text())['cells']
        title = next(i for i, cell in enumerate(cells) if ''.join(cell['source']).startswith('# '))
        found.add(''.join(cells[title + 1]['source']))
    setup, = found
    assert setup.startswith('#| hide\n#| eval: false\n')
    assert "if 'google.colab' in sys.modules:" in setup
    assert f'git clone -q --depth 1 https://github.com/{user}/{repository} &&' in setup
    assert f'pip install -q ./{repository}' in setup and f"'cd', '-q {repository}/nbs'" in setup
