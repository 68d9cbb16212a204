"""The playground as a reader has it: JupyterLab on this machine, a real browser, controls moved, what is shown read.

    pytest tests/test_playground.py

It needs Chromium or Chrome: the system's, the one that RSSR_BROWSER names, or what `playwright install chromium` has fetched. Without one it is skipped."""
import json
import os
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch
from PIL import Image

from rssr.models import load_model
from rssr.smoothing import smooth

sync_api = pytest.importorskip('playwright.sync_api')
ROOT = Path(__file__).resolve().parents[1]
NAMES = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync']


@pytest.fixture(scope='module')
def browser():
    path = os.environ.get('RSSR_BROWSER') or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_api.sync_playwright() as p:
        if path is None and not Path(p.chromium.executable_path).exists(): pytest.skip('no Chromium: install it, or run `playwright install chromium`')
        browser = p.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    "Address of a JupyterLab with nothing but a copy of the playground, without its outputs."
    home = tmp_path_factory.mktemp('lab')
    (home / 'work').mkdir()
    notebook = json.loads((ROOT / 'nbs/20_playground.ipynb').read_text(encoding='utf-8'))
    notebook['metadata'].pop('widgets', None)
    for cell in notebook['cells']: cell.update(outputs=[]) if cell['cell_type'] == 'code' else None  # what was saved must prove nothing
    (home / 'work/20_playground.ipynb').write_text(json.dumps(notebook), encoding='utf-8')
    tracker = home / 'LAB_SETTINGS_DIR/@jupyterlab/notebook-extension/tracker.jupyterlab-settings'
    tracker.parent.mkdir(parents=True)
    tracker.write_text('{"windowingMode": "none"}')  # cells that are scrolled away stay in the page
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    token, log = secrets.token_hex(8), (home / 'log').open('w+')
    places = {f'JUPYTER{"" if k.startswith("LAB") else "_"}{k}': str(home / k) for k in ('CONFIG_DIR', 'DATA_DIR', 'RUNTIME_DIR', 'LAB_SETTINGS_DIR', 'LAB_WORKSPACES_DIR')}
    command = [sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--ip=127.0.0.1', f'--port={port}', '--port-retries=0',
               f'--IdentityProvider.token={token}', f'--ServerApp.root_dir={home / "work"}', '--LabApp.news_url=',
               '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate', '--LabApp.extension_manager=readonly']
    server = subprocess.Popen(command, env=os.environ | places, stdout=log, stderr=log, start_new_session=True)
    address = f'http://127.0.0.1:{port}', token
    try:
        until(lambda: server.poll() is not None or ask(address, 'api/status'), 'JupyterLab answers', 60)
        assert server.poll() is None, (home / 'log').read_text()
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # the kernels too
        server.wait(20)


def ask(address, what):
    "A GET of the server, None while it does not answer."
    try:
        with urllib.request.urlopen(f'{address[0]}/{what}?token={address[1]}', timeout=5) as answer: return json.load(answer)
    except OSError: return None


def until(true, what, seconds=30, every=.1):
    "Wait for it."
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, f'not within {seconds} s: {what() if callable(what) else what}'
        time.sleep(every)
    return value


class Page:
    "The playground in the browser."
    def __init__(self, page): self.page = page
    def text(self): return self.page.locator('.jp-OutputArea .widget-html-content').all_inner_texts()
    def complaints(self): return self.page.locator(', '.join(f'.jp-OutputArea [data-mime-type="application/vnd.jupyter.{kind}"]' for kind in ('error', 'stderr'))).all_inner_texts()
    def status(self): return next((t for t in self.text() if re.match('ready|done|working|stopped', t)), '')
    def control(self, name): return self.page.locator('.jp-OutputArea .jupyter-widgets', has=self.page.locator(f'.widget-label:text-is("{name}")')).last
    def handle(self, name): return self.control(name).locator('.noUi-handle')
    def choose(self, name, value): self.control(name).locator('select').select_option(value)
    def press(self, name): self.page.locator(f'.jp-OutputArea button:has-text("{name}")').click()
    def give(self, path):
        with self.page.expect_file_chooser() as chooser: self.press('your picture')
        chooser.value.set_files(path)
    def shows(self, pattern, seconds=30): return until(lambda: re.search(pattern, '\n'.join(self.text())), lambda: f'{pattern!r} in {self.text()}', seconds)


