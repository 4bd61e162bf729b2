"""Values as JSON documents: written in full, and read with every missing or wrong field reported.

A schema says of each field what it may hold: its type, its range or length, whether it may be null or left out. One
reader checks all of it, so whatever comes out of it needs no second check.
"""

import re
from reprlib import Repr
from typing import Any, Dict, List, Optional, Tuple, Union

from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.strict_json import load_json
from esxforge_target.runtime.values import Value

Schema = Dict[type, Dict[str, "Shape"]]

LONGEST_TEXT = 1 << 16
MOST_ELEMENTS = 1 << 16
LARGEST_SIZE = 1 << 62
_MOST_PROBLEMS = 20
_FREE = 1 << 64  # further than any number that the JSON reader lets through


class Shape(Value):
    """Allowed content of a field.

    ``kind`` is a plain type, a class of values in the schema, a ``Record``, a ``Shape``, or
    ``object`` for any plain value; with ``many`` a list of at most ``most`` of it. ``optional``: null is allowed;
    ``absent``: the field may be left out. ``low`` and ``high`` bound a number, or a text's length in characters.
    ``choices`` are all values allowed; ``form`` is a compiled pattern that a text must match, and what such a text is
    called.
    """

    __slots__ = ("kind", "many", "optional", "absent", "low", "high", "most", "choices", "form")

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        kind: Any,
        many: bool = False,
        optional: bool = False,
        absent: bool = False,
        low: "Optional[int]" = None,
        high: "Optional[int]" = None,
        most: int = MOST_ELEMENTS,
        choices: "Tuple[Any, ...]" = (),
        form: "Optional[Tuple[Any, str]]" = None,
    ) -> None:
        self.kind = kind
        self.many = many
        self.optional = optional
        self.absent = absent
        self.low = (0 if kind is str else -_FREE) if low is None else low
        self.high = (LONGEST_TEXT if kind is str else _FREE) if high is None else high
        self.most = most
        self.choices = choices
        self.form = form


class Record:
    """A JSON object that stays a dictionary. ``rest``: content of fields besides those named; None: there are none."""

    def __init__(self, fields: "Dict[str, Shape]", rest: "Optional[Shape]" = None) -> None:
        self.fields = fields
        self.rest = rest


ONE_LINE = (re.compile(r"\A[^\r\n\0]*\Z"), "one line")
TEXT = Shape(str)
TEXTS = Shape(str, many=True)
NUMBER = Shape(int)
TRUTH = Shape(bool)
SIZE = Shape(int, low=0, high=LARGEST_SIZE)
ANYTHING = Shape(object)
MAYBE_NUMBER = Shape(int, optional=True)
MAYBE_TRUTH = Shape(bool, optional=True)

NAMED_TEXTS = Shape(Record({}, rest=TEXT))

_NAMES = {str: "a text", int: "a whole number", bool: "true or false"}


def plain(value: Any) -> Any:
    """Return a value as dictionaries, lists, texts and numbers."""
    if isinstance(value, Value):
        return {name: plain(getattr(value, name)) for name in value.__slots__}
    if isinstance(value, (tuple, list)):
        return [plain(element) for element in value]
    return value


def parse_document(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
    data: "Union[bytes, str]",
    shape: Shape,
    what: str,
    where: str,
    hint: str = "",
    schema: "Optional[Schema]" = None,
) -> Any:
    """Parse a JSON document. ``what`` names it in errors ("The inventory"), ``where`` begins each field's location.

    Raises FormatError that names every field that is missing or wrong.
    """
    return check_document(load_json(data, what, hint), shape, what, where, hint, schema)


def check_document(  # noqa: PLR0917  likewise
    value: Any, shape: Shape, what: str, where: str, hint: str = "", schema: "Optional[Schema]" = None
) -> Any:
    """Check a plain value that was read already, as ``parse_document`` does."""
    builder = Builder(schema or {})
    found = builder.read(shape, value, where)
    if builder.problems:
        raise FormatError("{} cannot be used:\n{}".format(what, "\n".join(builder.problems)), hint)
    return found


