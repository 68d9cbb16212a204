#!/usr/bin/env python3
"""The book without Quarto: write README.md, check the chapters, run them.

    docs.py readme [--check]      README.md from nbs/index.ipynb (--check: compare only)
    docs.py command NAME          the shell command that README.md marks with <!-- command: NAME -->
    docs.py check                 what Quarto would choke on, and the measures of a readable chapter
    docs.py measures              the table of those measures alone, a line a notebook:
        cells, lines of the median and of the longest code cell, lines of prose for each code cell,
        assertions for each exported definition, size in units of 1000 bytes; exit 1 if one is beyond its bound
    docs.py run [NOTEBOOK ...]    execute notebooks in place, each in a fresh kernel

All but `run` need the standard library alone, so that CI can start from a bare Python.
Cells are counted from 0, as in nb['cells'].
"""
from __future__ import annotations

import argparse
import ast
import base64
import json
import os
import posixpath
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Iterator
from urllib.parse import unquote

# ---------------------------------------------------------------- markdown

FENCE = re.compile(r'^ *(`{3,}|~{3,})([^`\n]*)\n(.*?)(?:^ *\1[`~]*[ \t]*$|\Z)', re.M | re.S)
INLINE_CODE = re.compile(r'(?<!`)(`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)\1(?!`)', re.S)
COMMENT = re.compile(r'<!--.*?-->', re.S)
MATHS = re.compile(r'\$\$.*?\$\$|(?<![\\$])\$(?=[^\s$])(?:\\.|(?!\n\s*\n)[^$\\])+?(?<=\S)\$(?!\d)', re.S)
LITERAL = FENCE, INLINE_CODE, COMMENT, MATHS  # in this order: a fence may hold any of the others

ATTRIBUTES = re.compile(r'\{[^{}\n]*\}')
LABEL = re.compile(r'\{(?:[^{}\n]*\s)?#([\w:.-]+)[^{}\n]*\}')
KEY = re.compile(r'(?<![\w./@\\])@([A-Za-z0-9_](?:[\w:./-]*\w)?)')  # @fig-x and @cohen2019, not a@b.org
XREF = re.compile(r'(fig|tbl|eq|sec|lst|thm|lem|cor|prp|cnj|def|exm|exr|sol|rem|alg)-', re.I)
LINK = re.compile(r'(\]\(\s*<?)([^\s)<>]+)|(^ {0,3}\[(?!\^)[^\]\n]+\]:\s*<?)([^\s>]+)|(\b(?:src|href)=["\'])([^"\']+)', re.M)
SCHEME = re.compile(r'[a-z][a-z0-9+.-]*:|//', re.I)
HTML_ID = re.compile(r'<[a-z][^<>]*\bid=["\']([^"\']+)')
IMAGE = re.compile(r'!\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)[^)]*\)(\{[^{}]*\})?')
TABLE_ROW = re.compile(r'^\|.*\|', re.M)
DIV = re.compile(r'^ *:{3,}\s*(.*?)\s*:*$')


def prose(md: str) -> str:
    "`md` without code, comments and maths, in which an @ or a ]( means nothing; a fence leaves its attributes."
    md = FENCE.sub(lambda m: ' '.join(ATTRIBUTES.findall(m[2])), md)
    for pattern in LITERAL[1:]: md = pattern.sub(' ', md)
    return md


def outside_literals(md: str, change: Callable[[str], str]) -> str:
    "`change` all of `md` but its code, comments and maths."
    kept: list[str] = []

    def stash(m: re.Match) -> str:
        kept.append(m[0])
        return f'\0{len(kept) - 1}\0'

    for pattern in LITERAL: md = pattern.sub(stash, md)
    md = change(md)
    while '\0' in md: md = re.sub('\0(\\d+)\0', lambda m: kept[int(m[1])], md)  # a comment may hold stashed code
    return md


def headings(md: str) -> list[tuple[int, str]]:
    "(level, text) of each heading outside fences."
    return [(len(h), text) for h, text in re.findall(r'^(#{1,6})[ \t]+(\S.*?)[ \t]*$', FENCE.sub('', md), re.M)]


CALLOUT_TITLE = re.compile(r'^( *:{3,}.*\.callout-.*\n\s*)#{1,6} .*', re.M)


def slug(heading: str) -> str:
    "The identifier that pandoc gives to a heading."
    text = re.sub(r'!?\[([^\]]*)\]\([^)]*\)', r'\1', ATTRIBUTES.sub('', heading)).strip().lower()
    text = re.sub(r'\s+', '-', re.sub(r'[^\w\s.-]', '', text))
    return re.sub(r'^[\W\d_]+', '', text) or 'section'


