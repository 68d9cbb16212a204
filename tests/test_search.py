"What the search of the site finds, on a page as Quarto renders it."
import importlib.util
import json
import re
from pathlib import Path

import pytest

PAGE = """<nav><section id="radius">elsewhere</section></nav><main>
<h1>5 Units</h1><p>What is <math><mi>x</mi><annotation>\\x</annotation></math>?<br>A value.</p>
<section id="sec-a" class="level2"><h2>5.1 Radius</h2><p>Of a ball.</p>
<hr><p><a href="x">source</a></p>
<section id="radius" class="level3"><h3>radius</h3>
<pre><code>def radius(x):
    \"\"\"How far. And
    more.\"\"\"
    return "x"</code></pre><p>Read on.</p></section>
<section id="eps" class="level3"><h3>eps</h3><pre><code>def eps()</code></pre>
<p><em>How small.</em></p><details><summary>Source</summary>hidden</details></section>
<section id="other" class="level3"><h3>Other</h3><p><em>No function.</em></p></section>
</section></main>"""


@pytest.fixture
def search():
    "The script that Quarto runs."
    spec = importlib.util.spec_from_file_location('make_search', Path('nbs/make_search.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entry(href: str, section: str = '') -> dict:
    "As Quarto indexes a section."
    return dict(objectID=href, href=href, title='5 Units', section=section, text='raw',
                crumbs=['The setting'])


def test_functions_come_first_and_sections_without_code(search, tmp_path, monkeypatch):
    (tmp_path/'units.html').write_text(PAGE)
    entries = [entry('units.html'), entry('units.html#sec-a', '5.1 Radius')]
    (tmp_path/'search.json').write_text(json.dumps(entries))
    monkeypatch.setenv('QUARTO_PROJECT_OUTPUT_DIR', str(tmp_path))
    search.main()
    found = json.loads((tmp_path/'search.json').read_text())
    assert [(one['href'], one['section'], one['text']) for one in found] == [
        ('units.html#radius', 'radius', 'How far. And more.'),
        ('units.html#eps', 'eps', 'How small.'),
        ('units.html', '', '5 Units\nWhat is x?A value.'),
        ('units.html#sec-a', '5.1 Radius', '5.1 Radius\nOf a ball.\nsource\nradius\nRead on.\n'
         'eps\nHow small.\nOther\nNo function.'),
    ]
    assert all(one['title'] == '5 Units' and one['crumbs'] == ['The setting'] for one in found)
    assert len({one['objectID'] for one in found}) == 4


def test_the_site_runs_it():
    "From the folder of the notebooks as nbdev lays them out for Quarto, beside nbs."
    command = re.search(r'post-render: python3 (\S+)', Path('_quarto.yml').read_text())
    assert (Path('_proc')/command[1]).resolve() == Path('nbs/make_search.py').resolve()
