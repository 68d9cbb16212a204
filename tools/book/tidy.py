"""Outputs that do not change from run to run, as far as the notebook itself does not."""
from __future__ import annotations

import json
import re
import tempfile
from typing import Any

from .cells import WIDGET_STATE, WIDGET_VIEW

# What a terminal reads at once: a move of the cursor, a control character, plain text.
TERMINAL_TOKEN = re.compile(r'\x1b\[[\d;]*[A-Za-z]|[\r\n\b]|[^\x1b\r\n\b]+|\x1b')
CONTROL = re.compile('[\r\b\x1b]')
# The name of a temporary folder and the address of an object are others each time.
TEMPORARY_FOLDER = re.compile(rf'({re.escape(tempfile.gettempdir())}/tmp)\w{{8}}\b')
ADDRESS = re.compile(r'(<.*?) at 0x[0-9a-fA-F]+(>)')
WIDGET_ID = re.compile('[0-9a-f]{32}')
WIDGET_CHILD = re.compile('IPY_MODEL_([0-9a-f]{32})')
MESSAGE_ID = re.compile('("msg_id": )"[^"]*"')

KEPT_NOTEBOOK_METADATA = ('kernelspec', 'widgets')
KEPT_CELL_METADATA = ('hide_input',)


def tidy_notebook(notebook: Any) -> None:
    """Leave what nbdev_clean leaves; a second run of a deterministic notebook changes no byte."""
    tidy_widgets(notebook)
    notebook.metadata = chosen(notebook.metadata, KEPT_NOTEBOOK_METADATA)
    if 'kernelspec' in notebook.metadata:
        notebook.metadata.kernelspec.display_name = notebook.metadata.kernelspec.name
    for cell in notebook.cells:
        cell.metadata = chosen(cell.metadata, KEPT_CELL_METADATA)
        if cell.cell_type == 'code':
            cell.execution_count = None
            cell.outputs = tidy_streams(cell.outputs)
            for output in cell.outputs:
                tidy_output(output)


def chosen(
    metadata: Any,  # nbformat's kind of dict
    names: tuple[str, ...],
) -> Any:
    """The metadata of these names alone."""
    return type(metadata)({name: metadata[name] for name in metadata if name in names})


def tidy_output(output: Any) -> None:
    """Take the execution count, folders' names and addresses out of an output."""
    if 'execution_count' in output:
        output['execution_count'] = None
    if 'text' in output:
        output['text'] = without_random_names(output['text'])
    data = output.get('data', {})
    for mime in data:
        if mime.startswith('text'):
            data[mime] = without_random_names(data[mime])
        elif mime.startswith('image') and 'svg' not in mime:
            data[mime] = data[mime].rstrip()


def without_random_names(text: str) -> str:
    """The text without what differs from run to run."""
    return TEMPORARY_FOLDER.sub(r'\1', ADDRESS.sub(r'\1\2', text))


def tidy_streams(outputs: list[Any]) -> list[Any]:
    """One stream of each name between two other outputs: a kernel cuts them by chance."""
    tidied: list[Any] = []
    streams: dict[str, Any] = {}  # by name, since the last other output
    for output in outputs:
        if output['output_type'] != 'stream':
            streams.clear()
            tidied.append(output)
        elif output['name'] in streams:
            streams[output['name']]['text'] += output['text']
        else:
            streams[output['name']] = output
            tidied.append(output)
    for output in tidied:
        if output['output_type'] == 'stream':
            output['text'] = on_screen(output['text'])
    return [output for output in tidied if not is_empty_stream(output)]


def is_empty_stream(output: Any) -> bool:
    """Whether an output is a stream with nothing to see."""
    return output['output_type'] == 'stream' and not output['text'].strip()


class Screen:
    """A terminal that reads the progress bars of a program."""

    def __init__(self) -> None:
        self.rows = ['']
        self._row = 0
        self._column = 0

    def read(self, token: str) -> None:
        """Show the next piece of text, or move the cursor."""
        if token == '\n':
            self._row += 1
            self._column = 0
        elif token == '\r':
            self._column = 0
        elif token == '\b':
            self._column = max(self._column - 1, 0)
        elif token.startswith('\x1b'):
            self._escape(token)
        else:
            self._write(token)
        if self._row == len(self.rows):
            self.rows.append('')

    def _escape(self, token: str) -> None:
        """Move up by `\\x1b[nA`, clear the rest of the line by `\\x1b[K`; ignore colours."""
        if token.endswith('A'):
            count = int(re.sub(r'\D', '', token) or 1)
            self._row = max(self._row - count, 0)
        elif token.endswith('K'):
            self.rows[self._row] = self.rows[self._row][:self._column]

    def _write(self, text: str) -> None:
        """Put text over what stands there."""
        row = self.rows[self._row]
        end = self._column + len(text)
        self.rows[self._row] = row[:self._column].ljust(self._column) + text + row[end:]
        self._column = end


def on_screen(text: str) -> str:
    """What a terminal shows in the end, when all progress bars are done."""
    if not CONTROL.search(text):
        return text
    screen = Screen()
    for token in TERMINAL_TOKEN.findall(text):
        screen.read(token)
    return '\n'.join(row.rstrip() for row in screen.rows)


def tidy_widgets(notebook: Any) -> None:
    """Number the widgets in the order in which the outputs reach them; drop the unreached."""
    saved = notebook.metadata.pop('widgets', {})
    states = saved.get(WIDGET_STATE, {}).get('state', {})
    views = widget_views(notebook)
    reached = reached_widgets([view['model_id'] for view in views], states)
    if not reached:
        return
    numbers = {model: f'{number:032x}' for number, model in enumerate(reached)}
    for view in views:
        view['model_id'] = numbers.get(view['model_id'], view['model_id'])
    state = renamed({numbers[model]: states[model] for model in reached}, numbers)
    notebook.metadata['widgets'] = {
        WIDGET_STATE: {'state': state, 'version_major': 2, 'version_minor': 0}
    }


def widget_views(notebook: Any) -> list[Any]:
    """The widgets that outputs show."""
    found: list[Any] = []
    for cell in notebook.cells:
        for output in cell.get('outputs', []):
            if WIDGET_VIEW in output.get('data', {}):
                found.append(output['data'][WIDGET_VIEW])
    return found


def reached_widgets(
    shown: list[str],  # ids of the widgets in outputs
    states: dict[str, Any],  # of all widgets, by id
) -> list[str]:
    """The ids of these widgets and of all that they consist of, each before its parts."""
    reached: list[str] = []
    waiting = list(reversed(shown))
    while waiting:
        model = waiting.pop()
        if model in states and model not in reached:
            reached.append(model)
            children = WIDGET_CHILD.findall(json.dumps(states[model], sort_keys=True))
            waiting += reversed(children)
    return reached


def renamed(
    state: dict[str, Any],  # of the reached widgets
    numbers: dict[str, str],  # new id of each
) -> dict[str, Any]:
    """The state with the new ids wherever an old one stands, without ids of messages."""
    text = WIDGET_ID.sub(lambda old: numbers.get(old[0], old[0]), json.dumps(state))
    return json.loads(MESSAGE_ID.sub(r'\1""', text))
