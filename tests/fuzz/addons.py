"""Readers of VIBs and bundles. What is changed inside an archive is packed again, to get past the container."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path
from random import Random

from esxforge.addons.bundle import Bundle
from esxforge.addons.decide import decide
from esxforge.addons.descriptor import LEVELS
from esxforge.addons.present import BANKS_FROM_7, Present, PresentVib
from esxforge.addons.source import Source
from esxforge.addons.vib import Vib, read_vib
from fuzz.mutate import mutate_bytes, mutate_in_place
from fuzz.target import Target
from standin.vibs import NewVib, bundle, zipped

_PRESENT = Present("8.0.3", (PresentVib("esx-base", "8.0.3-0.35.1"),), None, frozenset(("S.V00",)), 1, BANKS_FROM_7)
_E = "esxforge/addons/"


def _source(data: bytes) -> Source:
    return Source("x", Path("x"), 0, len(data), data)


def _decided(vibs: list[Vib]) -> str:
    decisions = [decide(vibs, _PRESENT, level) for level in LEVELS]
    return " ".join(text for one in decisions for text in (*one.problems, *one.warnings))


def _vib(data: bytes) -> str:
    return _decided([read_vib(_source(data))])


def _bundle(data: bytes) -> str:
    opened = Bundle(_source(data))
    return _decided([opened.read(one) for one in opened.vibs])


@cache
def _vib_seeds() -> list[bytes]:
    return [
        NewVib(depends=("a >= 1.0-1", "esx-base"), conflicts=("b",), replaces=("c << 2",)).to_bytes(),
        NewVib(signature=b"", level="community", payloads=()).to_bytes(),
    ]


@cache
def _bundle_seeds() -> list[bytes]:
    return [bundle([NewVib(), NewVib("other")], method=method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]


def _mutate_vib(random: Random, data: bytes) -> bytes:
    """Changes anywhere, or in the descriptor alone, whose length stands in the header before it."""
    start = data.find(b"`\n") + 2
    end = data.find(b"</vib>") + 6
    if random.random() < 0.4 or start < 62 or end < start:
        return mutate_bytes(random, data) if random.random() < 0.5 else mutate_in_place(random, data)
    text = mutate_bytes(random, data[start:end])
    text += b"\n" * (len(text) % 2)
    rest = data[end + (end - start) % 2 :]
    return data[: start - 12] + b"%-10d`\n" % len(text) + text + rest


def _mutate_bundle(random: Random, data: bytes) -> bytes:
    """Changes anywhere, or in one file, also in one of the metadata."""
    if random.random() < 0.4:
        return mutate_bytes(random, data) if random.random() < 0.3 else mutate_in_place(random, data)
    files = _unzipped(data)
    if not files:
        return mutate_bytes(random, data)
    path = random.choice(sorted(files))
    inner = _unzipped(files[path])
    if inner:
        name = random.choice(sorted(inner))
        files[path] = zipped({**inner, name: mutate_bytes(random, inner[name])}, zipfile.ZIP_DEFLATED)
    else:
        files[path] = _mutate_vib(random, files[path])
    return zipped(files)


def _unzipped(data: bytes) -> dict[str, bytes]:
    """The files of a ZIP archive that is whole and small; else none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > 50 or sum(entry.file_size for entry in entries) > 1 << 20:
                return {}
            return {entry.filename: archive.read(entry) for entry in entries}
    except Exception:
        return {}


TARGETS = (
    Target("vib", _vib, _vib_seeds, _mutate_vib,
           (_E + "ar.py", _E + "descriptor.py", _E + "vib.py", _E + "decide.py", _E + "offers.py",
            _E + "versions.py"), "vib"),
    Target("bundle", _bundle, _bundle_seeds, _mutate_bundle, (_E + "archive.py", _E + "bundle.py"), "zip"),
)  # fmt: skip
