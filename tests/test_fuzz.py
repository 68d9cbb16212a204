"""Broken files are refused as declared, and the fuzzer finds what it should."""
import os
import time

import pytest

from tools.fuzz import MEMORY, Plan, fault_of, fuzz, main
from tools.fuzz_readers import READERS, Reader


@pytest.mark.parametrize('name', READERS)
def test_the_files_that_are_broken_were_whole(name, tmp_path):
    for raw in READERS[name].seeds(): READERS[name].read(tmp_path, raw)


@pytest.mark.slow
def test_broken_files_are_read_or_refused_as_declared(tmp_path, capfd):
    status = main(['--cases', '900', '--seed', '1', '--out', str(tmp_path)])
    assert not status, capfd.readouterr().out


# ---------------------------------------------------------------- faults that are planted

def seeds():
    return [b'a file']


def read_as_declared(folder, raw):
    raise ValueError('no file')


def read_badly(folder, raw):
    raise KeyError('a key')


def read_forever(folder, raw):
    time.sleep(100)


def read_too_much(folder, raw):
    try:
        bytes(2*MEMORY)
    except MemoryError:
        raise ValueError('no file') from None


def crash(folder, raw):
    os.abort()


def test_an_exception_is_found_unless_it_is_declared(tmp_path):
    def fault(read, *declared): return fault_of(Reader(read, seeds, declared), b'', tmp_path)
    assert not fault(read_as_declared, ValueError)
    assert fault(read_as_declared, OSError).startswith('ValueError in ')
    assert fault(read_badly, ValueError, OSError).startswith('KeyError in ')


PLANTED = [read_badly, read_forever, read_too_much, crash]


def test_a_hang_a_crash_and_a_gigabyte_are_found_and_kept_once(tmp_path):
    readers = {read.__name__: Reader(read, seeds, (ValueError,)) for read in PLANTED}
    plan = Plan(readers, 0, 60, 2*len(PLANTED), .2, tmp_path)
    cases = fuzz(plan)
    found = {path.name.rsplit('-', 2)[0] for path in tmp_path.iterdir()}
    assert {name.split('_in_')[0] for name in found} == {
        'read_badly-KeyError', 'read_forever-hang', 'read_too_much-memory', 'crash-SIGABRT'}
    assert len(found) == len(PLANTED)
    assert cases == 2*len(PLANTED)
    assert plan.case(3) == plan.case(3)
