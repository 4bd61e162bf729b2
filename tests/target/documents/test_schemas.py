"""Schemas: every field that does not fit is named with its place, and what comes out fits."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from esxforge_target.contract import (
    desired_document,
    golden_record,
    host_record,
    image_settings,
    install_record,
    secrets,
)
from esxforge_target.inventory import document as inventory_document
from esxforge_target.runtime.documents import (
    ANYTHING,
    NAMED_TEXTS,
    NUMBER,
    TEXT,
    TEXTS,
    TRUTH,
    Builder,
    Record,
    Schema,
    Shape,
    check_document,
    parse_document,
    plain,
)
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value


class Wheel(Value):
    __slots__ = ("name", "sizes", "spare")

    def __init__(self, name: str, sizes: tuple[int, ...], spare: bool = False) -> None:
        self.name = name
        self.sizes = sizes
        self.spare = spare


class Cart(Value):
    __slots__ = ("colour", "load", "wheels")

    def __init__(self, colour: str, wheels: tuple[Wheel, ...], load: int | None) -> None:
        self.colour = colour
        self.wheels = wheels
        self.load = load


SCHEMA: Schema = {
    Wheel: {
        "name": Shape(str, low=1, high=8, form=(re.compile(r"\A[a-z]+\Z"), "lower-case letters")),
        "sizes": Shape(int, many=True, low=1, high=99, most=3),
        "spare": Shape(bool, absent=True),
    },
    Cart: {
        "colour": Shape(str, choices=("red", "blue")),
        "wheels": Shape(Wheel, many=True),
        "load": Shape(int, optional=True),
    },
}
GOOD: dict[str, Any] = {
    "colour": "red",
    "wheels": [{"name": "left", "sizes": [1, 99]}, {"name": "right", "sizes": [], "spare": True}],
    "load": None,
}


def read(document: object) -> Any:
    return parse_document(json.dumps(document), Shape(Cart), "The cart", "cart", "Take another.", SCHEMA)


def test_a_document_that_fits_becomes_values() -> None:
    cart = read(GOOD)
    assert cart == Cart("red", (Wheel("left", (1, 99)), Wheel("right", (), True)), None)
    assert read(plain(cart)) == cart


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"colour": "green"}, "cart.colour must be one of red, blue, not 'green'."),
        ({"colour": 3}, "cart.colour must be a text, not 3."),
        ({"load": 1.5}, "cart.load must be a whole number, not 1.5."),
        ({"load": True}, "cart.load must be a whole number, not True."),
        ({"wheels": {}}, "cart.wheels must be a list, not {}."),
        ({"wheels": [[]]}, "cart.wheels[0] must be an object, not []."),
        ({"wheels": [{"name": "a", "sizes": [0]}]}, "cart.wheels[0].sizes[0] must be between 1 and 99, not 0."),
        ({"wheels": [{"name": "a", "sizes": [1] * 4}]}, "cart.wheels[0].sizes has 4 elements; at most 3 are taken."),
        ({"wheels": [{"name": "A", "sizes": []}]}, "cart.wheels[0].name must be lower-case letters, not 'A'."),
        (
            {"wheels": [{"name": "a" * 9, "sizes": []}]},
            "cart.wheels[0].name has 9 characters; between 1 and 8 are allowed.",
        ),
        ({"wheels": [{"sizes": []}]}, "cart.wheels[0].name is missing."),
        (
            {"wheels": [{"name": "a", "sizes": [], "spare": None}]},
            "cart.wheels[0].spare must be true or false, not None.",
        ),
        ({"horse": 1}, "cart.horse is not known."),
        ({"\x1b[31mX": 1}, "cart.'\\x1b[31mX' is not known."),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FormatError) as caught:
        read({**GOOD, **change})
    assert caught.value.message == f"The cart cannot be used:\n{sentence}"
    assert caught.value.hint == "Take another."


def test_all_problems_are_named_but_not_thousands() -> None:
    with pytest.raises(FormatError) as caught:
        read({**GOOD, **{f"x{number}": number for number in range(10_000)}})
    lines = caught.value.message.splitlines()
    assert len(lines) == 22
    assert lines[-1] == "More is wrong besides."


def test_a_long_value_is_quoted_in_part() -> None:
    with pytest.raises(FormatError) as caught:
        read({**GOOD, "load": ["x" * 10_000] * 10_000})
    assert len(caught.value.message) < 200


def test_names_and_texts_are_checked_one_by_one() -> None:
    assert check_document({"a b": "c"}, NAMED_TEXTS, "It", "it") == {"a b": "c"}
    with pytest.raises(FormatError) as caught:
        check_document({"a b": 1, 2: "c"}, NAMED_TEXTS, "It", "it")
    assert caught.value.message == (
        "It cannot be used:\nit has a name that is not a text.\nit.'a b' must be a text, not 1."
    )


RECORD = Shape(Record({"name": TEXT, "tags": Shape(str, many=True, absent=True), "more": ANYTHING}))
OPEN = Shape(Record({"name": TEXT, "inner": Shape(Record({"on": TRUTH}), optional=True)}, rest=ANYTHING))


def test_a_record_stays_a_dictionary() -> None:
    document = {"name": "a", "tags": ["b"], "more": [{"any": None}]}
    assert check_document(document, RECORD, "It", "it") == document
    assert check_document({"name": "a", "more": 1}, RECORD, "It", "it") == {"name": "a", "more": 1}
    with pytest.raises(FormatError, match=r"it\.other is not known\."):
        check_document({**document, "other": 1}, RECORD, "It", "it")


def test_an_open_record_keeps_what_it_does_not_know() -> None:
    document = {"name": "a", "inner": {"on": True}, "new": {"x": [1]}}
    assert check_document(document, OPEN, "It", "it") == document
    with pytest.raises(FormatError, match=r"it\.inner\.off is not known\."):
        check_document({**document, "inner": {"on": True, "off": 1}}, OPEN, "It", "it")


def test_of_a_secret_document_no_value_is_repeated() -> None:
    builder = Builder({}, secret=True)
    shape = Shape(Record({"token": Shape(int), "list": TEXTS, "small": Shape(int, high=3), "n": NUMBER}))
    builder.read(shape, {"token": "hunter2", "list": "hunter2", "small": 4711, "n": {"hunter2": 1}}, "secrets")
    assert builder.problems == [
        "secrets.list must be a list.",
        "secrets.n must be a whole number.",
        "secrets.small must be between -18446744073709551616 and 3.",
        "secrets.token must be a whole number.",
    ]


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        (kind, shapes)
        for schema in (
            desired_document._SCHEMA,
            host_record._SCHEMA,
            install_record._SCHEMA,
            golden_record._SCHEMA,
            secrets._SCHEMA,
            inventory_document._SCHEMA,
            {image_settings.ImageSettings: image_settings._SHAPES},
        )
        for kind, shapes in schema.items()
    ],
)
def test_every_field_of_a_document_has_its_shape(kind: Any, shapes: dict[str, Shape]) -> None:
    assert set(kind.__slots__) == set(shapes)
