"""A base for small immutable values, as Python 3.5 has no dataclasses."""

from typing import Any, Dict, Tuple, TypeVar

V = TypeVar("V", bound="Value")


class Value:
    """Compares, hashes and prints by its ``__slots__``; each may be set once, in ``__init__``.

    A subclass names its fields in ``__slots__`` and takes each of them, under the same name, in ``__init__``.
    """

    __slots__ = ()  # type: Tuple[str, ...]

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, name):
            raise AttributeError("{} of {} is set already".format(name, type(self).__name__))
        super().__setattr__(name, value)

    def fields(self) -> "Tuple[Any, ...]":
        """The values in the order of ``__slots__``."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def replace(self: V, **changes: Any) -> V:
        """The same value with some fields changed."""
        fields = {name: getattr(self, name) for name in self.__slots__}  # type: Dict[str, Any]
        fields.update(changes)
        return type(self)(**fields)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.fields() == other.fields()

    def __hash__(self) -> int:
        return hash((type(self).__name__,) + self.fields())

    def __repr__(self) -> str:
        inside = ", ".join("{}={!r}".format(name, getattr(self, name)) for name in self.__slots__)
        return "{}({})".format(type(self).__name__, inside)
