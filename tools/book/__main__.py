"""The book without Quarto: write README.md, check the chapters, run them, measure their code.

Findings name cells as in nb['cells'], from 0.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .arguments import check_arguments
from .chapters import Book
from .checks import all_findings
from .measures import print_measures
from .readme import check_readme, shell_command, write_readme

ROOT = Path(__file__).resolve().parents[2]


def readme(options: argparse.Namespace) -> int:
    """Write README.md from nbs/index.ipynb, or compare the two."""
    if options.check:
        return report(check_readme(options.root))
    print(write_readme(options.root))
    return 0


def command(options: argparse.Namespace) -> int:
    """Print the shell command that README.md marks with <!-- command: NAME -->."""
    print(shell_command(options.root, options.name))
    return 0


def check(options: argparse.Namespace) -> int:
    """Print the measures and all that is wrong with the chapters."""
    book = Book(options.root)
    findings = all_findings(book)
    return report_book(book, findings)


def measures(options: argparse.Namespace) -> int:
    """Print the measures of a readable chapter: prose, longest cell, size."""
    return report_book(Book(options.root), [])


def arguments(options: argparse.Namespace) -> int:
    """Print which argument of the library has no comment of its own."""
    return report(list(check_arguments(Book(options.root))))


def density(options: argparse.Namespace) -> int:
    """Print how dense the code is."""
    from .density import density_faults, print_comparison, print_spots, print_table
    from .sources import read_groups

    groups = read_groups(options.root)
    if options.list:
        print_spots(groups)
        return 0
    print_table(groups)
    print_comparison(groups[0])
    return report(density_faults(groups[0])) if options.check else 0


def run(options: argparse.Namespace) -> int:
    """Execute notebooks in place, each in a fresh kernel."""
    from .run import run_notebooks

    return run_notebooks(options.root, options.notebooks)


def report(findings: list[str]) -> int:
    """Print findings; the exit status."""
    for finding in findings:
        print(finding)
    return int(bool(findings))


def report_book(
    book: Book,
    findings: list[str],  # of the checks
) -> int:
    """Print measures and findings; the exit status."""
    findings = findings + print_measures(book)
    status = report(findings)
    print(f'{len(book.files)} chapters, {len(findings)} findings')
    return status


def parser() -> argparse.ArgumentParser:
    """The command line."""
    described = argparse.RawDescriptionHelpFormatter
    line = argparse.ArgumentParser(
        'python -m tools.book', description=__doc__, formatter_class=described
    )
    line.add_argument('--root', type=Path, default=ROOT, help='the checkout')
    commands = line.add_subparsers(required=True, metavar='COMMAND')
    parts = {}
    for do in (readme, command, check, measures, arguments, density, run):
        part = commands.add_parser(do.__name__, help=do.__doc__, description=do.__doc__)
        part.set_defaults(do=do)
        parts[do] = part
    parts[readme].add_argument('--check', action='store_true', help='write nothing, compare')
    parts[command].add_argument('name')
    parts[density].add_argument('--check', action='store_true', help='exit 1 beyond a bound')
    parts[density].add_argument('--list', action='store_true', help='the worst spots instead')
    parts[run].add_argument('notebooks', nargs='*', help='default: all in nbs/')
    return line


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    options = parser().parse_args(argv)
    return options.do(options)


if __name__ == '__main__':
    sys.exit(main())