def unquote_yaml(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in '"\'' else value


# ---------------------------------------------------------------- chapters

HIDING = {'hide', 'export', 'exporti', 'default_exp'}  # nbdev drops such a cell, its outputs and its label
OPTION = re.compile(r'^#\s*\|( ?)([\w-]+)(\s*:)?[ \t]*(.*?)[ \t]*$')


@dataclass
class Cell:
    "A cell of a notebook, or a whole .qmd file."
    file: str
    index: int
    kind: str
    source: str
    outputs: list[dict] = field(default_factory=list)
    execution_count: int | None = None

    @property
    def where(self) -> str: return f'nbs/{self.file}: cell {self.index}' if self.file.endswith('.ipynb') else f'nbs/{self.file}'

    @cached_property
    def option_lines(self) -> list[str]:
        "The leading `#|` lines."
        lines = [line for line in self.source.splitlines() if line.strip()]
        stop = next((i for i, line in enumerate(lines) if not re.match(r'#\s*\|', line)), len(lines))
        return lines[:stop] if self.kind == 'code' else []

    @cached_property
    def options(self) -> dict[str, str]:
        "Quarto's options and nbdev's directives."
        return {m[2]: unquote_yaml(m[4]) for m in map(OPTION.match, self.option_lines) if m}

    @property
    def code(self) -> str:
        return re.sub(r'\A(?:\s*#\s*\|.*(?:\n|\Z))+', '', self.source).strip('\n')

    @property
    def hidden(self) -> bool: return bool(HIDING & self.options.keys()) or self.options.get('include') == 'false'

    @property
    def shown_outputs(self) -> list[dict]:
        return [] if self.hidden or self.options.get('output') == 'false' else self.outputs

    @cached_property
    def texts(self) -> list[str]:
        "All markdown of this cell that Quarto reads."
        if self.kind == 'markdown': return [self.source]
        if self.kind == 'raw' or self.hidden: return []
        found = [self.options[o] for o in ('fig-cap', 'tbl-cap', 'lst-cap') if o in self.options]
        for out in self.shown_outputs:
            found += [joined(out['data']['text/markdown'])] if 'text/markdown' in out.get('data', {}) else []
            found += [joined(out['text'])] if 'text' in out and self.options.get('output') == 'asis' else []
        return found

    @property
    def labels(self) -> list[str]:
        if self.kind == 'code' and self.hidden: return []
        own = [self.options['label']] if 'label' in self.options else []
        return own + [label for text in self.texts for label in LABEL.findall(prose(text))]


def joined(text: str | list[str]) -> str: return text if isinstance(text, str) else ''.join(text)


def read_cells(path: Path) -> list[Cell]:
    if path.suffix == '.qmd': return [Cell(path.name, 0, 'markdown', path.read_text(encoding='utf-8'))]
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    return [Cell(path.name, i, c['cell_type'], joined(c['source']), c.get('outputs', []), c.get('execution_count'))
            for i, c in enumerate(cells)]


def read_bib(path: Path) -> list[tuple[str, dict[str, str]]]:
    "(key, fields) of each BibTeX entry."
    if not path.exists(): return []
    entries = re.findall(r'^@\w+\{\s*([^,\s]+)\s*,(.*?)^\}', path.read_text(encoding='utf-8'), re.M | re.S)
    fields = re.compile(r'(\w+)\s*=\s*(?:\{((?:[^{}]|\{[^{}]*\})*)\}|"([^"]*)")')
    return [(key, {m[1].lower(): re.sub(r'[{}]', '', m[2] or m[3] or '') for m in fields.finditer(body)}) for key, body in entries]


class Book:
    "Everything under nbs/, read once."
    def __init__(self, root: Path):
        self.root, self.nbs = root, root / 'nbs'
        paths = [p for p in sorted(self.nbs.iterdir()) if p.suffix in ('.ipynb', '.qmd') and p.name[0] not in '._']
        self.files = {p.name: read_cells(p) for p in paths}
        self.bib = read_bib(self.nbs / 'refs.bib')
        self.config = self._config(root / '_quarto.yml')

    @staticmethod
    def _config(path: Path) -> str: return re.sub(r'(^|\s)#.*', r'\1', path.read_text(encoding='utf-8')) if path.exists() else ''

    @property
    def cells(self) -> Iterator[Cell]:
        for cells in self.files.values(): yield from cells

    def named(self, file: str) -> Iterator[tuple[Cell, str, str]]:
        "(cell, definition or heading, its identifier) down the page: of two that are called alike, the second gets a number."
        found = self.given(file)
        for cell in self.files[file]:
            for text in own_headings(cell):
                name, n = slug(text), 0
                while (unique := f'{name}-{n}' if n else name) in found: n += 1
                found.add(unique)
                yield cell, text, unique

    def given(self, file: str) -> set[str]: return {name for cell in self.files[file] for name in [*cell.labels, *tag_ids(cell)]}

    def anchors(self, file: str) -> set[str]:
        "What `file#...` may name: headings, labels and, as nbdev documents them, exported definitions."
        return self.given(file) | {name for *_, name in self.named(file)}


def documented(cell: Cell) -> dict[str, ast.AST]:
    "{name: definition} of what nbdev documents below an exported cell: `pgd`, and `Photographs.decoded` for a patched method."
    if not cell.options.keys() & {'export', 'exports'}: return {}
    nodes = [n for n in ast.parse(cell.code).body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and n.name[0] != '_']
    return {f'{ast.unparse(n.args.args[0].annotation)}.{n.name}' if decorated(n, 'patch') else n.name: n for n in nodes}


def definitions(cell: Cell) -> dict[str, str]:
    "{name: docstring} of the same."
    return {name: ' '.join((ast.get_docstring(n) or '').split()) for name, n in documented(cell).items()}


def decorated(node: ast.AST, name: str) -> bool: return any(ast.unparse(d).startswith(name) for d in node.decorator_list)


def arguments(node: ast.AST) -> str:
    "What one calls it with, optional ones in brackets: `(f, y[, k])`."
    if isinstance(node, ast.ClassDef):
        init = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == '__init__']
        if init: return arguments(init[0])
        fields = [n for n in node.body if isinstance(n, ast.AnnAssign) and decorated(node, 'dataclass')]
        must, may = ([n.target.id for n in fields if bool(n.value) is given] for given in (False, True))
    else:
        a = node.args
        names = [x.arg for x in a.posonlyargs + a.args]
        free = len(names) - len(a.defaults)
        must = [n for n in names[:free] if n != 'self']
        may = [*names[free:], *(f'*{v.arg}' for v in [a.vararg] if v), *(k.arg for k in a.kwonlyargs), *(f'**{v.arg}' for v in [a.kwarg] if v)]
    return f"({', '.join(must)}{'[' + ', '[:2 * bool(must)] + ', '.join(may) + ']' if may else ''})"


