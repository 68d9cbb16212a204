"The package as settings.ini describes it; nbdev keeps version and metadata there."
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
parser = ConfigParser(delimiters=['='])
parser.read(here / 'settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']

STATUS = {'1': 'Planning', '2': 'Pre-Alpha', '3': 'Alpha', '4': 'Beta', '5': 'Production/Stable'}
EXTRAS = ('dev', 'cluster', 'deepinv', 'spandrel')
SPDX = {'apache2': 'Apache-2.0'}
readme = here / 'README.md'

setup(
    name=cfg['lib_name'],
    version=cfg['version'],
    description=cfg['description'],
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown',
    author=cfg['author'],
    url=cfg['git_url'],
    keywords=cfg['keywords'],
    license=SPDX[cfg['license']],
    python_requires=f'>={cfg["min_python"]}',
    install_requires=cfg['requirements'].split(),
    extras_require={extra: cfg[f'{extra}_requirements'].split() for extra in EXTRAS},
    packages=find_packages(include=[cfg['lib_name'], f'{cfg["lib_name"]}.*']),
    # the pretrained models and their cards
    package_data={cfg['lib_name']: ['weights/*.safetensors', 'weights/*.json']},
    include_package_data=False,
    entry_points={
        'console_scripts': cfg['console_scripts'].split(),
        # lets other nbdev projects link to these docs
        'nbdev': [f'{cfg["lib_name"]}={cfg["lib_name"]}._modidx:d'],
    },
    classifiers=[
        f'Development Status :: {cfg["status"]} - {STATUS[cfg["status"]]}',
        f'Intended Audience :: {cfg["audience"]}',
        f'Natural Language :: {cfg["language"]}',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Processing',
    ],
    zip_safe=False,
)
