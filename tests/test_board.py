"Entries of the board: a whole one is found again, and each way to cheat is seen."
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from rssr.board import (
    BAR,
    Rules,
    board_figure,
    board_table,
    certified_standing,
    check_entry,
    check_files,
    entries,
    measure_entry,
    read_entry,
    rssr_board,
    standing,
)

TEMPLATE = Path('submissions/template')
FEW = Rules(photographs=2, eps_rels=(0., .001, .02), iterations=2, k=4, certified=1, n=64)


@pytest.fixture(scope='module')
def measured(tmp_path_factory) -> Path:
    "The template, smoothed, and measured in a short way."
    folder = tmp_path_factory.mktemp('board')/'mine'
    shutil.copytree(TEMPLATE, folder)
    change(folder, sigma=.1)
    measure_entry(read_entry(folder), FEW)
    return folder


@pytest.fixture
def mine(measured, tmp_path) -> Path:
    "A copy to be changed."
    shutil.copytree(measured, tmp_path/'mine')
    return tmp_path/'mine'


def change(folder: Path, **said) -> None:
    "Say something else in entry.json."
    path = folder/'entry.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | said))


def wrong(table: pd.DataFrame) -> str:
    "What was not found again."
    return '; '.join(table.loc[~table['agrees'], 'what'])


def test_a_whole_entry_is_found_again(mine):
    before = {path: path.read_bytes() for path in mine.rglob('*') if path.is_file()}
    found = check_entry(read_entry(mine), FEW)
    assert wrong(found) == ''
    assert {'weights', 'PSNR at eps_rel 0.02'} <= set(found['what'])
    assert any(found['what'].str.startswith('certificate drawn again'))
    assert all(path.read_bytes() == content for path, content in before.items())


def test_it_stands_in_the_table(mine):
    one = read_entry(mine)
    head, bar, own = board_table([one])
    assert head[2:] == ['clean', 'eps_rel 0.001', 'eps_rel 0.02']
    assert bar[0] == 'the learned linear map' and own[0] == 'sharpened'
    under = standing(one)
    assert (under['psnr'].diff().dropna() < 0).all()
    assert own[2] == f'{under.psnr[0]:.2f} ({under.above[0]:+.2f} ± {under.half[0]:.2f})'
    sure = certified_standing(one)
    assert sure['psnr'][.001] < under['psnr'][.001]
    assert len(board_figure([one]).axes[0].get_lines()) == 3      # attacked, certified, the bar


def test_a_better_figure_than_was_measured_is_seen(mine):
    path = mine/'attacked'/'rows.csv'
    rows = pd.read_csv(path)
    rows.loc[rows['psnr'] < 30, 'psnr'] += 1
    rows.to_csv(path, index=False)
    one = read_entry(mine)
    assert wrong(check_files(one, FEW).table) == ''
    assert 'PSNR at eps_rel 0.02' in wrong(check_entry(one, FEW))


def test_a_better_certificate_than_was_proved_is_seen(mine):
    path = min((mine/'certified'/'documents').glob('*.json'))
    document = json.loads(path.read_text())
    document['certificates'][1]['psnr'] += 1
    path.write_text(json.dumps(document))
    assert wrong(check_files(read_entry(mine), FEW).table).startswith('certificate of')


def test_a_better_certificate_in_the_rows_alone_is_seen(mine):
    path = mine/'certified'/'rows.csv'
    rows = pd.read_csv(path)
    rows.loc[rows['method'] == 'B7', 'psnr'] += 1
    rows.to_csv(path, index=False)
    assert wrong(check_files(read_entry(mine), FEW).table).startswith('certificate of')


def with_rows(folder: Path, changed) -> None:
    "Other rows than were measured."
    path = folder/'rows.csv'
    changed(pd.read_csv(path)).to_csv(path, index=False)


def of_bar(folder: Path) -> int:
    "The run that the linear map's rows belong to, at the largest radius."
    runs = pd.read_csv(folder/'runs.csv')
    return runs.loc[runs['model'] == BAR].sort_values('eps_rel')['run'].iloc[-1]


def test_a_lower_bar_is_seen(mine):
    run = of_bar(mine/'attacked')
    with_rows(mine/'attacked', lambda rows: rows.assign(
        psnr=rows['psnr'] - (rows['run'] == run)))
    assert wrong(check_entry(read_entry(mine), FEW)) == 'the linear map at its worst'


def test_a_lower_certificate_of_the_bar_is_seen(mine):
    with_rows(mine/'certified', lambda rows: rows.assign(
        psnr=rows['psnr'] - (rows['method'] == 'B0 learned')))
    assert wrong(check_entry(read_entry(mine), FEW)) == 'certificates of the linear map'


def test_what_is_left_out_is_seen(mine):
    with_rows(mine/'attacked', lambda rows: rows.iloc[1:])
    assert wrong(check_files(read_entry(mine), FEW).table) == 'rows of the entry'


def test_another_photograph_is_seen(mine):
    with_rows(mine/'attacked', lambda rows: rows.replace(rows['content'].iloc[0], '0'*16))
    assert wrong(check_files(read_entry(mine), FEW).table) == (
        'rows of the entry; rows of the linear map')


def test_a_document_that_is_gone_is_seen(mine):
    first, *others = sorted((mine/'certified'/'documents').glob('*.json'))
    first.unlink()
    assert wrong(check_files(read_entry(mine), FEW).table) == 'certificates'
    for path in others: path.unlink()
    assert wrong(check_entry(read_entry(mine), FEW)) == 'certificates'


def test_a_certificate_without_its_row_is_seen(mine):
    with_rows(mine/'certified', lambda rows: rows[rows['eps_rel'] < .002])
    assert 'certificate of' in wrong(check_files(read_entry(mine), FEW).table)


def test_another_network_is_seen(mine):
    path = mine/'model.py'
    path.write_text(path.read_text().replace('strength: float = .5', 'strength: float = .4'))
    with pytest.raises(ValueError, match='is about weights'):     # its certificates are of another
        check_entry(read_entry(mine), FEW)
    assert wrong(check_files(read_entry(mine), FEW).table) == 'files'


def test_other_rules_are_seen(mine):
    table = check_files(read_entry(mine), replace(FEW, k=5)).table
    line, = table[~table['agrees']].to_dict('records')
    assert (line['what'], line['found']) == ('rules that differ', 'k')


@pytest.mark.parametrize(('said', 'error'), [
    (dict(problem='x0'), 'x0'), (dict(where='output'), 'output'), (dict(sigma=-1.), 'sigma'),
    (dict(sigma='much'), "sigma is 'much'"), (dict(name=BAR), 'that of the bar'),
    (dict(colour='red'), "'colour' is unknown"),
])
def test_what_cannot_be_meant_names_the_file(mine, said, error):
    change(mine, **said)
    with pytest.raises(ValueError, match=rf'entry.json is no entry \(.*{error}'):
        read_entry(mine)


def test_the_command_says_what_is_missing(tmp_path, capsys):
    shutil.copytree(TEMPLATE, tmp_path/'mine')
    for arguments, error in [
        ([], 'give --entry FOLDER'),
        (['--entry', str(tmp_path)], 'start from a copy of submissions/template'),
        (['--entry', str(tmp_path/'mine'), '--check'], 'measure the entry, rssr_board --entry'),
    ]:
        with pytest.raises(SystemExit) as stopped: rssr_board(arguments)
        assert stopped.value.code == 2 and error in capsys.readouterr().err


def test_what_ships_is_as_it_was_measured():
    shipped = entries('submissions')
    assert len(shipped) >= 5 and len({one.name for one in shipped}) == len(shipped)