def own_headings(cell: Cell) -> list[str]:
    "Those that pandoc gives an identifier, the ones that nbdev writes for definitions among them."
    texts = [CALLOUT_TITLE.sub(r'\1', text) for text in cell.texts]  # Quarto makes a title of it, not a heading
    return [*definitions(cell)] + [h for t in texts for _, h in headings(t) if not LABEL.search(h)]


def tag_ids(cell: Cell) -> list[str]: return [i for text in cell.texts for i in HTML_ID.findall(prose(text))]


# ---------------------------------------------------------------- check

def check_chapters(book: Book) -> Iterator[str]:
    listed = re.findall(r'[\w./-]+\.(?:ipynb|qmd)\b', book.config)
    for name in listed:
        if name not in book.files: yield f'_quarto.yml: chapter {name} does not exist, write nbs/{name} or drop the line'
    for name in sorted({n for n in listed if listed.count(n) > 1}): yield f'_quarto.yml: chapter {name} is listed twice, keep one'
    for name in book.files:
        if name not in listed: yield f'nbs/{name}: not in _quarto.yml, add it to the chapters'
    for name in dict.fromkeys(re.findall(r'[^\s"\'\[\]{},]+\.(?:s?css|bib|csl|html|js|lua|tex|ico|png|jpe?g|svg)(?=[\s"\'\],}]|$)', book.config)):
        if not SCHEME.match(name) and not (book.nbs / name).exists(): yield f'_quarto.yml: {name} does not exist, write nbs/{name} or drop the name'


def check_titles(book: Book) -> Iterator[str]:
    for file, cells in book.files.items():
        titles = [(c, text) for c in cells if c.kind == 'markdown' for level, text in headings(c.source) if level == 1]
        front = [c for c in cells if c.source.startswith('---\n') and re.search(r'^title:', c.source, re.M)]
        if len(titles) + len(front) != 1:
            at = titles[1][0].where if len(titles) > 1 else cells[0].where if cells else f'nbs/{file}'
            yield f'{at}: {len(titles) + len(front)} titles, write exactly one "# Title"'
        if not file.endswith('.ipynb'): continue
        for cell, text in titles[:1]:
            # nbdev turns the whole title cell into front matter: what is not title, description or key is lost.
            rest = re.sub(r'^(?:#\s.*|-\s+\S.*:.*|\s*)$\n?', '', cell.source, flags=re.M).splitlines()
            if ATTRIBUTES.search(text): yield f'{cell.where}: the title carries attributes, label a ## section instead'
            if cell is not next(c for c in cells if c.kind == 'markdown'): yield f'{cell.where}: text stands before the title, move it below'
            if [r for r in rest if not r.startswith('>')]: yield f'{cell.where}: nbdev drops other text of the title cell, move it to a cell of its own'
            if len(rest) > 1: yield f'{cell.where}: nbdev keeps one line of the description, write it on one line'


def check_references(book: Book) -> Iterator[str]:
    labels, keys = defaultdict(list), [key for key, _ in book.bib]
    for cell in book.cells:
        for label in filter(XREF.match, cell.labels): labels[label].append(cell.where)
    for label, places in labels.items():
        for place in places[1:]: yield f'{place}: label {label} is taken by {places[0]}, choose another'
    for key in sorted({k for k in keys if keys.count(k) > 1}): yield f'nbs/refs.bib: key {key} twice, keep one'
    cited = {k for cell in book.cells for text in cell.texts for k in KEY.findall(prose(text))}
    for key in dict.fromkeys(k for k in keys if k not in cited): yield f'nbs/refs.bib: {key} is never cited, cite it or drop it'
    for cell in book.cells:
        for key in dict.fromkeys(k for text in cell.texts for k in KEY.findall(prose(text))):
            if XREF.match(key):
                if key[0].lower() + key[1:] not in labels: yield f'{cell.where}: @{key} has no label, give one to its target (in a cell that is shown)'
            elif key not in keys: yield f'{cell.where}: @{key} is not in refs.bib, add it there (or put code in backticks)'


def check_links(book: Book) -> Iterator[str]:
    for cell in book.cells:
        for target in dict.fromkeys(t for text in cell.texts for _, t in links(prose(text))):
            if SCHEME.match(target): continue
            path, _, anchor = unquote(target).partition('#')
            file = posixpath.normpath(path.partition('?')[0].lstrip('/')) if path else cell.file
            if file.startswith('..'): yield f'{cell.where}: {target} leaves nbs/ and is not on the site, use its full URL'
            elif not (book.nbs / file).exists(): yield f'{cell.where}: {target} does not exist, correct the link'
            elif anchor and file in book.files and anchor not in book.anchors(file):
                yield f'{cell.where}: {file} has no heading or label {anchor}, correct the anchor'


def check_ids(book: Book) -> Iterator[str]:
    "One name, one place: what is labelled by hand must not be what pandoc makes of a heading."
    for cells in book.files.values():
        made = {slug(text): cell.where for cell in reversed(cells) for text in own_headings(cell)}
        given = [(name, cell.where) for cell in cells for name in [*cell.labels, *tag_ids(cell)]]
        for n, (name, where) in enumerate(given):
            if name in made: yield f'{where}: {name} is also what a heading or definition in {made[name]} is called, choose another'
            elif name in dict(given[:n]) and not XREF.match(name): yield f'{where}: {name} is taken by {dict(given[:n])[name]}, choose another'


