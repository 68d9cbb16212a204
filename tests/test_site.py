"What is measured of a rendered page, on pages whose figures are known."
import pytest

from tests.test_playground import browser  # noqa: F401
from tools.site import Page, main, measured, served, told

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PAGE = '''<!doctype html><html lang="en"><title>x</title><link rel="icon" href="data:,">
<style>* { margin: 0; padding: 0; } div { height: 100px; } pre { overflow: hidden; }
#long { white-space: pre; height: 100px; }</style>
<main><div class="sourceCode">open</div>
<details class="code-fold"><summary style="display: none">x</summary>
<div class="sourceCode">folded</div></details>
<div>words</div><figure><canvas width="10" height="100" style="display: block"></canvas></figure>
WHAT</main></html>'''


def page_with(folder, what, browser, axe='') -> Page:  # noqa: F811
    (folder/'one.html').write_text(PAGE.replace('WHAT', what))
    server = served(folder)
    found = measured(browser, f'http://127.0.0.1:{server.server_port}', 'one', axe)
    server.shutdown()
    return found


def test_heights_are_those_of_the_page(browser, tmp_path):  # noqa: F811
    one = page_with(tmp_path, '', browser)
    assert (one.height, one.code, one.pictures, one.folded) == (300, 100, 100, 1)
    assert (one.cut, one.wide, one.elsewhere) == (0, (), 0)
    assert told([one]).splitlines()[1].split() == ['one', '300', '33%', '33%', '1', '0', '0', '0']


def test_what_a_reader_cannot_see_is_found(browser, tmp_path):  # noqa: F811
    line = 'x'*500
    one = page_with(tmp_path, f'<pre>{line}</pre><img src="http://127.0.0.1:9/elsewhere.png">'
                              '<p style="width: 600px">wide</p>', browser)
    assert (one.cut, one.wide, one.elsewhere) == (1, (390,), 1)


def test_lines_of_code_that_wrap_are_counted(browser, tmp_path):  # noqa: F811
    style = 'font: 10px/20px monospace; width: 300px; overflow-wrap: anywhere; white-space: normal'
    lines = ''.join(f'<span style="display: block">{"x"*long}</span>' for long in (10, 200, 30))
    code = f'<pre class="sourceCode" style="{style}"><code>{lines}</code></pre>'
    assert page_with(tmp_path, code, browser).wrapped == 1


def test_a_folder_without_pages_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit): main([str(tmp_path)])
    assert f'no page in {tmp_path}: render the book first' in capsys.readouterr().err


def test_grey_on_white_is_found(browser, tmp_path):  # noqa: F811
    "With a script that is called as axe-core is; the real one comes from npm."
    axe = """window.axe = {run: async options => ({violations:
        [...document.querySelectorAll('p')].some(one => getComputedStyle(one).color ===
        'rgb(200, 200, 200)') ? [{nodes: options.runOnly}] : []})}"""
    assert page_with(tmp_path, '<p style="color: #c8c8c8">x</p>', browser, axe).pale == (1, 1)
    assert page_with(tmp_path, '<p>x</p>', browser, axe).pale == (0, 0)
    assert page_with(tmp_path, '<p>x</p>', browser).pale == ()
