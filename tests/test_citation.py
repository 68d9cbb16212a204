"""CITATION.cff agrees with what the project says of itself elsewhere."""
from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path
from typing import Any

import yaml

from tools.book.bibliography import read_bibliography

ROOT = Path(__file__).resolve().parents[1]
LICENCES = {'apache2': 'Apache-2.0'}  # nbdev's name, SPDX's name


def read_yaml(name: str) -> dict[str, Any]:
    """A file in the root of the project."""
    return yaml.safe_load((ROOT / name).read_text(encoding='utf-8'))


def test_the_citation_agrees_with_the_project() -> None:
    """Title, version, authors, licence and addresses are those of settings.ini."""
    parser = ConfigParser()
    parser.read(ROOT / 'settings.ini', encoding='utf-8')
    settings = parser['DEFAULT']
    subtitle = settings['description'].partition(':')[0]
    expected = {
        'cff-version': '1.2.0',
        'type': 'software',
        'title': f'{settings["title"]}: {subtitle}',
        'version': settings['version'],
        'authors': [{'name': settings['author']}],
        'license': LICENCES[settings['license']],
        'repository-code': settings['git_url'],
        'url': settings['doc_host'] + settings['doc_baseurl'],
    }
    citation = read_yaml('CITATION.cff')
    assert {name: citation[name] for name in expected} == expected
    assert citation['message']
    book = read_yaml('_quarto.yml')['book']
    assert book['repo-url'] == settings['git_url']
    assert book['site-url'] == expected['url']
    assert book['page-footer']['left'].startswith(f'rssr {settings["version"]}, ')


def test_the_citation_names_the_thesis() -> None:
    """As the bibliography does."""
    [thesis] = read_yaml('CITATION.cff')['references']
    [author] = thesis['authors']
    cited = {
        'author': f'{author["family-names"]}, {author["given-names"]}',
        'title': thesis['title'],
        'year': str(thesis['year']),
        'school': thesis['institution']['name'],
    }
    fields = dict(read_bibliography(ROOT / 'nbs' / 'refs.bib'))['patsatzi2023']
    assert thesis['type'] == 'thesis'
    assert cited == {name: fields[name] for name in cited}
