"""The picture that moves, in a real browser: what it shows is what its files say.

It needs Chromium as tests/test_playground.py does."""
import base64
import functools
import http.server
import io
import json
import threading
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rssr.metrics import metrics
from rssr.units import normalise
from tests.test_playground import browser  # noqa: F401
from tools.explorer import ERROR_SHOWN, PHOTOGRAPHS, RADII, SIDE, Shown, estimators
from tools.site import Quiet

pytestmark = [pytest.mark.slow, pytest.mark.browser]
FOLDER = Path('nbs/explorer')
SAID = json.loads((FOLDER/'values.json').read_text())
PAGE = '''<!doctype html><html lang="en"><meta charset="utf-8"><title>explorer</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="explorer.css"><h1>Before</h1>
<div data-rssr-explorer="."><p>Here a picture moves.</p></div><p id="after">After</p>
<script src="explorer.js" defer></script></html>'''


class WithPage(Quiet):
    "Files of a folder, and the page."
    def do_GET(self):
        if self.path != '/page.html': return super().do_GET()
        self.send_response(200)
        self.send_header('Content-Type', 'text/html; charset=utf-8')
        self.end_headers()
        self.wfile.write(PAGE.encode())


@pytest.fixture(scope='module')
def address():
    "Where the page is."
    handler = functools.partial(WithPage, directory=str(FOLDER))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/page.html'
    server.shutdown()


@pytest.fixture
def page(browser, address):  # noqa: F811
    "Open, and all that it asked for and complained of."
    page = browser.new_page(viewport=dict(width=1400, height=1000))
    page.asked, page.said = [], []
    page.on('request', lambda request: page.asked.append(request.url))
    page.on('console', lambda message: page.said.append(message.text))
    page.on('pageerror', lambda error: page.said.append(str(error)))
    page.goto(address)
    wait(page, dict(photograph='face', operator='x2', estimator='undefended', radius=4))
    yield page
    assert page.said == []
    page.close()


def wait(page, choice):
    "Until that is what the pictures show."
    page.wait_for_function(
        '''choice => {
            const shown = JSON.parse(document.querySelectorAll('canvas')[3]?.dataset.shown || '{}');
            return Object.keys(choice).every(key => shown[key] === choice[key]);
        }''', arg=choice)


def choose(page, **choice):
    "By the controls, as a reader does."
    for name in ('photograph', 'operator', 'estimator'):
        if name in choice: page.select_option(f'select[name={name}]', choice[name])
    if 'radius' in choice: page.fill('input[name=radius]', str(choice['radius']))
    if 'kind' in choice: page.check(f'input[value={choice["kind"]}]')
    wait(page, choice)


def picture(page, number):
    "One of the five, as numbers."
    url = page.evaluate(f"document.querySelectorAll('canvas')[{number}].toDataURL('image/png')")
    image = Image.open(io.BytesIO(base64.b64decode(url.split(',')[1]))).convert('RGB')
    return np.asarray(image).astype(float)


CHOICES = [
    dict(photograph='face', operator='x2', estimator='undefended', radius=4, kind='attack'),
    dict(photograph='eye', operator='x4', estimator='linear', radius=6, kind='attack'),
    dict(photograph='engine', operator='x2', estimator='certified', radius=1, kind='attack'),
    dict(photograph='engine', operator='x4', estimator='refined', radius=5, kind='noise'),
    dict(photograph='face', operator='x2', estimator='smoothing', radius=0, kind='attack'),
]


@pytest.mark.parametrize('choice', CHOICES)
def test_it_says_what_the_file_says(page, choice):
    choose(page, **choice)
    values = SAID['operators'][choice['operator']]['values'][choice['photograph']]
    mine = values[choice['estimator']]
    psnr, ssim = mine[choice['kind']][choice['radius']]
    told = page.inner_text('.told')
    assert told.startswith(f'PSNR {psnr:.2f} dB, SSIM {ssim:.3f}.')
    if not choice['radius']: assert 'Nothing is added' in told
    elif mine['certain']: assert f'{mine["certain"][choice["radius"] - 1]:.2f} dB (' in told
    else: assert 'nothing is certain' in told
    assert f'eps_rel {RADII[choice["radius"]]:g}'.replace('eps_rel 0,', 'eps_rel 0') in (
        page.inner_text('label output'))


@pytest.mark.parametrize('choice', CHOICES)
def test_the_pictures_are_those_that_were_measured(page, choice):
    "Within 1 dB, which a compressed picture loses, their PSNR is that of the file."
    choose(page, **choice)
    truth, given, change, output, error = (picture(page, i) for i in range(5))
    own = next(one for one in PHOTOGRAPHS if one.key == choice['photograph'])
    assert np.abs(truth - own.pixels).max() == 0
    x, g = (torch.from_numpy(one/255).permute(2, 0, 1)[None] for one in (truth, output))
    psnr = float(metrics(normalise(g), normalise(x))['psnr'])
    values = SAID['operators'][choice['operator']]['values'][choice['photograph']]
    assert abs(psnr - values[choice['estimator']][choice['kind']][choice['radius']][0]) < 1
    shown = (ERROR_SHOWN*np.abs(output - truth).mean(-1)).clip(0, 85)
    assert np.abs(error[..., 0]/3 - shown).max() <= 1
    rms = (change - 128).std()
    assert rms < .5 if not choice['radius'] else 12 < rms < 35
    assert np.abs(given - truth).mean() < 30


