"What is measured of a rendered page, on pages whose figures are known."
import pytest

from tests.test_playground import browser  # noqa: F401
from tools.site import Page, measured, served, told

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PAGE = '''<!doctype html><html lang="en"><title>x</title><link rel="icon" href="data:,">
<style>* { margin: 0; padding: 0; } div { height: 100px; } pre { overflow: hidden; }
#long { white-space: pre; height: 100px; }</style>
<main><div class="sourceCode">open</div>
<details class="code-fold"><summary style="display: none">x</summary>
<div class="sourceCode">folded</div></details>
<div>words</div><figure><canvas width="10" height="100" style="display: block"></canvas></figure>
WHAT</main></html>'''


def page_with(folder, what, browser) -> Page:  # noqa: F811
    (folder/'one.html').write_text(PAGE.replace('WHAT', what))
    server = served(folder)
    found = measured(browser, f'http://127.0.0.1:{server.server_port}', 'one')
    server.shutdown()
    return found


def test_heights_are_those_of_the_page(browser, tmp_path):  # noqa: F811
    one = page_with(tmp_path, '', browser)
    assert (one.height, one.code, one.pictures, one.folded) == (300, 100, 100, 1)
    assert (one.cut, one.wide, one.elsewhere) == (0, (), 0)
    assert told([one]).splitlines()[1].split() == ['one', '300', '33%', '33%', '1', '0', '0']


def test_what_a_reader_cannot_see_is_found(browser, tmp_path):  # noqa: F811
    line = 'x'*500
    one = page_with(tmp_path, f'<pre>{line}</pre><img src="http://127.0.0.1:9/elsewhere.png">'
                              '<p style="width: 600px">wide</p>', browser)
    assert (one.cut, one.wide, one.elsewhere) == (1, (390,), 1)