def check_made_links(book: Book) -> Iterator[str]:
    "nbdev makes a link of each exported name in backticks, inside the text of another link and in a signature as well."
    names = {name for cell in book.cells for name in definitions(cell)}
    for cell in book.cells:
        for name in (n for text in cell.texts for n in re.findall(r'(?<!!)\[[^\[\]]*`([\w.]+)(?:\(\))?`[^\[\]]*\]\(', FENCE.sub('', text))):
            if name in names: yield f'{cell.where}: `{name}` in the text of a link becomes a link itself, drop the backticks or the link'
        if not cell.options.keys() & {'export', 'exports'}: continue
        for name in re.findall(r'^[^#\n]*\S[^#\n]*# .*?`([\w.]+)(?:\(\))?`', cell.source, re.M):
            if name in names: yield f'{cell.where}: `{name}` in a comment becomes a link, which a signature shows as source, drop the backticks'
        for name, said in definitions(cell).items():
            if '*' in INLINE_CODE.sub('', said): yield f'{cell.where}: the docstring of {name} has a bare *, by which nbdev sets it in italics, put it in backticks'


def links(text: str) -> list[tuple[str, str]]: return [(m[1] or m[3] or m[5], m[2] or m[4] or m[6]) for m in LINK.finditer(text)]


def check_cells(book: Book) -> Iterator[str]:
    for cell in book.cells:
        mimes = {mime for out in cell.shown_outputs for mime in out.get('data', {})}
        if mimes & {'image/png', 'image/svg+xml', 'image/jpeg'}:
            if not cell.options.get('label', '').startswith('fig-'): yield f'{cell.where}: a figure without a label, add "#| label: fig-..."'
            for option, what in (('fig-cap', 'caption'), ('fig-alt', 'alt text')):
                if not cell.options.get(option): yield f'{cell.where}: a figure without {what}, add "#| {option}: ..."'
        label, md = cell.options.get('label', ''), ''.join(joined(o['data']['text/markdown']) for o in cell.shown_outputs if 'text/markdown' in o.get('data', {}))
        if label.startswith('fig-') and not cell.hidden and not any(m.startswith('image/') or m in (VIEW, 'text/html') for m in mimes): yield f'{cell.where}: {label} shows no figure, run the notebook or drop the label'
        if label.startswith('tbl-') and not cell.hidden and not (TABLE_ROW.search(md) or 'text/html' in mimes): yield f'{cell.where}: {label} shows no table, run the notebook or drop the label'
        if label.startswith('tbl-') and not cell.options.get('tbl-cap'): yield f'{cell.where}: a table without caption, add "#| tbl-cap: ..."'
        for text in (joined(o.get('text', '')) for o in cell.shown_outputs):
            if seen := UNTIDY.search(text): yield f'{cell.where}: a reader stumbles over the saved {seen[0]!r}, mend the cell and run the notebook'
        if any(out['output_type'] == 'error' for out in cell.outputs): yield f'{cell.where}: a saved error, mend the cell and run the notebook'
        if cell.execution_count is not None or any(out.get('execution_count') is not None for out in cell.outputs):
            yield f'{cell.where}: an execution count, run nbdev_clean'
        for line in cell.option_lines:
            option = OPTION.match(line)
            if not option: yield f'{cell.where}: nbdev drops "{line.strip()}", write each option on one line'
            elif option[3] and not plain_yaml(option[4]): yield f'{cell.where}: option {option[2]} is not plain YAML, put its value in quotes'


# what only the writer's machine or a terminal makes sense of
UNTIDY = re.compile(r'\b\w*Warning: .*|\x1b\[[\d;]*\w|/(?:home|root|Users)/[\w./-]+|/[\w./-]*site-packages/[\w./-]*|Traceback \(most recent')
VIEW, STATE = 'application/vnd.jupyter.widget-view+json', 'application/vnd.jupyter.widget-state+json'


def plain_yaml(value: str) -> bool:
    "Whether YAML reads the value on one line as it stands (lists are left to their writer)."
    if value[:1] == '"': return bool(re.fullmatch(r'"(?:[^"\\]|\\["\\/abefnrt0])*"', value))  # a lone \s is an error there
    if value[:1] == "'": return bool(re.fullmatch(r"'(?:[^']|'')*'", value))
    return value[:1] == '[' or not re.search(r'^[{}\],&*#?|>%@`!-]|:\s|:$|\s#', value)


CALLOUTS = 'note', 'tip', 'important', 'warning', 'caution'


def check_divs(book: Book) -> Iterator[str]:
    for cells in book.files.values():
        opened: list[Cell] = []  # a div may close in a later cell
        for cell in cells:
            for line in (line for text in cell.texts for line in prose(text).splitlines()):
                if not (div := DIV.match(line)): continue
                if div[1]:
                    opened.append(cell)
                    if (kind := re.search(r'\.callout-(\w+)', div[1])) and kind[1] not in CALLOUTS: yield f'{cell.where}: Quarto knows no callout-{kind[1]}, use one of {", ".join(CALLOUTS)}'
                elif opened: opened.pop()
                else: yield f'{cell.where}: ::: closes nothing, drop it'
        for cell in opened: yield f'{cell.where}: a ::: is never closed, close it'
        for cell in cells:
            for opening, first in (m for text in cell.texts for m in re.findall(r'^ *(:{3,}.*\.callout-.*)\n\s*(.*)', f'{prose(text)}\n', re.M)):
                if 'title="' not in opening and not first.startswith('#'): yield f'{cell.where}: a callout without title, begin it with a heading'


