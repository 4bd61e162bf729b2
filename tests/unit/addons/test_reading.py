"""VIBs and bundles made by ar and zipfile: what is read of them, and what of damaged and hostile ones is said."""

from __future__ import annotations

import gc
import gzip
import hashlib
import io
import random
import re
import struct
import tempfile
import tracemalloc
import zipfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.addons import archive
from esxforge.addons.ar import read_members
from esxforge.addons.bundle import Bundle
from esxforge.addons.descriptor import Constraint
from esxforge.addons.errors import AddOnError
from esxforge.addons.files import open_bundle, read_add_on
from esxforge.addons.source import Source, of_file
from esxforge.addons.vib import Vib, read_vib
from esxforge.errors import ForgeError
from esxforge.formats.segments import Bytes, FileRange
from standin.vibs import DRIVER, NewPayload, NewVib, bundle, packed, tgz, zipped

BOMB = '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY c "&a;&a;&a;">]>'


def memory(data: bytes, name: str = "x.vib") -> Source:
    return Source(name, Path(name), 0, len(data), data)


def vib_of(new: NewVib) -> Vib:
    return read_vib(memory(new.to_bytes()))


def refused(data: bytes) -> str:
    with pytest.raises(AddOnError) as error:
        read_vib(memory(data))
    assert error.value.hint
    return error.value.message


def refused_bundle(data: bytes) -> str:
    with pytest.raises(AddOnError) as error:
        opened = Bundle(memory(data, "x.zip"))
        for one in opened.vibs:
            opened.read(one)
    assert error.value.hint
    return error.value.message


def test_a_vib_is_what_its_descriptor_says_and_its_payloads_are_where_they_are_in_the_file(tmp_path: Path) -> None:
    new = NewVib(
        depends=("esx-base >= 8.0.0", "vmkapi_2_11_0_0"), conflicts=("old-drv",), provides=("thing = 1.0",),
        payloads=(NewPayload(), NewPayload("tools", tgz({"opt/tool": b"x"}), "tgz")),
    )  # fmt: skip
    path = new.write(tmp_path)
    (vib,) = read_add_on(path)
    told = vib.descriptor
    assert (told.name, told.version, told.vendor, told.kind) == (new.name, new.version, "ACME", "bootbank")
    assert told.vib_id == path.name.removesuffix(".vib")
    assert (told.acceptance_level, told.maintenance_mode, told.live_install) == ("partner", True, False)
    assert told.depends == (Constraint("esx-base", ">=", "8.0.0"), Constraint("vmkapi_2_11_0_0"))
    assert told.conflicts == (Constraint("old-drv"),)
    assert vib.signed
    assert vib.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [(one.name, one.kind, one.is_tar) for one in vib.payloads] == [
        ("netdrv", "vgz", True),
        ("tools", "tgz", True),
    ]
    driver = vib.payloads[0]
    segment = driver.source.segment()
    assert isinstance(segment, FileRange)
    assert path.read_bytes()[segment.offset : segment.offset + segment.length] == DRIVER
    assert driver.sha256 == hashlib.sha256(DRIVER).hexdigest()
    unzipped = gzip.decompress(DRIVER)
    assert (driver.unzipped_sha256, driver.unzipped_size) == (hashlib.sha256(unzipped).hexdigest(), len(unzipped))


def test_an_empty_signature_is_none() -> None:
    assert not vib_of(NewVib(signature=b"")).signed


def test_long_names_of_members_are_read_as_gnu_ar_writes_them() -> None:
    name = "a-payload-with-a-long-name"
    vib = vib_of(NewVib(payloads=(NewPayload(name),)))
    assert [one.name for one in vib.payloads] == [name]


def test_long_names_of_members_are_read_as_bsd_writes_them() -> None:
    name, data = b"a-payload-with-a-long-name\0\0", b"12345"
    header = b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (b"#1/%d" % len(name), 0, 0, 0, b"100644", len(name) + len(data))
    found = read_members(memory(b"!<arch>\n" + header + name + data))
    assert {name: one.read() for name, one in found.items()} == {"a-payload-with-a-long-name": data}


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"sha256": "0" * 64}, "payload netdrv has another SHA-256 than its descriptor says"),
        ({"unzipped": "0" * 64}, "payload netdrv, unzipped, has another SHA-256"),
        ({"size": "7"}, "its descriptor says 7"),
        ({"sha256": "zz"}, "a SHA-256 of payload netdrv is 'zz'"),
        ({"size": "-1"}, "the size of payload netdrv is '-1'"),
    ],
)
def test_what_the_descriptor_says_of_a_payload_has_to_be_true(told: dict[str, str], reason: str) -> None:
    assert reason in refused(NewVib(payloads=(NewPayload(told=told),)).to_bytes())