def tile(name, row, column):
    "A picture of a sheet, decoded by another library."
    whole = np.asarray(Image.open(FOLDER/f'{name}.webp').convert('RGB')).astype(float)
    return whole[row*SIDE:(row + 1)*SIDE, column*SIDE:(column + 1)*SIDE]


@pytest.mark.parametrize('kind', ['attack', 'noise'])
@pytest.mark.parametrize('estimator', ['nothing', 'linear', 'noise', 'adversarial'])
def test_each_choice_shows_its_own_pictures(page, estimator, kind):
    choose(page, photograph='eye', operator='x2', estimator=estimator, radius=5, kind=kind)
    keys = [one.key for one in estimators(2)]
    outputs = [(key, kind) for key in keys for kind in ('attack', 'noise')]
    changes = [one for one in outputs if one[1] == 'attack' or one[0] == 'nothing']
    whose = estimator if kind == 'attack' else 'nothing'       # the same noise for everybody
    for number, name, row, column in [
        (3, 'eye_x2_outputs', outputs.index((estimator, kind)), 5),
        (2, 'eye_x2_changes', changes.index((whose, kind)), 4),
    ]:
        assert np.abs(picture(page, number) - tile(name, row, column)).mean() < 1


def test_keys_move_the_radius(page):
    page.focus('input[name=radius]')
    page.keyboard.press('ArrowRight')
    wait(page, dict(radius=5))
    assert page.get_attribute('input[name=radius]', 'aria-valuetext').startswith('eps_rel 0.05')
    page.keyboard.press('Home')
    wait(page, dict(radius=0))


def test_an_estimator_that_another_operator_lacks_gives_way(page):
    choose(page, estimator='certified')
    page.select_option('select[name=operator]', 'x4')
    wait(page, dict(operator='x4', estimator='linear'))
    titles = page.eval_on_selector_all('select[name=estimator] option', 'all => all.length')
    assert titles == len(estimators(4)) == len(estimators(2)) - 1


@pytest.mark.parametrize('width', [1400, 390])
def test_nothing_jumps_and_nothing_is_cut(browser, address, width):  # noqa: F811
    page = browser.new_page(viewport=dict(width=width, height=900))
    page.add_init_script('''window.jumps = 0;
        new PerformanceObserver(list => list.getEntries().forEach(one => window.jumps += one.value))
            .observe({type: 'layout-shift', buffered: true});''')
    page.goto(address)
    wait(page, dict(radius=4))
    page.wait_for_timeout(300)
    assert page.evaluate('window.jumps') < .01
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    below = page.evaluate('''() => {
        const box = document.querySelector('[data-rssr-explorer]');
        const end = one => one.getBoundingClientRect().bottom;
        return end(box) - end(box.lastElementChild);
    }''')
    assert 0 <= below < 150            # what is kept free is what is needed
    page.close()


def test_it_asks_for_nothing_from_elsewhere(page, address):
    host = address.rsplit('/', 1)[0]
    assert all(url.startswith((host, 'data:')) for url in page.asked)


def test_it_says_what_is_missing(browser, address):  # noqa: F811
    page = browser.new_page()
    page.route('**/values.json', lambda route: route.abort())
    page.goto(address)
    page.wait_for_selector('[role=alert]')
    assert 'Here a picture moves.' in page.inner_text('[data-rssr-explorer]')
    page.close()


def test_it_is_small():
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert sum(files.values()) < 3*2**20
    sheets = {f'{one.key}_{operator}_{what}.webp' for one in PHOTOGRAPHS
              for operator in SAID['operators'] for what in ('pair', 'outputs', 'changes')}
    assert set(files) == sheets | {'values.json', 'explorer.js', 'explorer.css'}
    assert SAID['side'] == SIDE and tuple(SAID['radii']) == RADII


@pytest.mark.parametrize('scale', [2, 4])
def test_the_file_is_of_the_command_as_it_is(scale):
    said = SAID['operators'][f'x{scale}']['estimators']
    assert said == [asdict(one) for one in estimators(scale)]
    for values in SAID['operators'][f'x{scale}']['values'].values():
        assert list(values) == [one['key'] for one in said]


def test_a_figure_is_found_again():
    "The undefended network under attack, measured anew."
    crops = torch.from_numpy(np.stack([one.pixels for one in PHOTOGRAPHS])).permute(0, 3, 1, 2)
    one = next(one for one in estimators(2) if one.key == 'undefended')
    found = Shown.of(one, .02, 'attack', crops.float()/255, 2).quality
    at = RADII.index(.02)
    for photograph, (psnr, ssim) in zip(PHOTOGRAPHS, found):
        mine = SAID['operators']['x2']['values'][photograph.key]['undefended']['attack'][at]
        assert abs(mine[0] - psnr) < .3 and abs(mine[1] - ssim) < .02