def check_markup(book: Book) -> Iterator[str]:
    "What a page shows raw, or swallows."
    for cell in book.cells:
        for text in cell.texts:
            plain = prose(text)
            for tag in ('details', 'summary', 'div', 'figure', 'span', 'table'):
                opened, closed = (len(re.findall(rf'<{slash}{tag}\b', plain)) for slash in ('', '/'))
                if opened != closed: yield f'{cell.where}: <{tag}> is opened {opened} times and closed {closed} times'
            if plain.count('<details') > plain.count('<summary'): yield f'{cell.where}: a <details> without <summary> has no title, add one'
            code = INLINE_CODE.sub(' ', FENCE.sub(' ', COMMENT.sub(' ', text)))
            if len(re.findall(r'(?<!\\)\$\$', code)) % 2: yield f'{cell.where}: a $$ is never closed, close it'
            for label in re.finditer(r'\{#eq-', code):
                if not code[:label.start()].rstrip(' ').endswith('$$'): yield f'{cell.where}: the label of an equation stands away from its $$, put it right behind'
            for caption, target, attributes in IMAGE.findall(plain):
                if not caption and 'alt=' not in attributes: yield f'{cell.where}: {target} has no alt text, describe it'
                if '{#fig-' in attributes and not (caption and 'fig-alt=' in attributes): yield f'{cell.where}: {target} needs a caption and fig-alt'
            for tag in re.findall(r'<img\b[^>]*>', plain):
                if not re.search(r'\balt=["\'][^"\']', tag): yield f'{cell.where}: {tag} has no alt text, describe it'
            for block in re.findall(r'(?:^\|.*\n)+', f'{plain}\n', re.M):
                columns = [len(re.findall(r'(?<!\\)\|', row)) - 1 for row in block.splitlines()]
                if set(columns) != {columns[0]}: yield f'{cell.where}: a table of {columns[0]} columns has a row of {next(c for c in columns if c != columns[0])}, mend the row'


ASSERTION = re.compile(r'\bassert\b|\btest_\w+\(|\bassert_\w+\(|\bexpect_fail\(')


@dataclass
class Measures:
    "How one notebook reads."
    cells: int
    median: float  # lines of a code cell, `#|` lines counted
    longest: int
    code: int      # code cells
    prose: int     # lines
    defined: int   # exported definitions
    tests: int     # assertions outside exported cells
    kb: float     # 1000 bytes

    @classmethod
    def of(cls, path: Path, cells: list[Cell]) -> Measures:
        code = [c for c in cells if c.kind == 'code']
        lines = [sum(bool(line.strip()) for line in c.source.splitlines()) for c in code] or [0]
        text = '\n'.join(FENCE.sub('', c.source) for c in cells if c.kind == 'markdown')
        exported = [c for c in code if c.options.keys() & {'export', 'exports'}]
        return cls(len(cells), statistics.median(lines), max(lines), len(code),
                   sum(bool(re.match(r'\s*(?!#|:::|<!--)\S', line)) for line in text.splitlines()),
                   sum(len(definitions(c)) for c in exported),
                   sum(len(ASSERTION.findall(c.code)) for c in code if c not in exported), path.stat().st_size / 1000)

    def faults(self) -> Iterator[str]:
        if self.median > 5: yield f'the median code cell has {self.median:g} lines, split cells to reach 5'
        if self.longest > 25: yield f'a code cell has {self.longest} lines, split it below 26'
        if self.prose < self.code: yield f'{self.prose} lines of prose for {self.code} code cells, explain more'
        if self.tests < 2 * self.defined: yield f'{self.tests} assertions for {self.defined} exported definitions, write two for each'
        if self.cells > 60: yield f'{self.cells} cells, cut to 60'
        if self.kb > 300: yield f'{self.kb:.1f} KB, cut the outputs to 300'


API = 'api.ipynb'


def check_api(book: Book) -> Iterator[str]:
    "The saved reference lists each exported definition at the place where it is built, with its arguments and what its docstring says, and nothing else."
    if API not in book.files: return
    there = {(file, anchor): (f'{cell.where}: {name}', definitions(cell)[name], arguments(documented(cell)[name]))
             for file in book.files for cell, name, anchor in book.named(file) if name in documented(cell)}
    text = '\n'.join(text for cell in book.files[API] if cell.kind == 'code' for text in cell.texts)
    entries = re.findall(r'\]\(([^)#]+)#([^)]+)\)(?: *`(\([^`\n]*\))`)?[^\n]*(?:\n +(\S.*))?', text)
    seen = {(path, anchor): found for path, anchor, *found in reversed(entries)}  # the first: a command has a second one
    for key, (what, said, called) in there.items():
        if key not in seen: yield f'{what} is not in {API}, run that notebook'
        elif (seen[key][0] or '()') != called: yield f'{what} is called with {called}, not with {seen[key][0] or "()"} as in {API}, run that notebook'
        elif not said.startswith(seen[key][1]): yield f'{what} says something else in {API}, run that notebook'
    for path, anchor in sorted(seen.keys() - there.keys()): yield f'nbs/{API}: {path} exports no {anchor}, run the notebook'


def check_tests(book: Book) -> Iterator[str]:
    "A test that is named exists."
    for cell in book.cells:
        for path, name in dict.fromkeys(n for text in cell.texts for n in re.findall(r'\b(tests/\w+\.py)(?:::(\w+))?', text)):
            file = book.root / path
            if not file.exists(): yield f'{cell.where}: {path} does not exist, correct the name'
            elif name and not re.search(rf'^def {name}\(', file.read_text(encoding='utf-8'), re.M): yield f'{cell.where}: {path} has no test {name}, correct the name'


def check_weight(book: Book) -> Iterator[str]:
    "A page carries at most what its notebook holds, and the pictures that it names."
    for file, cells in book.files.items():
        named = {book.nbs / unquote(t) for cell in cells for text in cell.texts for _, t in links(prose(text)) if re.search(r'\.(?:png|jpe?g|gif|svg|webp)$', t) and not SCHEME.match(t)}
        size = sum(p.stat().st_size for p in {book.nbs / file, *named} if p.exists()) / 1e6
        if size > 3: yield f'nbs/{file}: the page weighs {size:.1f} MB, cut it to 3'