def test_a_payload_without_any_hash_is_not_believed() -> None:
    new = NewVib()
    text = re.sub("<checksum.*?</checksum>", "", new.descriptor())
    message = refused(packed({"descriptor.xml": text.encode(), "sig.pkcs7": b"", "netdrv": DRIVER}))
    assert "payload netdrv has no SHA-256 in the descriptor" in message


def test_missing_and_additional_payloads_are_named_together() -> None:
    text = NewVib().descriptor().encode()
    message = refused(packed({"descriptor.xml": text, "sig.pkcs7": b"", "other": b"x"}))
    assert "the payload netdrv is missing" in message
    assert "the member other is not listed in its descriptor" in message


def test_two_members_of_one_name_are_refused() -> None:
    vib = NewVib()
    data = vib.to_bytes()
    doubled = data + packed({"netdrv": DRIVER})[8:]
    assert "two members netdrv" in refused(doubled)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"plain text", "is not a gzip file"),
        (DRIVER[:-9], "ends before its gzip member does"),
        (DRIVER + b"tail", "goes on after the end of its gzip member"),
    ],
)
def test_a_payload_is_exactly_one_gzip_member(payload: bytes, reason: str) -> None:
    new = NewPayload(data=payload)
    assert reason in refused(NewVib(payloads=(new,)).to_bytes())


def test_payloads_of_esxi_s_own_vibs_need_not_be_zipped() -> None:
    text, unzipped = b"a text", hashlib.sha256(b"a text").hexdigest()
    new = NewVib(payloads=(NewPayload("README", text, "text"),))
    descriptor = re.sub('<checksum checksum-type="[^"]*" verify-process.*?</checksum>', "", new.descriptor())
    (payload,) = read_vib(memory(packed({"descriptor.xml": descriptor.encode(), "README": text}))).payloads
    assert (payload.kind, payload.is_tar, payload.unzipped_sha256, payload.unzipped_size) == (
        "text",
        False,
        unzipped,
        6,
    )


def test_a_payload_that_unzips_to_gigabytes_is_refused_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esxforge.addons.vib.LARGEST_PAYLOAD", 64 << 20)
    data = NewVib(payloads=(NewPayload(data=gzip.compress(bytes(200 << 20), 9)),)).to_bytes()
    tracemalloc.start()
    try:
        assert "unzips to more than" in refused(data)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_member_that_declares_a_gigabyte_is_a_truncated_archive() -> None:
    data = NewVib().to_bytes()
    at = data.index(b"netdrv/") + 48
    declared = data[:at] + b"%-10d" % (1 << 30) + data[at + 10 :]
    assert "truncated: a member of 1073741824 bytes" in refused(declared)


@cache
def good() -> bytes:
    return NewVib().to_bytes()


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1))
def test_a_vib_that_is_cut_anywhere_is_told(share: float) -> None:
    data = good().removesuffix(b"\n")  # ar fills up to an even length
    assert refused(data[: int(share * (len(data) - 1))])


@pytest.mark.parametrize("name", ["..", "a/b", "x\x1b[31m"])
def test_a_member_whose_name_is_a_path_or_a_command_of_a_terminal_is_refused(name: str) -> None:
    header = b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode() + b"/", 0, 0, 0, b"644", 0)
    message = refused(b"!<arch>\n" + header)
    assert "\x1b" not in message
    assert "a member's name cannot be used" in message or "the header of a member is missing" in message


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: BOMB + text.replace("<summary>", "<summary>&c;"), "declares a document type"),
        (lambda text: text.replace("<summary>", "<summary>&x;"), "is not XML"),
        (lambda text: text.replace("<file-list/>", "<a>" * 70 + "</a>" * 70), "nests elements deeper"),
        (lambda text: text.replace("partner", "gold"), "its acceptance-level is none of"),
        (lambda text: text.replace("<name>net-drv</name>", "<name>../x</name>"), "its name is '../x'"),
        (lambda text: text.replace("<version>1", "<version>\u202e1"), "its version is"),
        (lambda text: text.replace("bootbank", "magic"), "neither bootbank nor locker"),
        (lambda text: text.replace("vib", "bib"), "is not <vib> but <bib>"),
        (lambda text: text.replace('type="vgz"', 'type="V G"'), "the type of payload netdrv"),
    ],
)
def test_a_descriptor_that_is_hostile_or_wrong_is_refused(change: object, reason: str) -> None:
    assert callable(change)
    members = {"descriptor.xml": change(NewVib().descriptor()).encode(), "sig.pkcs7": b"", "netdrv": DRIVER}
    assert reason in refused(packed(members))


def test_all_that_is_wrong_with_a_descriptor_is_said_at_once() -> None:
    text = NewVib(depends=("a", "b >= 1")).descriptor().replace(' relation="&gt;="', "").replace("partner", "gold")
    message = refused(packed({"descriptor.xml": text.encode()}))
    assert "acceptance-level" in message
    assert "the constraint on b has only one" in message


