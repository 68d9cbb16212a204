"What all tests share."
import pytest
import torch


@pytest.fixture(autouse=True, scope='session')
def one_thread():
    """Images this small are not worth sharing: on busy cores, threads that wait for each
    other make it 20 times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