@pytest.fixture(scope='module')
def playground(browser, lab):
    "The notebook, all cells run."
    page = browser.new_page(viewport=dict(width=1400, height=1000))
    page.goto(f'{lab[0]}/lab/tree/20_playground.ipynb?token={lab[1]}&reset', wait_until='domcontentloaded')
    page.wait_for_selector('.jp-Notebook .jp-Cell', timeout=60_000)
    page.add_locator_handler(page.locator('.jp-Dialog button.jp-mod-accept'), lambda button: button.click())  # e.g. which kernel
    kernel = lambda: next((s['kernel'] for s in ask(lab, 'api/sessions') or []), {})
    until(lambda: kernel().get('connections') and kernel()['execution_state'] == 'idle', kernel, 60)
    page.locator('.jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(state='attached')
    page.locator('#jp-main-dock-panel .lm-TabBar-tab', has_text='09_playground').first.click()
    page.locator('.lm-MenuBar-itemLabel:text-is("Run")').click()
    page.locator('.lm-Menu-itemLabel:text-matches("^Run All( Cells)?$")').first.click()
    until(lambda: kernel()['execution_state'] == 'busy', kernel)
    shown = Page(page)
    until(lambda: shown.complaints() or shown.status() == 'ready', kernel, 240, .5)
    until(lambda: kernel()['execution_state'] == 'idle', kernel, 120)
    assert not shown.complaints()  # neither an error nor a warning
    page.locator('.jp-OutputArea .widget-hslider').first.scroll_into_view_if_needed()
    yield shown
    page.close()


def passes():
    "Seconds that the passes behind one move take here and now."
    f, y = load_model('x2_smoothing_0.1').folded(), torch.zeros(2, 3, 160, 160)
    start = time.perf_counter()
    with torch.no_grad(): smooth(f, y, .15, 50, batch=16)
    return time.perf_counter() - start


def move(playground, key, values):
    "Press a key until the noise has these values, each shown before the next; the seconds until it was, as a reader would count them."
    seconds = []
    playground.handle('sigma_g').focus()
    for value in values:
        start = time.monotonic()
        playground.page.keyboard.press(key)
        playground.shows(rf'sigma_g {value:g}, k')
        seconds.append(round(time.monotonic() - start, 2))
    return seconds


def test_the_noise_is_moved(playground):
    "The pictures and the numbers follow, soon."
    before, images = playground.shows(r'sigma_g 0.15.*\n(.*\n)*.*smoothed g.*')[0], playground.page.locator('.jp-OutputArea figure img')
    assert images.count() == 8
    old = images.nth(5).get_attribute('src')
    seconds = move(playground, 'ArrowRight', (.2, .25, .3, .35, .4))
    after = playground.shows(r'sigma_g 0.4\D.*\n(.*\n)*.*smoothed g.*')[0]
    assert after.split('\n')[-1] != before.split('\n')[-1] and images.nth(5).get_attribute('src') != old  # numbers and picture
    print('seconds for a change of sigma_g:', seconds)
    assert statistics.median(seconds) < max(1.5, 3 * passes())  # the second where the machine is busy with something else


def test_only_the_last_of_many_moves_is_computed(playground):
    one, start = min(move(playground, 'ArrowLeft', (.35, .3))), time.monotonic()
    for _ in range(18): playground.page.keyboard.press('ArrowRight')
    playground.shows(r'sigma_g 1.2, k')
    took = time.monotonic() - start
    print(f'18 moves at once take {took:.2f} s, one {one} s')
    assert took < 3*one  # one after the other, those that reach the kernel take several times as long
    for _ in range(16): playground.page.keyboard.press('ArrowLeft')
    playground.shows(r'sigma_g 0.4, k')


def test_other_choices_follow(playground):
    playground.choose('model', 'x2_standard')  # takes the noise level that suits it: none
    playground.shows(r'x2_standard on .*sigma_g 0[,; ]')
    playground.choose('attack', 'none')
    playground.shows(r'x2_standard on .*no attack')
    playground.choose('scale', 'x4')
    playground.shows(r'bilinear \(identity\) on .*x4')
    playground.choose('scale', 'x2')
    playground.choose('model', 'x2_split_0.5')
    playground.choose('attack', 'PGD, 10 steps, on f')
    playground.shows(r'x2_split_0.5 on .*attack: thesis.*sigma_g 0.5')


def test_a_certificate_has_a_bar_and_can_be_stopped(playground):
    playground.choose('draws', '5000')
    playground.press('certify')
    bar = playground.page.locator('.jp-OutputArea .progress-bar')
    until(lambda: bar.bounding_box() and bar.bounding_box()['width'] > 5, 'the bar moves')
    playground.press('stop')
    playground.shows('stopped')
    playground.choose('draws', '300')
    playground.press('certify')
    playground.shows(r'300 draws, probability of error 0.1%', 60)


def test_a_wrong_upload_gets_a_message(playground, tmp_path):
    (tmp_path / 'notes.png').write_text('no picture')
    playground.give(tmp_path / 'notes.png')
    playground.shows('notes.png cannot be read as an image')
    Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 30).convert('RGB').save(tmp_path / 'mine.png')
    playground.give(tmp_path / 'mine.png')
    playground.shows('x2_split_0.5 on mine.png')
    assert not playground.complaints()