def check_widgets(book: Book) -> Iterator[str]:
    "A saved widget has its state beside it, without which the page shows nothing."
    for file, cells in book.files.items():
        shown = [(cell, out['data'][VIEW]['model_id']) for cell in cells for out in cell.outputs if VIEW in out.get('data', {})]
        saved = json.loads((book.nbs / file).read_text(encoding='utf-8'))['metadata'].get('widgets', {}).get(STATE, {}).get('state', {}) if shown else {}
        for cell, model in shown:
            if model not in saved: yield f'{cell.where}: a widget without its state, run the notebook by .ci/docs.py run'


CHECKS = (check_chapters, check_titles, check_references, check_ids, check_links, check_made_links, check_cells, check_divs, check_markup,
          check_api, check_tests, check_weight, check_widgets)


def print_measures(book: Book) -> list[str]:
    "The table; returns what is beyond its bounds."
    findings = []
    print(f'{"notebook":<26}{"cells":>6}{"median":>8}{"longest":>8}{"prose/code":>12}{"tests/def":>11}{"KB":>6}')
    for file, cells in book.files.items():
        if not file.endswith('.ipynb'): continue
        m = Measures.of(book.nbs / file, cells)
        print(f'{file:<26}{m.cells:>6}{m.median:>8g}{m.longest:>8}{f"{m.prose}/{m.code}":>12}{f"{m.tests}/{m.defined}":>11}{m.kb:>6.0f}')
        findings += [f'nbs/{file}: {fault}' for fault in m.faults()]
    return findings


def check(root: Path, measures_only: bool = False) -> int:
    book = Book(root)
    findings = [] if measures_only else [finding for part in CHECKS for finding in part(book)]
    findings += print_measures(book)
    for finding in findings: print(finding)
    print(f'{len(book.files)} chapters, {len(findings)} findings')
    return int(bool(findings))


# ---------------------------------------------------------------- README

PLAIN_WORD = dict(fig='figure', tbl='table', eq='equation', sec='section', lst='listing', thm='theorem', lem='lemma',
                  cor='corollary', prp='proposition', cnj='conjecture', exm='example', exr='exercise', sol='solution',
                  rem='remark', alg='algorithm') | {'def': 'definition'}
IMAGE_SUFFIX = {'image/png': 'png', 'image/jpeg': 'jpg', 'image/svg+xml': 'svg'}
NOTICE = '<!-- Written by .ci/docs.py from nbs/index.ipynb: edit the notebook. -->'


class Readme:
    "index.ipynb as GitHub reads it: `text`, and the `images` that its cells have drawn."
    def __init__(self, root: Path):
        self.bib = dict(read_bib(root / 'nbs' / 'refs.bib'))
        self.images: dict[str, bytes] = {}
        parts = [part for cell in read_cells(root / 'nbs' / 'index.ipynb') for part in self.parts(cell)]
        self.text = '\n\n'.join([NOTICE, *(p.strip('\n') for p in parts if p.strip())]) + '\n'

    def parts(self, cell: Cell) -> Iterator[str]:
        if cell.kind == 'raw':
            keys = dict(re.findall(r'^(title|description):\s*(.+?)\s*$', cell.source, re.M)) if cell.source.startswith('---') else {}
            if 'title' in keys: yield f'# {unquote_yaml(keys["title"])}'
            if 'description' in keys: yield f'> {unquote_yaml(keys["description"])}'
        elif cell.kind == 'markdown':
            title = re.match(r'\s*# ', cell.source)
            yield self.github(re.sub(r'^-\s+\S.*:.*\n?', '', cell.source, flags=re.M) if title else cell.source)
        elif not cell.hidden:
            if cell.options.get('echo') != 'false' and cell.code: yield fenced(cell.code, 'python')
            for n, out in enumerate(cell.shown_outputs): yield self.output(cell, out, n)

    def output(self, cell: Cell, out: dict, n: int) -> str:
        data = out.get('data', {})
        for mime, suffix in IMAGE_SUFFIX.items():
            if mime not in data: continue
            raw, label = joined(data[mime]), cell.options.get('label', f'cell-{cell.index}')
            name = f'nbs/images/readme-{label}{f"-{n}" if n else ""}.{suffix}'
            self.images[name] = raw.encode() if suffix == 'svg' else base64.b64decode(raw)
            caption = self.github(cell.options.get('fig-cap', ''))
            return f'![{cell.options.get("fig-alt", "")}]({name})' + (f'\n\n*{caption}*' if caption else '')
        if 'text/markdown' in data:
            caption = self.github(cell.options.get('tbl-cap', ''))
            return self.github(joined(data['text/markdown'])).rstrip('\n') + (f'\n\n*{caption}*' if caption else '')
        text = joined(out['text']) if out.get('name') == 'stdout' else joined(data.get('text/plain', ''))
        if cell.options.get('output') == 'asis': return self.github(text)
        return fenced(re.sub(r'\x1b\[[\d;]*[A-Za-z]', '', text).strip('\n'), 'text') if text.strip() else ''

    def github(self, md: str) -> str:
        "Quarto's markdown in GitHub's."
        return outside_literals(flat_divs(md), self._github)

    def _github(self, md: str) -> str:
        def image(m: re.Match) -> str:
            if not m[3]: return m[0]
            alt = re.search(r'\balt="([^"]*)"', m[3])  # of fig-alt and of alt
            return f'![{alt[1] if alt else m[1]}]({m[2]})' + (f'\n\n*{m[1]}*' if m[1] and '#fig-' in m[3] else '')

        md = re.sub(r'\{\{<.*?>\}\}', '', md)
        md = IMAGE.sub(image, md)
        md = re.sub(r'^:\s+(.+?)\s*\{[^{}\n]*\}\s*$', r'*\1*', md, flags=re.M)              # the caption of a table
        md = re.sub(r'^(#+ .*?)[ \t]*\{[^{}\n]*\}[ \t]*$', r'\1', md, flags=re.M)           # a heading
        md = re.sub(r'\[([^\[\]]*)\]\{[^{}\n]*\}', r'\1', md)                               # a span
        md = re.sub(r'(?<=[\])])\{[^{}\n]*\}|[ \t]*\{#[^{}\n]*\}', '', md)                  # a link, an equation
        md = re.sub(r'\[([^\[\]]*@[^\[\]]*)\](?!\()', self._bracket, md)
        md = KEY.sub(lambda m: self._name(m[1], m.string[:m.start()]), md)
        return LINK.sub(lambda m: (m[1] or m[3] or m[5]) + from_root(m[2] or m[4] or m[6]), md)

    def _bracket(self, m: re.Match) -> str:
        "[see @a, p. 3; -@b] and [@fig-x]"
        items = m[1].split(';')
        if not all(KEY.search(item) for item in items): return m[0]
        if all(XREF.match(KEY.search(item)[1]) for item in items):
            return KEY.sub(lambda k: self._name(k[1], m.string[:m.start()]), m[1]).replace(' -the ', ' the ').lstrip('-')

        def item(text: str) -> str:
            return re.sub(r'(-?)@([\w:./-]*\w)', lambda k: self._cite(k[2], '{year}' if k[1] else '{who} {year}'), text.strip())
        return '(' + '; '.join(map(item, items)) + ')'

    def _name(self, key: str, before: str) -> str:
        if not XREF.match(key): return self._cite(key, '{who} ({year})')
        word = f'the {PLAIN_WORD[key.partition("-")[0].lower()]}'
        starts = re.search(r'(?:\A|\n\s*\n|[.!?]\s+)[-*>\s\[(]*\Z', before)
        return word.capitalize() if starts or key[0].isupper() else word

    def _cite(self, key: str, form: str) -> str:
        if key not in self.bib: raise SystemExit(f'nbs/index.ipynb: @{key} is not in refs.bib, add it there')
        entry = self.bib[key]
        names = [a.partition(',')[0] if ',' in a else a.split()[-1] for a in re.split(r'\s+and\s+', entry.get('author', key).strip())]
        who = ' and '.join(names) if len(names) < 3 else f'{names[0]} et al.'
        return form.format(who=who, year=entry.get('year', 'n.d.'))


