"""What the search of the site finds: Quarto runs this after it has rendered (post-render).

Quarto indexes each section whole: with its code, in which a word is found before the function of
that name, and with each formula twice, as text and as TeX. Here the index is made again from the
pages, of what is read, and every function is an entry of its own."""
from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

UNREAD = {'annotation', 'pre', 'script', 'style', 'button', 'details'}   # and what they hold
EMPTY = {'br', 'hr', 'img', 'input', 'link', 'meta', 'wbr'}              # have no end
HEADINGS = {'h2', 'h3', 'h4'}
LINES = {'h1', 'p', 'li', 'td', 'th', 'figcaption', 'div', *HEADINGS}    # end one
DOCSTRING = re.compile(r'"{1,3}(.+?)"{1,3}', re.DOTALL)


class Page(HTMLParser):
    "What is read of a page, by section, and what it says of its functions."
    def __init__(
        self,
        text: str,            # of the page
        indexed: set[str],    # ids of its sections that the index has; '' is the page itself
    ):
        super().__init__()
        self.indexed = indexed
        self.open: list[str] = []                      # tags
        self.sections = ['']                           # ids, innermost last
        self.read: dict[str, list[str]] = {}           # by id of an indexed section
        self.heading: list[str] = []                   # the one that is open, or was last
        self.said: dict[str, str] = {}                 # of functions, their docstrings
        self.code = ''                                 # open code
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag in EMPTY: return
        self.open.append(tag)
        if tag == 'section': self.sections.append(dict(attributes).get('id') or '')
        if tag in HEADINGS: self.heading = []
        if tag == 'pre': self.code = ''

    def handle_endtag(self, tag):
        if tag not in self.open: return
        if tag in LINES: self._reads('\n')
        while self.open.pop() != tag: pass
        if tag == 'section': self.sections.pop()
        if tag in HEADINGS and self.function: self.said.setdefault(self.function, '')
        if tag == 'pre' and (found := DOCSTRING.search(self.code)): self._says(found[1])

    def handle_data(self, data):
        if 'main' not in self.open: return
        if HEADINGS & set(self.open): self.heading.append(data)
        if 'pre' in self.open: self.code += data
        if 'em' in self.open: self._says(data)
        self._reads(data)

    @property
    def function(self) -> str:
        "The name of the function whose section this is; '' if it is another one."
        name = ''.join(self.heading).strip()
        return name if name == self.sections[-1] and name.isidentifier() else ''

    def _reads(self, words):
        "They belong to the innermost section that the index has."
        if UNREAD & set(self.open): return
        within = next(one for one in reversed(self.sections) if one in self.indexed)
        self.read.setdefault(within, []).append(words)

    def _says(self, sentence):
        "The first sentence below its heading is what a function says of itself."
        if self.function and not self.said.get(self.function):
            self.said[self.function] = ' '.join(sentence.split())


def better(
    entries: list[dict],      # of one page, as Quarto makes them
    text: str,                # of that page
) -> list[dict]:
    "Its functions, then its sections without code and without TeX."
    page = Page(text, {entry['href'].partition('#')[2] for entry in entries} | {''})
    first = entries[0]
    functions = []
    for name, said in page.said.items():
        href = f'{first["href"].partition("#")[0]}#{name}'
        functions.append(first | dict(objectID=href, href=href, section=name, text=said))
    for entry in entries:
        words = page.read.get(entry['href'].partition('#')[2], [])
        entry['text'] = re.sub(r'\s*\n\s*', '\n', ''.join(words)).strip()
    return functions + entries


def main() -> None:
    "Make the index of the rendered site again."
    site = Path(os.environ.get('QUARTO_PROJECT_OUTPUT_DIR', '_docs'))
    index = site/'search.json'
    pages: dict[str, list[dict]] = {}
    for entry in json.loads(index.read_text(encoding='utf-8')):
        pages.setdefault(entry['href'].partition('#')[0], []).append(entry)
    found = []
    for name, entries in pages.items():
        found += better(entries, (site/name).read_text(encoding='utf-8'))
    index.write_text(json.dumps(found, ensure_ascii=False), encoding='utf-8')


if __name__ == '__main__': main()