def test_a_large_vib_that_a_bundle_deflates_is_unpacked_into_a_file_that_has_no_name(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(3 << 20)  # noqa: S311
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle([NewVib(payloads=(NewPayload(data=tgz({"a": content})),))], method=zipfile.ZIP_DEFLATED))
    (vib,) = read_add_on(path)
    payload = vib.payloads[0].source
    segment = payload.segment()
    assert isinstance(segment, FileRange)
    assert segment.path.parent == Path("/proc/self/fd")
    with segment.path.open("rb") as stream:
        stream.seek(segment.offset)
        assert hashlib.sha256(stream.read(segment.length)).hexdigest() == vib.payloads[0].sha256
    assert list(tmp_path.iterdir()) == [path]
    del vib, payload
    gc.collect()
    assert not segment.path.exists()


def test_no_room_to_unpack_a_vib_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(1).randbytes(3 << 20)  # noqa: S311
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle([NewVib(payloads=(NewPayload(data=tgz({"a": content})),))], method=zipfile.ZIP_DEFLATED))
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full)
        with pytest.raises(AddOnError, match=r"cannot be unpacked to .*: No space left on device") as error:
            read_add_on(path)
    assert "TMPDIR" in error.value.hint


def test_no_directory_to_unpack_a_vib_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bundle.zip"
    content = random.Random(1).randbytes(3 << 20)  # noqa: S311
    path.write_bytes(bundle([NewVib(payloads=(NewPayload(data=tgz({"a": content})),))], method=zipfile.ZIP_DEFLATED))

    def nowhere(**_: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", nowhere)
    with pytest.raises(AddOnError, match="cannot be unpacked: No usable temporary directory"):
        read_add_on(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_bundle_gives_the_same_vibs_whether_it_stores_or_deflates_them(method: int, tmp_path: Path) -> None:
    vibs = [NewVib(), NewVib("net-other", payloads=(NewPayload("other"),))]
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle(vibs, method=method))
    found = read_add_on(path)
    assert [vib.descriptor.name for vib in found] == ["net-drv", "net-other"]
    for vib in found:
        segment = vib.payloads[0].source.segment()
        assert isinstance(segment, FileRange if method == zipfile.ZIP_STORED else Bytes)
        assert vib.payloads[0].source.read() == DRIVER
        if isinstance(segment, FileRange):
            assert path.read_bytes()[segment.offset : segment.offset + segment.length] == DRIVER


def test_a_vendor_may_have_a_directory_of_its_own(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle([NewVib()]))) as made:
        files = {name: made.read(name) for name in made.namelist()}
    index = files.pop("index.xml").replace(b"<relativePath/>", b"<relativePath>acm/</relativePath>")
    path = tmp_path / "bundle.zip"
    path.write_bytes(zipped({"index.xml": index, **{f"acm/{name}": data for name, data in files.items()}}))
    (vib,) = read_add_on(path)
    assert vib.descriptor.name == "net-drv"


def test_vibs_are_chosen_by_name_or_by_name_and_version(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle([NewVib(), NewVib(version="2.0.0-1"), NewVib("net-other")]))
    assert len(read_add_on(path, ["net-drv"])) == 2
    (one,) = read_add_on(path, ["net-drv:2.0.0-1"])
    assert one.descriptor.version == "2.0.0-1"
    with pytest.raises(AddOnError) as error:
        read_add_on(path, ["net-drv", "nothing", "net-drv:9"])
    assert "has no VIB nothing, net-drv:9" in error.value.message
    assert error.value.hint == "It has net-drv, net-other."


def test_a_depot_of_esxi_itself_is_not_added_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "depot.zip"
    path.write_bytes(bundle([NewVib("esx-base"), NewVib()]))
    with pytest.raises(AddOnError, match="a depot of ESXi itself"):
        read_add_on(path)
    assert [vib.descriptor.name for vib in read_add_on(path, ["net-drv"])] == ["net-drv"]