def fenced(text: str, language: str) -> str:
    ticks = '`' * max(3, 1 + max(map(len, re.findall('`+', text)), default=0))
    return f'{ticks}{language}\n{text}\n{ticks}'


def from_root(target: str) -> str:
    "A link of nbs/index.ipynb, as seen from README.md."
    if SCHEME.match(target) or target[0] in '#/': return target
    path, hash_, anchor = target.partition('#')
    return posixpath.normpath(f'nbs/{path}') + hash_ + anchor


def flat_divs(md: str) -> str:
    "Callouts as block quotes under a bold title; of other divs, the content alone."
    out: list[str] = []
    opened: list[tuple[str, int]] = []  # (title of a callout or '', where it starts in out)
    fence = ''
    for line in md.split('\n'):
        ticks = re.match(r' *(`{3,}|~{3,})', line)
        if ticks and not fence: fence = ticks[1]
        elif ticks and ticks[1].startswith(fence): fence = ''
        div = None if fence else DIV.match(line)
        if div and div[1]:
            kind, title = re.search(r'\.callout-(\w+)', div[1]), re.search(r'title="([^"]*)"', div[1])
            opened.append((title[1] if title else kind[1].capitalize() if kind else '', len(out)))
        elif div and opened:
            title, start = opened.pop()
            if not title: continue
            body = '\n'.join(out[start:]).strip('\n').split('\n')
            if (h := re.match(r'#+ (.*)', body[0])): title, body = h[1], '\n'.join(body[1:]).strip('\n').split('\n')
            out[start:] = [f'> {text}'.rstrip() for text in (f'**{title}**', '', *body)]
        else: out.append(line)
    return '\n'.join(out)


def readme(root: Path, check_only: bool) -> int:
    made, images = Readme(root), root / 'nbs' / 'images'
    wanted = {'README.md': made.text.encode(), **made.images}
    stale = [p for p in images.glob('readme-*') if p.relative_to(root).as_posix() not in made.images]
    differs = [name for name, content in wanted.items() if not (root / name).exists() or (root / name).read_bytes() != content]
    if check_only:
        for name in [*differs, *(p.relative_to(root).as_posix() for p in stale)]: print(f'{name}: differs from nbs/index.ipynb, run .ci/docs.py readme')
        return int(bool(differs or stale))
    for name in differs:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(wanted[name])
    for path in stale: path.unlink()
    print(f'README.md: {len(made.text.splitlines())} lines, {len(differs)} files written')
    return 0


def command(root: Path, name: str) -> str:
    "The body of README's fenced block below `<!-- command: name -->`."
    path = root / 'README.md'
    text = path.read_text(encoding='utf-8') if path.exists() else ''
    found = re.search(rf'<!--\s*command:\s*{re.escape(name)}\s*-->\s*\n(`{{3,}}|~{{3,}})[^\n]*\n(.*?)\n\1', text, re.S)
    if not found: raise SystemExit(f'README.md: no fenced block under <!-- command: {name} -->, write one in nbs/index.ipynb')
    return found[2]


# ---------------------------------------------------------------- run

