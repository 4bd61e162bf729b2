"""XML of a file that may come from anywhere: limited in size, depth and elements, without document types.

Entities can only be declared in a document type, so rejecting it rejects entity bombs and references to other files.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder  # data types only; the parser below refuses what is dangerous
from xml.parsers import expat

from esxforge.errors import MediaError
from esxforge_target.runtime.visible import one_line

MAX_XML_BYTES = 8 << 20
_MAX_DEPTH = 64
# An element takes more memory than the four bytes that name it.
_MAX_ELEMENTS = 100_000
_CHANGED = "The ISO was changed or damaged: use the one from the download page, and compare its checksum."


def parse_xml(data: bytes, where: str) -> Element:
    """Parse ``data``; ``where`` names the file in errors. Raises :class:`MediaError`."""
    if len(data) > MAX_XML_BYTES:
        raise MediaError(f"{where} has {len(data)} bytes, more than such a file ever has.", _CHANGED)
    builder = TreeBuilder()
    depth = elements = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth += 1
        elements += 1
        if elements > _MAX_ELEMENTS:
            raise MediaError(f"{where} has more than {_MAX_ELEMENTS} elements.", _CHANGED)
        if depth > _MAX_DEPTH:
            raise MediaError(f"{where} nests elements deeper than {_MAX_DEPTH}.", _CHANGED)
        builder.start(tag.rpartition("}")[2], attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag.rpartition("}")[2])

    def refuse(*_declaration: object) -> None:
        raise MediaError(f"{where} declares a document type, which VMware's files never do.", _CHANGED)

    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError, AssertionError) as error:  # the latter: unknown encodings
        raise MediaError(f"{where} is not XML: {error}.", _CHANGED) from error


def text_of(element: Element | None) -> str:
    """The element's own text in one line, "" for no element, without what a terminal would act on."""
    text = " ".join((element.text or "").split()) if element is not None else ""
    return one_line(text)[:1000]
