"""Values as JSON documents: written whole, and read with every missing or wrong field named."""

from typing import Any, Dict, List

from esxforge_target.runtime.values import Value

Schema = Dict[type, Dict[str, "Shape"]]


class Shape(Value):
    """What a field holds: a plain type or another value, one of it, maybe none, or a list."""

    __slots__ = ("kind", "many", "optional")

    def __init__(self, kind: Any, many: bool = False, optional: bool = False) -> None:
        self.kind = kind
        self.many = many
        self.optional = optional


TEXT = Shape(str)
TEXTS = Shape(str, many=True)
NUMBER = Shape(int)
TRUTH = Shape(bool)
MAYBE_NUMBER = Shape(int, optional=True)
MAYBE_TRUTH = Shape(bool, optional=True)

_NAMES = {str: "a text", int: "a whole number", bool: "true or false"}


def plain(value: Any) -> Any:
    """A value as dictionaries, lists, texts and numbers."""
    if isinstance(value, Value):
        return {name: plain(getattr(value, name)) for name in value.__slots__}
    if isinstance(value, (tuple, list)):
        return [plain(element) for element in value]
    return value


class Builder:
    """Builds values from plain data by a schema. ``problems`` holds one sentence for each field that does not fit."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.problems = []  # type: List[str]

    def build(self, kind: Any, data: Any, where: str) -> Any:
        """The value, or None where something in it does not fit; then the problems say what."""
        if not isinstance(data, dict):
            self.problems.append("{} must be an object, not {}.".format(where, _short(data)))
            return None
        shapes = self._schema[kind]
        fields = {}  # type: Dict[str, Any]
        before = len(self.problems)
        for name in kind.__slots__:
            place = "{}.{}".format(where, name)
            if name not in data:
                self.problems.append("{} is missing.".format(place))
            else:
                fields[name] = self._field(shapes[name], data[name], place)
        for name in sorted(str(name) for name in data if name not in kind.__slots__):
            self.problems.append("{}.{} is not known.".format(where, name))
        if len(self.problems) > before:
            return None
        return kind(**fields)

    def _field(self, shape: Shape, data: Any, where: str) -> Any:
        if shape.optional and data is None:
            return None
        if not shape.many:
            return self._single(shape.kind, data, where)
        if not isinstance(data, list):
            self.problems.append("{} must be a list, not {}.".format(where, _short(data)))
            return ()
        return tuple(
            self._single(shape.kind, element, "{}[{}]".format(where, index)) for index, element in enumerate(data)
        )

    def _single(self, kind: Any, data: Any, where: str) -> Any:
        if kind in _NAMES:
            if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
                self.problems.append("{} must be {}, not {}.".format(where, _NAMES[kind], _short(data)))
            return data
        return self.build(kind, data, where)


def _short(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 60 else text[:57] + "…"
