"""Bundles that are made to cost memory, time, disk space or descriptors: refused in words, before they do."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.addons import archive, bundle
from esxforge.addons.archive import Archive
from esxforge.addons.bundle import Bundle
from esxforge.addons.errors import AddOnError
from esxforge.addons.files import read_add_on
from esxforge.addons.source import Source, of_file
from esxforge.errors import MediaError
from esxforge.media.xml import parse_xml
from standin.vibs import NewPayload, NewVib, tgz, zipped
from standin.vibs import bundle as made

LEAD = b"PK\3\4" + bytes(26)


def memory(data: bytes) -> Source:
    return Source("x.zip", Path("x.zip"), 0, len(data), data)


def directory(count: int) -> bytes:
    names = (b"%x" % number for number in range(count))
    return b"".join(
        b"PK\1\2" + struct.pack("<6H3L5H2L", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name
        for name in names
    )


def end(entries: int, size: int, offset: int) -> bytes:
    return b"PK\5\6" + struct.pack("<4H2LH", 0, 0, min(entries, 0xFFFF), min(entries, 0xFFFF), size, offset, 0)


def end64(entries: int, size: int, offset: int) -> bytes:
    return b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, entries, entries, size, offset)


def locator(place: int) -> bytes:
    return b"PK\6\7" + struct.pack("<LQL", 0, place, 1)


def refused(data: bytes) -> str:
    with pytest.raises(AddOnError) as error:
        opened = Bundle(memory(data))
        for one in opened.vibs:
            opened.read(one)
    assert error.value.hint
    return error.value.message


def test_a_zip64_record_other_than_the_one_that_is_used_does_not_hide_how_large_the_directory_is() -> None:
    listing = directory(30_000)
    benign, real = end64(1, 46, 0), end64(30_000, len(listing), len(LEAD) + 56)
    data = LEAD + benign + listing + real + locator(len(LEAD)) + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    assert "its ZIP64 directory is not where its end says" in refused(data)


def test_a_zip64_archive_is_read() -> None:
    plain = zipped({"a": b"x" * 99, "b": b"y"})
    at = plain.index(b"PK\5\6")
    entries, size, offset = struct.unpack_from("<HLL", plain, at + 10)
    data = plain[:at] + end64(entries, size, offset) + locator(at) + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["a", "b"]
    opened = Archive(memory(data))
    assert {name: opened.read(name, 100) for name in opened.files} == {"a": b"x" * 99, "b": b"y"}


def test_entries_are_counted_and_not_believed() -> None:
    listing = directory(20_001)
    tracemalloc.start()
    try:
        assert "20001 entries" in refused(LEAD + listing + end(1, len(listing), len(LEAD)))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("offset", [(1 << 64) - 100, 1 << 40, 0])
def test_a_file_that_is_not_where_the_directory_says_is_told(offset: int) -> None:
    extra = struct.pack("<HHQ", 1, 8, offset)
    entry = b"PK\1\2" + struct.pack("<6H3L5H2L", 20, 20, 0, 0, 0, 0, 0, 5, 5, 9, 12, 0, 0, 0, 0, 0xFFFFFFFF)
    entry += b"index.xml" + extra
    opened = Archive(memory(bytes(60) + entry + end(1, len(entry), 60)))
    for get in (opened.read, opened.source):
        with pytest.raises(AddOnError, match=r"index\.xml is not where its directory says"):
            get("index.xml", 100)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_file_with_another_checksum_than_the_directory_has_is_told(method: int) -> None:
    data = bytearray(zipped({"a": b"x" * 50}, method))
    struct.pack_into("<L", data, data.index(b"PK\1\2") + 16, 1)
    with pytest.raises(AddOnError, match="another CRC-32"):
        Archive(memory(bytes(data))).read("a", 100)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.binary(max_size=200) | st.just(bytes(3 << 20)), min_size=1),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_what_zipfile_packs_is_read_back_from_an_archive_in_an_archive_too(
    files: dict[str, bytes], inner: int, outer: int
) -> None:
    packed = Archive(memory(zipped({"x.zip": zipped(files, inner), "other": b"o"}, outer)))
    opened = Archive(packed.source("x.zip", 64 << 20))
    assert {name: opened.read(name, 4 << 20) for name in opened.files} == files
    assert {name: opened.source(name, 4 << 20).read() for name in opened.files} == files


def test_vendors_and_archives_of_metadata_are_counted_and_each_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = b"<vendor><indexfile>vendor-index.xml</indexfile></vendor>"
    metadata = b"<metadata><url>metadata.zip</url></metadata>"
    index = b"<vendorList>" + vendor * 90 + b"</vendorList>"
    listing = b"<metaList>" + metadata * 1000 + b"</metaList>"
    read: list[str] = []
    original = Archive.read
    monkeypatch.setattr(Archive, "read", lambda self, path, most: read.append(path) or original(self, path, most))  # type: ignore[func-returns-value]
    opened = Bundle(memory(made([NewVib()], files={"index.xml": index, "vendor-index.xml": listing})))
    assert [one.descriptor.name for one in opened.vibs] == ["net-drv"]
    assert read == ["index.xml", "vendor-index.xml", "vibs/net-drv-0.xml"]
    many = b"<vendorList>" + vendor * 101 + b"</vendorList>"
    assert "names 101 vendors" in refused(made([NewVib()], files={"index.xml": many}))
    urls = b"".join(b"<metadata><url>m%d.zip</url></metadata>" % number for number in range(301))
    files = {"vendor-index.xml": b"<metaList>" + urls + b"</metaList>"}
    assert "more than 300 archives of metadata" in refused(made([NewVib()], files=files))


def test_vibs_are_counted_over_all_archives_of_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_MOST_VIBS", 3)
    files = {
        "vendor-index.xml": b"<metaList><metadata><url>metadata.zip</url></metadata>"
        b"<metadata><url>more.zip</url></metadata></metaList>"
    }
    vibs = [NewVib(), NewVib("other")]
    with zipfile.ZipFile(io.BytesIO(made(vibs))) as plain:
        more = plain.read("metadata.zip")
    assert "describes 4 VIBs" in refused(made(vibs, files={**files, "more.zip": more}))


def _many(path: Path, count: int, size: int) -> Path:
    source = random.Random(1)  # noqa: S311
    vibs = [
        NewVib(f"n{number}", payloads=(NewPayload(data=tgz({"a": source.randbytes(size)})),)) for number in range(count)
    ]
    path.write_bytes(made(vibs, method=zipfile.ZIP_DEFLATED))
    return path


def test_what_is_unpacked_of_a_bundle_takes_one_descriptor_and_a_bounded_part_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_MOST_IN_MEMORY", 150_000)
    vibs = read_add_on(_many(tmp_path / "x.zip", 12, 50_000))
    assert len({vib.source.path for vib in vibs if vib.source.data is None}) == 1
    in_memory = [vib.source.length for vib in vibs if vib.source.data is not None]
    assert in_memory
    assert sum(in_memory) <= 150_000
    for vib in vibs:
        payload = vib.payloads[0]
        assert b"".join(payload.source.chunks()) == payload.source.read()
        assert len(payload.source.read()) == payload.source.length


def test_a_bundle_that_unpacks_to_more_than_any_does_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_MOST_IN_MEMORY", 0)
    monkeypatch.setattr(archive, "_MOST_UNPACKED", 1 << 20)
    path = _many(tmp_path / "x.zip", 3, 600_000)
    with pytest.raises(AddOnError, match="unpacks to more than 1 MiB") as error:
        read_add_on(path)
    assert "Choose VIBs of it by name" in error.value.hint
    assert len(read_add_on(path, ["n1"])) == 1


def test_reading_a_file_of_an_archive_does_not_parse_its_directory_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(zipped({f"{number}": b"x" for number in range(100)}))
    opened = Archive(of_file(path))
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert all(opened.read(name, 10) == b"x" for name in opened.files)


def test_xml_of_very_many_elements_is_refused() -> None:
    data = b"<vib>" + b"<a/>" * 1_500_000 + b"</vib>"
    with pytest.raises(MediaError, match="more than 100000 elements"):
        parse_xml(data, "x")
    assert len(parse_xml(b"<vib>" + b"<a/>" * 99_999 + b"</vib>", "x")) == 99_999
