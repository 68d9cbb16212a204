"""How dense the code is: long lines, many words a line, large functions, short names."""
from __future__ import annotations

import csv
import statistics
from collections.abc import Callable
from pathlib import Path

from .definitions import function_parameters
from .sources import Group
from .spots import (
    Measure,
    Spot,
    bound_names,
    complexities,
    line_lengths,
    named_lambdas,
    own_parameter_counts,
    parameter_counts,
    separators,
    sizes,
    statement_counts,
    tokens_per_line,
)

LONGEST_LINE = 100  # characters
MOST_PARAMETERS = 8
MOST_COMPLEX = 8  # ways through a function; the table counts those over 10 as well
MOST_STATEMENTS = 20
WORST = 30  # spots that are listed for each measure


def percent(part: int, whole: int) -> str:
    """A share for a column of the table."""
    return f'{100 * part / whole:.1f}' if whole else '-'


def share_over(
    measure: Measure,
    bound: int,  # that a size may reach
) -> Callable[[Group], str]:
    """The column of a row: % of the spots beyond a bound."""

    def column(group: Group) -> str:
        """For one group."""
        found = sizes(measure, group)
        return percent(sum(size > bound for size in found), len(found))

    return column


def largest(measure: Measure) -> Callable[[Group], str]:
    """The column of a row: the largest size."""
    return lambda group: str(max(sizes(measure, group), default=0))


def number_of(measure: Measure) -> Callable[[Group], str]:
    """The column of a row: how many spots there are."""
    return lambda group: str(len(sizes(measure, group)))


def mean_complexity(group: Group) -> str:
    """Of all functions."""
    found = sizes(complexities, group)
    return f'{statistics.fmean(found):.1f}' if found else '-'


def usual_tokens(group: Group) -> str:
    """What nine lines of ten do not exceed."""
    found = sizes(tokens_per_line, group)
    if len(found) < 2:
        return '-'
    return f'{statistics.quantiles(found, n=10, method="inclusive")[-1]:.0f}'


def one_letter_share(group: Group) -> str:
    """% of the bound names that are one letter."""
    names: list[str] = []
    for source in group.sources:
        names += bound_names(source)
    return percent(sum(len(name) == 1 for name in names), len(names))


def annotated_share(group: Group) -> str:
    """% of the arguments of functions that say their type."""
    annotated: list[bool] = []
    for source in group.sources:
        for function in source.functions:
            found = function_parameters(function)
            annotated += [parameter.annotation is not None for parameter in found]
    return percent(sum(annotated), len(annotated))


ROWS: dict[str, Callable[[Group], str]] = {
    'lines of code': number_of(line_lengths),
    'over 100 characters, %': share_over(line_lengths, 100),
    'over 120 characters, %': share_over(line_lengths, 120),
    'over 150 characters, %': share_over(line_lengths, 150),
    'tokens a line, 90th percentile': usual_tokens,
    'lines with ;': number_of(separators),
    'lambdas with a name': number_of(named_lambdas),
    'functions': number_of(parameter_counts),
    'over 8 parameters, %': share_over(own_parameter_counts, MOST_PARAMETERS),
    'most parameters': largest(own_parameter_counts),
    'complexity, mean': mean_complexity,
    'complexity over 10, %': share_over(complexities, 10),
    'complexity, largest': largest(complexities),
    'over 20 statements, %': share_over(statement_counts, MOST_STATEMENTS),
    'most statements': largest(statement_counts),
    'one-letter names, %': one_letter_share,
    'arguments with a type, %': annotated_share,
}


ELSEWHERE = Path(__file__).with_name('elsewhere.csv')  # measured alike, in November 2026


def print_table(groups: list[Group]) -> None:
    """Print a row for each measure and a column for each group."""
    table = {'': [group.title for group in groups]}
    table.update({title: [column(group) for group in groups] for title, column in ROWS.items()})
    for title, columns in table.items():
        print(f'{title:<32}' + ''.join(f'{column:>14}' for column in columns))
    print(f'\nCommands, whose parameters are not counted: {", ".join(left_out(groups))}')


def print_comparison(group: Group) -> None:
    """Print the measures of one group beside those of other projects."""
    with ELSEWHERE.open(newline='', encoding='utf-8') as file:
        lines = list(csv.DictReader(file))
    others = [name for name in lines[0] if name != 'measure']
    widths = [max(len(name), 8) + 2 for name in others]
    print(f'{"":<32}{"rssr":>8}' + ''.join(map(str.rjust, others, widths)))
    for line in lines:
        here = ROWS[line['measure']](group)
        there = ''.join(line[name].rjust(width) for name, width in zip(others, widths))
        print(f'{line["measure"]:<32}{here:>8}{there}')


# What the exported code is held to: the bound of a measure, and whether it is the most allowed.
HELD: dict[str, tuple[float, bool]] = {
    'over 100 characters, %': (0, True),
    'tokens a line, 90th percentile': (22, True),
    'lines with ;': (0, True),
    'lambdas with a name': (0, True),
    'over 8 parameters, %': (0, True),
    'complexity, mean': (3.5, True),
    'complexity, largest': (10, True),
    'most statements': (20, True),
    'arguments with a type, %': (90, False),
}


def density_faults(group: Group) -> list[str]:
    """What is beyond its bound in the exported code, a sentence each."""
    found: list[str] = []
    for title, (bound, most) in HELD.items():
        value = float(ROWS[title](group))
        if value > bound if most else value < bound:
            limit = 'at most' if most else 'at least'
            found.append(f'exported code: {title}: {value:g}, {limit} {bound:g} is allowed')
    return found


def left_out(groups: list[Group]) -> list[str]:
    """Each command, with its number of parameters."""
    found: list[str] = []
    for group in groups:
        for count, _, name in parameter_counts(group):
            if name in group.commands:
                found.append(f'{name} {count}')
    return found or ['none']


BOUNDED: dict[str, tuple[Measure, int]] = {
    'lines over 100 characters': (line_lengths, LONGEST_LINE),
    'lines with ;': (separators, 0),
    'lambdas with a name': (named_lambdas, 0),
    'functions with more than 8 parameters': (own_parameter_counts, MOST_PARAMETERS),
    'functions of complexity over 8': (complexities, MOST_COMPLEX),
    'functions with more than 20 statements': (statement_counts, MOST_STATEMENTS),
}


def worst_spots(
    groups: list[Group],  # together
    measure: Measure,  # of their lines or functions
    bound: int,  # that a size may reach
) -> list[Spot]:
    """All spots beyond the bound, the largest first."""
    found: list[Spot] = []
    for group in groups:
        found += [spot for spot in measure(group) if spot.size > bound]
    return sorted(found, key=lambda spot: -spot.size)


def print_spots(groups: list[Group]) -> None:
    """Print the worst spots for each measure with a bound."""
    for title, (measure, bound) in BOUNDED.items():
        found = worst_spots(groups, measure, bound)
        print(f'{title}: {len(found)}')
        for spot in found[:WORST]:
            print(f'  {spot.size:>4}  {spot.where}  {spot.what}')