class Builder:
    """Builds values from plain data by a schema. ``problems`` holds one sentence for each field that does not fit.

    With ``secret`` no sentence repeats a value.
    """

    def __init__(self, schema: Schema, secret: bool = False) -> None:
        self._schema = schema
        self._secret = secret
        self._count = 0
        self.problems = []  # type: List[str]

    def build(self, kind: Any, data: Any, where: str) -> Any:
        """Return the value, or None if something in it does not fit; then the problems say what."""
        before, shapes = self._count, self._schema[kind]
        fields = self._fields(Record(shapes), kind.__slots__, data, where)
        if self._count > before:
            return None
        return kind(**{name: tuple(fields[name]) if shapes[name].many else fields[name] for name in fields})

    def read(self, shape: Shape, data: Any, where: str) -> Any:
        """Read ``data`` by ``shape``: a list of values is a tuple in a value, and a list in a record."""
        if shape.optional and data is None:
            return None
        if not shape.many:
            return self._single(shape, data, where)
        if not isinstance(data, list):
            self._add("{} must be a list{}.".format(where, self._not(data)))
            return []
        if len(data) > shape.most:
            self._add("{} has {} elements; at most {} are taken.".format(where, len(data), shape.most))
            return []
        return [self._single(shape, element, "{}[{}]".format(where, index)) for index, element in enumerate(data)]

    def _fields(self, record: Record, names: Any, data: Any, where: str) -> "Dict[str, Any]":
        fields = {}  # type: Dict[str, Any]
        if not isinstance(data, dict):
            self._add("{} must be an object{}.".format(where, self._not(data)))
            return fields
        for name in names:
            place = "{}.{}".format(where, name)
            if name in data:
                fields[name] = self.read(record.fields[name], data[name], place)
            elif not record.fields[name].absent:
                self._add("{} is missing.".format(place))
        if not all(isinstance(name, str) for name in data):
            self._add("{} has a name that is not a text.".format(where))
        for name in sorted(name for name in data if isinstance(name, str) and name not in record.fields):
            place = "{}.{}".format(where, name if name.isidentifier() else shown(name))
            if record.rest is None:
                self._add("{} is not known.".format(place))
            else:
                fields[name] = self.read(record.rest, data[name], place)
        return fields

    def _single(self, shape: Shape, data: Any, where: str) -> Any:
        kind = shape.kind
        if isinstance(kind, Shape):
            return self.read(kind, data, where)
        if isinstance(kind, Record):
            return self._fields(kind, sorted(kind.fields), data, where)
        if kind is object:
            return data
        if kind not in _NAMES:
            return self.build(kind, data, where)
        if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
            self._add("{} must be {}{}.".format(where, _NAMES[kind], self._not(data)))
        elif shape.choices and data not in shape.choices:
            known = ", ".join(str(one) for one in shape.choices)
            self._add("{} must be one of {}{}.".format(where, known, self._not(data)))
        elif kind is int and not shape.low <= data <= shape.high:
            self._add("{} must be between {} and {}{}.".format(where, shape.low, shape.high, self._not(data)))
        elif kind is str:
            self._check_text(shape, data, where)
        return data

    def _check_text(self, shape: Shape, text: str, where: str) -> None:
        if not shape.low <= len(text) <= shape.high:
            self._add(
                "{} has {} characters; between {} and {} are allowed.".format(where, len(text), shape.low, shape.high)
            )
        elif shape.form is not None and not shape.form[0].match(text):
            self._add("{} must be {}{}.".format(where, shape.form[1], self._not(text)))

    def _add(self, problem: str) -> None:
        self._count += 1
        if self._count <= _MOST_PROBLEMS:
            self.problems.append(problem)
        elif self._count == _MOST_PROBLEMS + 1:
            self.problems.append("More is wrong besides.")

    def _not(self, data: Any) -> str:
        return "" if self._secret else ", not {}".format(shown(data))


def _short() -> Repr:
    short = Repr()
    short.maxlevel = 2
    short.maxstring = short.maxother = short.maxlong = 100
    return short


_SHORT = _short()


def shown(data: Any) -> str:
    """Return a value as it is quoted in a sentence: short, on one line, with escapes for unprintable characters."""
    text = _SHORT.repr(data)
    return text if len(text) <= 60 else text[:57] + "…"
