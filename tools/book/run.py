"""Execute notebooks in place, each in a fresh kernel."""
from __future__ import annotations

import os
import time
from pathlib import Path

from .chapters import chapter_paths
from .tidy import tidy_notebook


def run_notebooks(
    root: Path,
    names: list[str],  # paths of notebooks; none for all of nbs/
) -> int:
    """Run one after the other up to the first that fails; the exit status."""
    paths = [Path(name) for name in names]
    every = [path for path in chapter_paths(root / 'nbs') if path.suffix == '.ipynb']
    for path in paths or every:
        start = time.perf_counter()
        fault = run_notebook(root, path)
        seconds = f'{time.perf_counter() - start:.1f} s'
        if fault:
            print(f'{path.name}: failed after {seconds}, not written\n{fault}')
            return 1
        print(f'{path.name}: {seconds}, {path.stat().st_size / 1000:.0f} KB', flush=True)
    return 0


def run_notebook(
    root: Path,
    path: Path,  # of the notebook, which is written anew
) -> str:
    """Execute a notebook in nbs/ and save it whole; why that failed, '' if it did not."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(path, 4)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name='python3',
        store_widget_state=True,
        record_timing=False,
        resources={'metadata': {'path': str(root / 'nbs')}},
    )
    try:
        client.execute()
    except (CellExecutionError, RuntimeError) as error:  # RuntimeError: the kernel has died
        return str(error)
    tidy_notebook(notebook)
    partial = path.with_suffix('.tmp')  # never half a notebook
    nbformat.write(notebook, partial)
    os.replace(partial, path)
    return ''
