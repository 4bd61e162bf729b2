"""What esxcli commands answer, and its forms: text, JSON (both key spellings), keyvalue, CSV.

Shapes: tests/data/esxi/esxcli-outputs.txt. Columns of numbers and booleans are aligned to the right, header too.
"""

import csv
import io
import json
from typing import Any, Dict, List, Optional, Sequence, Union

from standin.esxi.dials import RENAMED
from standin.esxi.errors import CommandError

Row = Dict[str, Any]


class Field:
    """A field: its label as text shows it, its kind (string, integer, boolean, list); hidden ones are not in text."""

    def __init__(self, label: str, kind: str = "string", hidden: bool = False) -> None:
        self.label = label
        self.kind = kind
        self.hidden = hidden

    @property
    def key(self) -> str:
        """The name without blanks: ``MACAddress``."""
        return compact(self.label)


class Output:
    """Rows of one structure. Shape: table, list (a block a row, headed by ``title``), record (one row) or scalar."""

    def __init__(
        self, shape: str, structure: str, fields: Sequence[Field], rows: Sequence[Row], title: str = ""
    ) -> None:
        self.shape = shape
        self.structure = structure
        self.fields = list(fields)
        self.rows = list(rows)
        self.title = title


def compact(label: str) -> str:
    return "".join(character for character in label if character.isalnum())


def fields(*labels: str) -> List[Field]:
    """Fields from ``Label``, ``Label:integer``, ``Label:boolean``, ``Label:list``; a leading ``~`` hides it in text."""
    made = []
    for text in labels:
        label, _, kind = text.partition(":")
        made.append(Field(label.lstrip("~"), kind or "string", label.startswith("~")))
    return made


def table(structure: str, columns: Sequence[Field], rows: Sequence[Row]) -> Output:
    return Output("table", structure, columns, rows)


def listing(structure: str, columns: Sequence[Field], rows: Sequence[Row], title: str = "Name") -> Output:
    return Output("list", structure, columns, rows, title)


def record(structure: str, columns: Sequence[Field], row: Row) -> Output:
    return Output("record", structure, columns, [row])


def scalar(text: str) -> Output:
    return Output("scalar", "", [], [{"": text}])


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(item) for item in value)
    return str(value)


class Style:
    """How this release writes JSON: keys with blanks or without, values native or all strings; and the dials no-value,
    empty-list and renamed-key.
    """

    def __init__(
        self, blanks: bool, strings: bool, no_value: str = "empty", empty_list: str = "brackets", renamed: str = "none"
    ) -> None:
        self.blanks = blanks
        self.strings = strings
        self.no_value = {"empty": "", "N/A": "N/A", "null": None}[no_value]
        self.empty_list = empty_list
        self.renamed = renamed

    def rename(self, output: Output) -> Output:
        """The same with a key as another release may write it."""
        structure, before, after = RENAMED.get(self.renamed, ("", "", ""))
        if output.structure != structure:
            return output
        fields = [Field(after, one.kind, one.hidden) if one.label == before else one for one in output.fields]
        rows = [{after if key == before else key: row[key] for key in row} for row in output.rows]
        return Output(output.shape, output.structure, fields, rows, after if output.title == before else output.title)


def render(output: Optional[Output], formatter: str, style: Style) -> str:
    """The text of ``output`` for ``--formatter=formatter`` (empty: the text that people read)."""
    if output is None:
        return ""
    output = style.rename(output)
    if formatter == "json" and style.empty_list == "nothing" and output.shape != "scalar" and not output.rows:
        return ""
    if formatter == "json":
        return json.dumps(_json(output, style)) + "\n"
    if formatter == "keyvalue":
        return _keyvalue(output)
    if formatter == "csv":
        return _csv(output)
    if formatter not in ("", "table", "tree"):
        raise CommandError(f"Error: Unknown formatter {formatter}")
    return _text(output)


def _json(output: Output, style: Style) -> Any:
    if output.shape == "scalar":
        return output.rows[0][""]
    rows = [
        {
            (field.label if style.blanks else field.key): _json_value(row.get(field.label), style)
            for field in sorted(output.fields, key=lambda field: field.key)
        }
        for row in output.rows
    ]
    # The sample without blanks answers a `get` with a list of one, the public readers of the other with an object.
    return rows[0] if output.shape == "record" and style.blanks else rows


def _json_value(value: Any, style: Style) -> Union[str, int, bool, List[str], None]:
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value]
    if value is None or value == "":
        return style.no_value
    return as_text(value) if style.strings or not isinstance(value, (bool, int)) else value


def _keyvalue(output: Output) -> str:
    if output.shape == "scalar":
        return "string={}\n".format(output.rows[0][""])
    lines = []
    for number, row in enumerate(output.rows):
        head = output.structure if output.shape == "record" else f"structure[{number}].{output.structure}"
        for field in sorted(output.fields, key=lambda field: field.key):
            value = row.get(field.label)
            if field.kind != "list":
                lines.append(f"{head}.{field.key}.{field.kind}={as_text('' if value is None else value)}")
            elif value:
                for at, item in enumerate(value):
                    lines.append(f"{head}.{field.key}.string[{at}].string={as_text(item)}")
            else:
                lines.append(f"{head}.{field.key}.string[] = ")
    return "".join(line + "\n" for line in lines)


def _csv(output: Output) -> str:
    if output.shape == "scalar":
        return "{}\n".format(output.rows[0][""])
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    columns = sorted(output.fields, key=lambda field: field.key)
    # The real formatter ends each line with a comma, the header's too.
    writer.writerow([field.key for field in columns] + [""])
    for row in output.rows:
        cells = [row.get(field.label) for field in columns]
        writer.writerow([",".join(cell) if isinstance(cell, list) else as_text(cell) for cell in cells] + [""])
    return sink.getvalue()


def _text(output: Output) -> str:
    if output.shape == "scalar":
        return "{}\n".format(output.rows[0][""])
    shown = [field for field in output.fields if not field.hidden]
    if output.shape == "table":
        return _table(shown, output.rows)
    blocks = []
    for row in output.rows:
        lines = ["   {}: {}\n".format(field.label, as_text(row.get(field.label, ""))) for field in shown]
        head = "{}\n".format(row[output.title]) if output.shape == "list" else ""
        blocks.append(head + "".join(lines))
    return "\n".join(blocks)


def _table(columns: Sequence[Field], rows: Sequence[Row]) -> str:
    cells = [[as_text(row.get(field.label, "")) for field in columns] for row in rows]
    widths = [max([len(field.label)] + [len(row[at]) for row in cells]) for at, field in enumerate(columns)]

    def line(texts: Sequence[str]) -> str:
        padded = [
            text.rjust(width) if field.kind in ("integer", "boolean") else text.ljust(width)
            for text, width, field in zip(texts, widths, columns)
        ]
        return "  ".join(padded).rstrip() + "\n"

    head = line([field.label for field in columns]) + line(["-" * width for width in widths])
    return head + "".join(line(row) for row in cells)
