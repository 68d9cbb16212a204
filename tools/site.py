"""The rendered book, measured in a browser:

    python -m tools.site _docs [--pages sweep,index] [--axe axe.min.js]

A line a page, at 1400 pixels and at 390: what share of its height is code that is not folded, how
many of its lines wrap, what is cut at the right without being able to scroll, what is wider than
the window, and what it asks for from elsewhere. With the script of axe-core (npm install axe-core)
also how many texts have too little contrast, on the light page and on the dark one."""
from __future__ import annotations

import argparse
import functools
import http.server
import os
import shutil
import threading
from pathlib import Path
from typing import Any, NamedTuple

WINDOWS = (1400, 390)      # pixels
THEMES = ('default', 'alternate')      # what Quarto calls light and dark
NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
# in the page: heights in pixels, and how many outputs hide a part of a line
SCRIPT = '''() => {
    const main = document.querySelector('main');
    const height = one => one.getBoundingClientRect().height;
    const seen = one => one.checkVisibility() && height(one) > 0;
    const all = (selector, of) => [...of.querySelectorAll(selector)].filter(seen);
    const code = all('div.sourceCode', main).filter(one => !one.closest('details:not([open])'));
    const pictures = all('figure img, .cell-output-display > img, canvas, .chart svg', main);
    const hidden = all('pre, table, math', main).filter(one =>
        one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === 'hidden');
    const lines = all('pre.sourceCode code > span', main).filter(one => {
        const style = getComputedStyle(one);
        return height(one) > 1.5*(parseFloat(style.lineHeight) || 1.2*parseFloat(style.fontSize));
    });
    const total = list => list.reduce((sum, one) => sum + height(one), 0);
    return {
        height: height(main), code: total(code), pictures: total(pictures), cut: hidden.length,
        wrapped: lines.length,
        folded: main.querySelectorAll('details.code-fold:not([open])').length,
        wide: document.documentElement.scrollWidth > window.innerWidth,
    };
}'''


class Page(NamedTuple):
    "What was found of one."
    name: str
    height: float          # of what is read, at 1400 pixels
    code: float            # of its code that is not folded
    pictures: float        # of its pictures
    folded: int            # cells
    wrapped: int           # lines of code that take more than one
    cut: int               # outputs that hide a part
    wide: tuple[int, ...]  # windows that it is wider than
    elsewhere: int         # addresses of others that it asks for
    pale: tuple[int, ...]  # texts of too little contrast, light and dark; none without axe-core


class Quiet(http.server.SimpleHTTPRequestHandler):
    "Files of a folder, without a word."
    def log_message(self, format: str, *args: Any) -> None: pass


def served(
    folder: Path,          # of the site
) -> http.server.ThreadingHTTPServer:
    "On this machine, until the process ends."
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def measured(
    browser: Any,          # of playwright
    root: str,             # address of the site
    name: str,             # of a page, without .html
    axe: str = '',         # the script of axe-core, if contrast is to be measured
) -> Page:
    "One page, in each window."
    found, wide, asked = {}, [], set()
    for width in WINDOWS:
        page = browser.new_page(viewport=dict(width=width, height=1000))
        page.on('request', lambda request: asked.add(request.url))
        page.goto(f'{root}/{name}.html', wait_until='domcontentloaded')
        page.wait_for_timeout(1500)
        seen = page.evaluate(SCRIPT)
        if width == WINDOWS[0]: found = seen
        if seen['wide']: wide.append(width)
        page.close()
    others = [url for url in asked if not url.startswith((root, 'data:', 'blob:'))]
    pale = pale_texts(browser, f'{root}/{name}.html', axe) if axe else ()
    return Page(name, found['height'], found['code'], found['pictures'], found['folded'],
                found['wrapped'], found['cut'], tuple(wide), len(others), pale)


def pale_texts(
    browser: Any,          # of playwright
    address: str,          # of a page
    axe: str,              # the script of axe-core
) -> tuple[int, ...]:
    "How many texts have too little contrast (WCAG 2, AA), by axe-core, on each of the two themes."
    found = []
    for theme in THEMES:
        page = browser.new_page(viewport=dict(width=WINDOWS[0], height=1000))
        page.add_init_script(f"localStorage.setItem('quarto-color-scheme', '{theme}')")
        page.goto(address, wait_until='domcontentloaded')
        page.wait_for_timeout(1500)
        page.evaluate(axe)
        broken = page.evaluate("axe.run({runOnly: ['color-contrast']})")['violations']
        found.append(sum(len(rule['nodes']) for rule in broken))
        page.close()
    return tuple(found)


HEAD = (f'{"page":16} {"height":>7} {"code":>5} {"pictures":>8} {"folded":>6} {"wrapped":>7} '
        f'{"cut":>4} {"elsewhere":>9} {"pale":>7}  wider than')


def over_all(
    pages: list[Page],     # of the site
) -> Page:
    "Their sums; of addresses elsewhere, the most."
    height, code, pictures, folded, wrapped, cut = (
        sum(getattr(page, what) for page in pages) for what in Page._fields[1:7])
    pale = tuple(map(sum, zip(*(page.pale for page in pages))))
    elsewhere = max(page.elsewhere for page in pages)
    return Page('all', height, code, pictures, folded, wrapped, cut, (), elsewhere, pale)


def told(
    pages: list[Page],     # of the site
) -> str:
    "As a table."
    lines = [HEAD]
    for page in [*pages, over_all(pages)]:
        wide = ', '.join(map(str, page.wide))
        pale = ' '.join(map(str, page.pale))
        lines.append(f'{page.name:16} {page.height:7.0f} {page.code/page.height:5.0%} '
                     f'{page.pictures/page.height:8.0%} {page.folded:6} {page.wrapped:7} '
                     f'{page.cut:4} {page.elsewhere:9} {pale:>7}  {wide}'.rstrip())
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> None:
    "Measure the pages that the command line asks for."
    from playwright.sync_api import sync_playwright
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('site', type=Path, help='folder with index.html')
    parser.add_argument('--pages', default='', help='names without .html; all by default')
    parser.add_argument('--axe', type=Path, help='axe.min.js of axe-core, to measure contrast')
    args = parser.parse_args(argv)
    # short files lead from old addresses to new ones
    there = [path.stem for path in sorted(args.site.glob('*.html')) if path.stat().st_size > 20_000]
    names = args.pages.split(',') if args.pages else there
    if not names: parser.error(f'no page in {args.site}: render the book first (quarto render)')
    axe = args.axe.read_text() if args.axe else ''
    root = f'http://127.0.0.1:{served(args.site).server_port}'
    path = os.environ.get('RSSR_BROWSER') or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=FLAGS)
        print(told([measured(browser, root, name, axe) for name in names]))
        browser.close()


if __name__ == '__main__': main()
