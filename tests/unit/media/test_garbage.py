"""Damaged ISOs: whatever is wrong, the answer is a sentence, and soon."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esxforge.errors import ForgeError
from esxforge.media.installer import open_installer
from esxforge.standin_iso.iso import Variant, make_standin_iso

_STRUCTURES = 16 * 2048, 60 * 2048  # descriptors, path tables and directories of both trees


@pytest.fixture(scope="session")
def full_iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in with all three trees."""
    path = tmp_path_factory.mktemp("garbage") / "esxi.iso"
    make_standin_iso(path, release="7.0", variant=Variant(joliet=True, rock_ridge=True))
    return path


def opens_or_explains(path: Path) -> None:
    try:
        media = open_installer(path)
    except ForgeError:
        return
    assert all(file.content.offset + file.content.length <= media.size for file in media.files)


_changes = st.lists(
    st.tuples(st.integers(_STRUCTURES[0], _STRUCTURES[1] - 8), st.binary(min_size=1, max_size=8)),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=_changes)
def test_random_bytes_in_the_structures(full_iso: Path, changes: list[tuple[int, bytes]]) -> None:
    with full_iso.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as data:
        before = data[: _STRUCTURES[1]]
        try:
            for offset, change in changes:
                data[offset : offset + len(change)] = change
            opens_or_explains(full_iso)
        finally:
            data[: _STRUCTURES[1]] = before


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    field=st.sampled_from([0, 1, 2, 6, 10, 14, 25, 26, 32, 33]),
    value=st.binary(min_size=4, max_size=4),
)
def test_random_fields_of_directory_records(full_iso: Path, seed: int, field: int, value: bytes) -> None:
    with full_iso.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as data:
        before = data[: _STRUCTURES[1]]
        names = (b"TPM.V00", b"EFI", b"UPGRADE", b"BOOT", b"T\0P\0M", b"BOOTX64.EFI", b"PROFILE.XML")
        found = before.find(names[seed % len(names)])
        try:
            if found >= 0:
                data[found - 33 + field : found - 33 + field + 4] = value
            opens_or_explains(full_iso)
        finally:
            data[: _STRUCTURES[1]] = before


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(["BOOT.CFG", "EFI/BOOT/BOOT.CFG", "UPGRADE/METADATA.XML", "UPGRADE/PROFILE.XML"]),
       changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5))  # fmt: skip
def test_random_bytes_in_the_small_files(full_iso: Path, path: str, changes: list[tuple[int, int]]) -> None:
    file = open_installer(full_iso).find(path)
    assert file is not None
    start, end = file.content.offset, file.content.offset + file.size
    with full_iso.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as data:
        before = data[start:end]
        try:
            for offset, value in changes:
                data[start + offset % file.size] = value
            opens_or_explains(full_iso)
        finally:
            data[start:end] = before