def test_of_a_single_vib_nothing_can_be_chosen(tmp_path: Path) -> None:
    path = NewVib().write(tmp_path)
    assert open_bundle(path) is None
    with pytest.raises(AddOnError, match="none can be chosen"):
        read_add_on(path, ["net-drv"])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: zipped({"a.vib": b"x"}), "not an offline bundle: it has no index.xml"),
        (lambda: bundle([NewVib()], files={"vendor-index.xml": None}), "it has no vendor-index.xml"),
        (lambda: bundle([NewVib()], files={"metadata.zip": None}), "it has no metadata.zip"),
        (lambda: bundle([NewVib()], files={"index.xml": b"<vendorList/>"}), "does not lead to metadata"),
        (lambda: bundle([]), "list no VIB"),
        (lambda: bundle([NewVib()], tails={"net-drv": ""}), "it has no relative-path"),
        (
            lambda: bundle([NewVib()], tails={"net-drv": "<relative-path>../x.vib</relative-path>"}),
            "which is not in it",
        ),
        (lambda: bundle([NewVib()], tails={"net-drv": "<relative-path>/x.vib</relative-path>"}), "which is not in it"),
        (
            lambda: bundle([NewVib()], tails={"net-drv": "<relative-path>http://a/b</relative-path>"}),
            "which is not in it",
        ),
        (lambda: bundle([NewVib()], tails={"net-drv": "<relative-path>a.vib</relative-path>"}), "it has no a.vib"),
        (lambda: bundle([NewVib()], files={"/abs": b"x"}), "path of a file in it cannot be used"),
        (lambda: bundle([NewVib()], files={"a/../../b": b"x"}), "path of a file in it cannot be used"),
        (lambda: bundle([NewVib()], files={"/".join("a" * 20): b"x"}), "path of a file in it cannot be used"),
        (lambda: bundle([NewVib()])[:-30], "it has no directory at its end"),
        (lambda: bundle([NewVib()], files={"index.xml": BOMB.encode() + b"<vendorList/>"}), "declares a document type"),
        (lambda: bundle([NewVib()], files={"metadata.zip": b"PK\3\4 nonsense"}), "is not a ZIP archive, or truncated"),
        (lambda: b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 50000, 50000, 46 * 50000, 0, 0), "50000 entries"),
    ],
)
def test_a_bundle_that_is_hostile_or_damaged_is_refused(make: object, reason: str) -> None:
    assert callable(make)
    assert reason in refused_bundle(make())


def test_a_bundle_whose_metadata_and_vib_disagree_is_refused() -> None:
    vib = NewVib()
    path = f"vib20/net-drv/ACME_bootbank_net-drv_{vib.version}.vib"
    other = vib.but(version="9.9.9-1").to_bytes()
    message = refused_bundle(bundle([vib], files={path: other}))
    assert "it is ACME_bootbank_net-drv_9.9.9-1, and the metadata say" in message
    assert "another SHA-256 than the metadata say" in message


def test_two_files_of_one_path_in_a_bundle_are_refused(recwarn: pytest.WarningsRecorder) -> None:
    data = bundle([NewVib()], files={"INDEX.XML": b"x"}).replace(b"INDEX.XML", b"index.xml")
    assert "two files index.xml" in refused_bundle(data)


def test_a_file_of_a_bundle_that_declares_a_gigabyte_is_refused_unread() -> None:
    data = bytearray(bundle([NewVib()], method=zipfile.ZIP_DEFLATED))
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"metadata.zip"))
    struct.pack_into("<I", data, at + 24, 1 << 30)
    assert "has 1073741824 bytes, more than such a file ever has" in refused_bundle(bytes(data))


def test_a_file_that_unpacks_to_more_than_it_declares_is_refused() -> None:
    data = bytearray(bundle([NewVib()], method=zipfile.ZIP_DEFLATED))
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"metadata.zip"))
    struct.pack_into("<I", data, at + 24, 100)
    assert "is damaged" in refused_bundle(bytes(data))


def test_a_zip64_directory_is_measured_too() -> None:
    end64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 1 << 45, 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 0, 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert f"{1 << 40} entries" in refused_bundle(end64 + locator + end)


def test_an_encrypted_file_is_refused() -> None:
    data = bytearray(bundle([NewVib()]))
    for at in (match.start() for match in re.finditer(rb"PK\x01\x02", bytes(data))):
        data[at + 8] |= 1
    assert "is encrypted" in refused_bundle(bytes(data))


def test_a_file_that_is_neither_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"hello")
    with pytest.raises(AddOnError, match="neither a VIB nor an offline bundle"):
        read_add_on(path)


@pytest.mark.parametrize("make", [lambda: NewVib().to_bytes(), lambda: bundle([NewVib()], method=zipfile.ZIP_DEFLATED)])
def test_bytes_changed_at_random_give_an_error_in_words_or_the_same_payload(make: object) -> None:
    assert callable(make)
    data = make()
    source = random.Random(7)  # noqa: S311
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(source.choice((1, 2, 5))):
            changed[source.randrange(len(changed))] = source.randrange(256)
        try:
            if data.startswith(archive.MAGIC):
                opened = Bundle(memory(bytes(changed)))
                vibs = [opened.read(one) for one in opened.vibs]
            else:
                vibs = [read_vib(memory(bytes(changed)))]
        except ForgeError:
            continue
        assert [one.source.read() for vib in vibs for one in vib.payloads] == [DRIVER]


def test_a_file_that_shrinks_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = NewVib().write(tmp_path)
    source = of_file(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AddOnError, match="truncated"):
        read_vib(source)