def on_screen(text: str) -> str:
    "What a terminal shows in the end, after carriage returns, backspaces and the cursor moves of progress bars."
    if not re.search('[\r\b\x1b]', text): return text
    rows, row, col = [''], 0, 0
    for token in re.findall(r'\x1b\[[\d;]*[A-Za-z]|[\r\n\b]|[^\x1b\r\n\b]+|\x1b', text):
        if token == '\n': row, col = row + 1, 0
        elif token == '\r': col = 0
        elif token == '\b': col = max(col - 1, 0)
        elif token[0] == '\x1b':
            count = int(re.sub(r'\D', '', token) or 1)
            if token[-1] == 'A': row = max(row - count, 0)
            if token[-1] == 'K': rows[row] = rows[row][:col]
        else:
            rows[row] = rows[row][:col].ljust(col) + token + rows[row][col + len(token):]
            col += len(token)
        if row == len(rows): rows.append('')
    return '\n'.join(line.rstrip() for line in rows)


def tidy_streams(outputs: list[dict]) -> list[dict]:
    "One stream of each name between two other outputs: how a kernel cuts them differs from run to run."
    tidy: list[dict] = []
    streams: dict[str, dict] = {}
    for out in outputs:
        if out['output_type'] != 'stream': streams = {}
        elif (seen := streams.setdefault(out['name'], out)) is not out:
            seen['text'] += out['text']
            continue
        tidy.append(out)
    for out in tidy:
        if out['output_type'] == 'stream': out['text'] = on_screen(out['text'])
    return [out for out in tidy if out['output_type'] != 'stream' or out['text'].strip()]


def tidy_widgets(nb: Any) -> None:
    "Number the random ids of widgets in the order in which the outputs reach them; drop the unreached."
    states = nb.metadata.get('widgets', {}).get(STATE, {}).get('state', {})
    ids: list[str] = []

    def reach(model: str) -> None:
        if model not in states or model in ids: return
        ids.append(model)
        for child in re.findall(r'IPY_MODEL_([0-9a-f]{32})', json.dumps(states[model], sort_keys=True)): reach(child)

    views = [out.data[VIEW] for c in nb.cells for out in c.get('outputs', []) if VIEW in out.get('data', {})]
    for view in views: reach(view['model_id'])
    nb.metadata.pop('widgets', None)
    if not ids: return
    number = {model: f'{n:032x}' for n, model in enumerate(ids)}
    text = json.dumps({number[m]: states[m] for m in ids})
    text = re.sub(r'[0-9a-f]{32}', lambda m: number.get(m[0], m[0]), text)
    state = json.loads(re.sub(r'("msg_id": )"[^"]*"', r'\1""', text))
    for view in views: view['model_id'] = number.get(view['model_id'], view['model_id'])
    nb.metadata['widgets'] = {STATE: {'state': state, 'version_major': 2, 'version_minor': 0}}


FOLDER = re.compile(rf'({re.escape(tempfile.gettempdir())}/tmp)\w{{8}}\b')  # the name of a temporary folder is another one each time


def tidy(nb: Any) -> None:
    "Leave what nbdev_clean leaves, so that a second run of a deterministic notebook changes no byte."
    tidy_widgets(nb)
    nb.metadata = type(nb)({k: v for k, v in nb.metadata.items() if k in ('kernelspec', 'widgets')})
    if 'kernelspec' in nb.metadata: nb.metadata.kernelspec.display_name = nb.metadata.kernelspec.name
    for cell in nb.cells:
        cell.metadata = type(nb)({k: v for k, v in cell.metadata.items() if k == 'hide_input'})
        if cell.cell_type != 'code': continue
        cell.execution_count, cell.outputs = None, tidy_streams(cell.outputs)
        for out in cell.outputs:
            if 'execution_count' in out: out['execution_count'] = None
            for holder, key in [(out, 'text'), *((out.get('data', {}), k) for k in out.get('data', {}))]:
                if key.startswith('text') and key in holder: holder[key] = FOLDER.sub(r'\1', re.sub(r'(<.*?) at 0x[0-9a-fA-F]+(>)', r'\1\2', holder[key]))
                elif key.startswith('image') and 'svg' not in key: holder[key] = holder[key].rstrip()


def run(root: Path, names: list[str]) -> int:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    paths = [Path(n) for n in names] or [p for p in sorted((root / 'nbs').glob('*.ipynb')) if p.name[0] not in '._']
    for path in paths:
        start, nb = time.perf_counter(), nbformat.read(path, 4)
        client = NotebookClient(nb, timeout=None, kernel_name='python3', store_widget_state=True, record_timing=False,
                                resources={'metadata': {'path': str(root / 'nbs')}})
        try: client.execute()
        except (CellExecutionError, RuntimeError) as error:  # RuntimeError: the kernel died
            print(f'{path.name}: failed after {time.perf_counter() - start:.1f} s, not written\n{error}')
            return 1
        tidy(nb)
        partial = path.with_suffix('.tmp')  # never half a notebook
        nbformat.write(nb, partial)
        os.replace(partial, path)
        print(f'{path.name}: {time.perf_counter() - start:.1f} s, {path.stat().st_size / 1000:.0f} KB', flush=True)
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--root', type=Path, default=Path(__file__).resolve().parents[1], help='the checkout')
    commands = parser.add_subparsers(dest='do', required=True)
    commands.add_parser('readme').add_argument('--check', action='store_true', help='write nothing, exit 1 on a difference')
    commands.add_parser('command').add_argument('name')
    commands.add_parser('check')
    commands.add_parser('measures')
    commands.add_parser('run').add_argument('notebooks', nargs='*', help='default: all in nbs/')
    args = parser.parse_args(argv)
    if args.do == 'readme': return readme(args.root, args.check)
    if args.do in ('check', 'measures'): return check(args.root, args.do == 'measures')
    if args.do == 'run': return run(args.root, args.notebooks)
    print(command(args.root, args.name))
    return 0


if __name__ == '__main__': sys.exit(main())
