"""boot.cfg: read as VMware's loader reads it, edited without touching anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge_target.formats.boot_cfg import BootCfg, Module, installer_kernelopt
from esxforge_target.runtime.errors import FormatError

EDITED = Path(__file__).parents[3] / "data" / "boot-cfg" / "edited"
SAMPLES = sorted((Path(__file__).parents[3] / "data" / "boot-cfg").glob("*.cfg"))
INSTALLER = b"""bootstate=0
title=Loading ESXi installer
timeout=5
prefix=
kernel=/b.b00
kernelopt=runweasel cdromBoot
modules=/jumpstrt.gz --- /useropts.gz --- /k.b00
build=8.0.2-0.0.22380479
updated=0
"""


def lines_that_differ(before: bytes, after: bytes) -> list[bytes]:
    old, new = before.split(b"\n"), after.split(b"\n")
    assert len(old) == len(new)
    return [line for line, other in zip(new, old, strict=True) if line != other]


def test_there_are_samples() -> None:
    assert len(SAMPLES) == 10


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_every_sample_round_trips_byte_for_byte(sample: Path) -> None:
    data = sample.read_bytes()
    cfg = BootCfg.parse(data)
    assert cfg.to_bytes() == data
    assert cfg.kernel is not None
    assert len(cfg.modules) >= 2


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_edits_of_samples_touch_one_line_each(sample: Path) -> None:
    data = sample.read_bytes()
    cfg = BootCfg.parse(data)
    added = cfg.with_module("/esxforge.tgz")
    assert lines_that_differ(data, added.to_bytes()) == [
        line for line in added.to_bytes().split(b"\n") if line.startswith(b"modules=")
    ]
    assert added.modules == [*cfg.modules, Module("/esxforge.tgz")]
    assert added.without_module("/esxforge.tgz") == cfg
    assert added.with_module("/ESXFORGE.TGZ") == added


def test_values_of_a_real_installer() -> None:
    cfg = BootCfg.parse(INSTALLER)
    assert cfg.kernel == "/b.b00"
    assert cfg.kernelopt == ["runweasel", "cdromBoot"]
    assert cfg.modules == [Module("/jumpstrt.gz"), Module("/useropts.gz"), Module("/k.b00")]
    assert (cfg.build, cfg.bootstate, cfg.updated, cfg.prefix) == ("8.0.2-0.0.22380479", 0, 0, None)
    assert cfg.files("/EFI/BOOT") == ["/b.b00", "/jumpstrt.gz", "/useropts.gz", "/k.b00"]


@pytest.mark.parametrize(
    ("data", "key", "value"),
    [
        (b"TIMEOUT=7\n", "timeout", "7"),
        (b"  timeout=  7  \r\n", "timeout", "7"),
        (b"timeout =7\n", "timeout", None),
        (b"#timeout=7\n", "timeout", None),
        (b"  # timeout=7\n", "timeout", None),
        (b"timeout=7\ntimeout=9\n", "timeout", "9"),
        (b"tim=7\n", "timeout", "7"),
        (b"t=Hello\n", "title", "Hello"),
        (b"kernelopt=a\tb   c\x0b\n", "kernelopt", "a b c"),
        (b"kernel=x\nkernelopt=y=z\n", "kernelopt", "y=z"),
        (b"u=3\n", "updated", "3"),
        (b"whatever=1\n", "whatever", "1"),
        (b"title=no line end", "title", "no line end"),
        (b"prefix=\n", "prefix", ""),
        (b"errtimeout=-1\n", "errtimeout", "-1"),
        (b"title=caf\xe9\n", "title", "caf\ufffd"),
    ],
)
def test_the_loaders_grammar(data: bytes, key: str, value: str | None) -> None:
    assert BootCfg.parse(data).get(key) == value


@pytest.mark.parametrize(
    ("value", "modules"),
    [
        (b"a --- b", [Module("a"), Module("b")]),
        (b"a---b", [Module("a"), Module("b")]),
        (b"a -x  -y --- b", [Module("a", "-x -y"), Module("b")]),
        (b"a ---", [Module("a")]),
        (b"--- a", [Module("a")]),
        (b"a --- --- b", [Module("a"), Module("b")]),
        (b"a ----b", [Module("a"), Module("-b")]),
        (b"", []),
    ],
)
def test_module_lists(value: bytes, modules: list[Module]) -> None:
    assert BootCfg.parse(b"modules=" + value + b"\n").modules == modules


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"title=x\nker\x00nel=/b.b00\n",
            "boot.cfg line 2: byte 0x00 is not text, so this is not a boot.cfg.",
        ),
        (b"\x1f\x8b\x08", "boot.cfg line 1: byte 0x1F is not text, so this is not a boot.cfg."),
        (b"kernel=/b\xff\n", "boot.cfg line 1: the value of kernel is not plain ASCII text."),
        (
            b"title=x\n\ntimeout=5s\n",
            "boot.cfg line 3: timeout=5s is not a whole number; VMware's boot loader stops there.",
        ),
        (
            b"kernelopt=a\n#\nkernelopt=\n",
            (
                "boot.cfg line 3: kernelopt is given again without a value, after line 1 gave it one; VMware's boot "
                "loader may crash on that."
            ),
        ),
        (b"updated=x\n", "boot.cfg line 1: updated=x is not a whole number; VMware's boot loader stops there."),
        (
            b"modules=a --- ---\n",
            "boot.cfg line 1: modules= has an empty item, which VMware's boot loader misreads.",
        ),
        (
            b"modules=a ------b\n",
            "boot.cfg line 1: modules= has an empty item, which VMware's boot loader misreads.",
        ),
    ],
)
def test_what_would_stop_the_loader_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError) as refusal:
        BootCfg.parse(data)
    assert refusal.value.message == message
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("prefix", "directory", "name", "path"),
    [
        (None, "/", "b.b00", "/b.b00"),
        (None, "/EFI/BOOT", "b.b00", "/EFI/BOOT/b.b00"),
        ("", "/EFI/BOOT", "b.b00", "/EFI/BOOT/b.b00"),
        ("/", "/EFI/BOOT", "b.b00", "/b.b00"),
        ("/esx", "/", "b.b00", "/esx/b.b00"),
        ("esx/", "/", "b.b00", "/esx/b.b00"),
        ("/esx", "/", "/b.b00", "/b.b00"),
        ("/esx", "/", "\\sub\\\\b.b00", "/sub/b.b00"),
        (None, "/", "//a//b", "/a/b"),
    ],
)
def test_paths_are_resolved_as_mboot_does(prefix: str | None, directory: str, name: str, path: str) -> None:
    line = b"" if prefix is None else b"prefix=" + prefix.encode() + b"\n"
    assert BootCfg.parse(line).resolve(name, directory) == path


def test_a_boot_cfg_for_network_boot_is_refused() -> None:
    cfg = BootCfg.parse(b"prefix=http://server/esx\nkernel=b.b00\n")
    with pytest.raises(FormatError, match=r"b\.b00 is on the network \(http://server/esx/b\.b00\)"):
        cfg.resolve("b.b00", "/")


def test_a_missing_kernel_is_refused() -> None:
    with pytest.raises(FormatError, match="names no kernel"):
        BootCfg.parse(b"kernel=\nmodules=/a\n").files("/")


def test_the_winning_line_is_edited_and_absent_keys_are_added() -> None:
    cfg = BootCfg.parse(b"# c\r\n timeout=  5 \r\ntimeout=6\t\r\ntitle=x")
    assert cfg.with_value("timeout", "8").to_bytes() == b"# c\r\n timeout=  5 \r\ntimeout=8\t\r\ntitle=x"
    assert cfg.with_value("prefix", "/").to_bytes() == cfg.to_bytes() + b"\r\nprefix=/\r\n"
    assert cfg.with_value("timeout", "6") == cfg
    assert BootCfg.parse(b"prefix=\n").with_value("prefix", "/").to_bytes() == b"prefix=/\n"


def test_a_value_cannot_smuggle_in_a_line() -> None:
    with pytest.raises(FormatError, match="line end"):
        BootCfg.parse(INSTALLER).with_value("title", "x\nkernel=/evil")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"modules=/a --- /b\n", b"modules=/a --- /b --- /x\n"),
        (b"modules=/a---/b\n", b"modules=/a---/b---/x\n"),
        (b"modules=/a \t---  /b  \r\n", b"modules=/a \t---  /b \t---  /x  \r\n"),
        (b"modules=/a\n", b"modules=/a --- /x\n"),
        (b"modules=/a ---\n", b"modules=/a --- /x\n"),
        (b"modules=/a---b-\n", b"modules=/a---b- --- /x\n"),
        (b"modules=/a ----\n", b"modules=/a ---- --- /x\n"),
        (b"modules=\n", b"modules=/x\n"),
        (b"title=t\n", b"title=t\nmodules=/x\n"),
        (b"modules=/a --- /X -o\n", b"modules=/a --- /X -o\n"),
    ],
)
def test_modules_are_added_in_the_files_own_style(before: bytes, after: bytes) -> None:
    assert BootCfg.parse(before).with_module("/x").to_bytes() == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"modules=/x --- /b\n", b"modules=/b\n"),
        (b"modules=/a --- /x -o --- /b\n", b"modules=/a --- /b\n"),
        (b"modules=/a --- /x\r\n", b"modules=/a\r\n"),
        (b"modules=/x\n", b"modules=\n"),
        (b"modules=/a\n", b"modules=/a\n"),
        (b"modules=/x --- /a --- /X\n", b"modules=/a\n"),
    ],
)
def test_modules_are_taken_out(before: bytes, after: bytes) -> None:
    assert BootCfg.parse(before).without_module("/x").to_bytes() == after


@pytest.mark.parametrize("name", ["", "a b", "a---b", "a\nb"])
def test_a_modules_name_must_be_one_word(name: str) -> None:
    with pytest.raises(FormatError):
        BootCfg.parse(INSTALLER).with_module(name)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_the_reserved_line_lies_in_one_sector_and_is_filled_in_place(sample: Path) -> None:
    cfg = BootCfg.parse(sample.read_bytes())
    reserved = cfg.with_reserved_kernelopt(300)
    offset, length = reserved.reserved_kernelopt()
    assert offset // 512 == (offset + length - 1) // 512
    assert (reserved.kernelopt, reserved.modules, reserved.kernel) == (cfg.kernelopt, cfg.modules, cfg.kernel)
    words = [*cfg.kernelopt, "ks=file:///esxforge/ks.cfg", "systemMediaSize=min"]
    before, after = reserved.to_bytes(), reserved.fill_reserved_kernelopt(words)
    assert len(before) == len(after)
    assert before[:offset] == after[:offset]
    assert before[offset + length :] == after[offset + length :]
    assert BootCfg.parse(after).kernelopt == words
    assert BootCfg.parse(after).fill_reserved_kernelopt(cfg.kernelopt) == before


@pytest.mark.parametrize("before", range(440, 520))
def test_a_line_that_would_cross_a_sector_is_moved_to_the_next(before: int) -> None:
    data = b"#" * (before - 1) + b"\nkernelopt=a\nmodules=/m\n"
    reserved = BootCfg.parse(data).with_reserved_kernelopt(60)
    offset, length = reserved.reserved_kernelopt()
    assert length == len(b"kernelopt=a\n") + 60
    assert offset // 512 == (offset + length - 1) // 512
    assert offset in (before, 512)
    assert reserved.to_bytes().endswith(b"\nmodules=/m\n")


def test_reserving_adds_the_line_where_there_is_none() -> None:
    reserved = BootCfg.parse(b"kernel=/b.b00\n").with_reserved_kernelopt(40)
    assert BootCfg.parse(reserved.fill_reserved_kernelopt(["runweasel"])).kernelopt == ["runweasel"]


def test_what_does_not_fit_names_both_sizes() -> None:
    cfg = BootCfg.parse(INSTALLER)
    with pytest.raises(FormatError, match=r"need 40 bytes, but the line reserved for them has 29\."):
        cfg.with_reserved_kernelopt(10).fill_reserved_kernelopt(["x" * 40])
    with pytest.raises(FormatError, match="would be 530 bytes long; a sector holds 512"):
        cfg.with_reserved_kernelopt(500)


def test_the_kernels_command_line_has_a_limit() -> None:
    cfg = BootCfg.parse(INSTALLER)
    assert cfg.with_kernelopt(["x" * 3900]).kernelopt == ["x" * 3900]
    with pytest.raises(FormatError, match="refuses 4096 or more"):
        cfg.with_kernelopt(["x" * 3970])


def test_a_kickstart_brought_by_the_iso_is_removed_with_a_notice() -> None:
    sample = next(path for path in SAMPLES if path.name.endswith("root.cfg"))
    data = sample.read_bytes()
    cfg, notices = installer_kernelopt(BootCfg.parse(data))
    assert cfg.kernelopt == ["runweasel"]
    assert lines_that_differ(data, cfg.to_bytes()) == [b"kernelopt=runweasel"]
    assert notices == [
        (
            "boot.cfg of the ISO already carried the kernel option ks=file://etc/…: it was removed, as the image must "
            "not install unattended before it is personalised."
        ),
        "boot.cfg of the ISO lacked the kernel option runweasel, which starts the installer: added.",
    ]


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        ("ks=ftp://deploy:Tr0ub4dor@192.0.2.7/esx/ks.cfg", "ks=ftp://192.0.2.7/…"),
        ("ks=https://host.example:8443/ks.cfg?token=Tr0ub4dor", "ks=https://host.example:8443/…"),
        ("ks=https://host.example/Tr0ub4dor@x/ks.cfg", "ks=https:…"),
        ("ks=ftp://deploy:Tr0/ub4dor@192.0.2.7/ks.cfg", "ks=ftp:…"),
        ("KS=cdrom:/KS.CFG", "KS=cdrom:…"),
        ("ks=usb", "ks=usb"),
        ("ks=Tr0ub4dor", "ks=…"),
        ("ks", "ks…"),
    ],
)
def test_of_a_removed_kickstart_s_place_scheme_and_host_are_shown_at_most(option: str, shown: str) -> None:
    cfg, notices = installer_kernelopt(BootCfg.parse(INSTALLER.replace(b"cdromBoot", option.encode())))
    assert cfg.kernelopt == ["runweasel"]
    assert notices[0].startswith(f"boot.cfg of the ISO already carried the kernel option {shown}: it was removed")
    assert "Tr0" not in notices[0]


@pytest.mark.parametrize(
    ("sample", "kept", "gone"),
    [
        ("ip", ["runweasel"], ["nameserver", "ip", "netmask", "gateway", "vlanid"]),
        ("netdev", ["runweasel"], ["netdevice", "bootproto"]),
        ("twice", ["runweasel"], []),
        ("serial", None, []),
        ("preferVmk", ["runweasel", "preferVmklinux=TRUE", "iovDisableIR=TRUE"], []),
        ("url", ["runweasel", "http://192.0.2.7/static/ks.cfg"], []),
        ("title", None, []),
    ],
)
def test_what_a_person_wrote_for_one_host_goes_with_a_note(
    sample: str, kept: list[str] | None, gone: list[str]
) -> None:
    before = BootCfg.parse((EDITED / f"{sample}.cfg").read_bytes())
    cfg, notices = installer_kernelopt(before)
    assert cfg.kernelopt == (before.kernelopt if kept is None else kept)
    told = [notice for notice in notices if "it is of one host's network" in notice]
    assert [notice.split("kernel option ")[1].split("=")[0] for notice in told] == gone


@pytest.mark.parametrize("path", sorted(EDITED.glob("*.cfg")), ids=lambda path: path.stem)
def test_a_boot_cfg_as_people_edit_it_starts_the_installer_on_any_host(path: Path) -> None:
    cfg, _ = installer_kernelopt(BootCfg.parse(path.read_bytes()))
    assert [word for word in cfg.kernelopt if word.lower().startswith(("ks=", "ip="))] == []
    assert cfg.with_module("/esxforge.tgz").modules[-1].name == "/esxforge.tgz"


def test_more_modules_than_the_loader_takes_are_an_error_before_it_meets_them() -> None:
    names = " --- ".join(f"/m{number}" for number in range(246))
    cfg = BootCfg.parse(f"kernel=/b.b00\nmodules={names}\n".encode())
    full = cfg.with_module("/esxforge.tgz")
    assert len(full.modules) == 247
    assert full.with_module("/esxforge.tgz") == full
    with pytest.raises(FormatError, match=r"it has 247 modules, and /more\.tgz more would be too many"):
        full.with_module("/more.tgz")


def test_a_clean_installer_is_left_alone() -> None:
    cfg = BootCfg.parse(INSTALLER)
    assert installer_kernelopt(cfg) == (cfg, [])


LINES = st.one_of(
    st.sampled_from([b"kernel=/b.b00", b"kernelopt=a b", b"modules=/a --- /b", b" # c", b"", b"timeout=5", b"x = y"]),
    st.text("ab=-#/ \t\r", max_size=20).map(str.encode),
    st.tuples(st.sampled_from([b"modules=", b"kernelopt=", b"title="]), st.text("ab- /", max_size=30)).map(
        lambda pair: pair[0] + pair[1].encode()
    ),
)


@given(st.lists(LINES, max_size=12), st.booleans())
def test_any_text_round_trips_or_is_refused(lines: list[bytes], ended: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    try:
        cfg = BootCfg.parse(data)
    except FormatError:
        return
    assert cfg.to_bytes() == data
    names = [module.name for module in cfg.modules]
    added = cfg.with_module("/esxforge.tgz")
    assert [module.name for module in added.modules] == [*names, "/esxforge.tgz"]
    assert added.without_module("/esxforge.tgz").modules == cfg.modules
    reserved = cfg.with_reserved_kernelopt(64)
    offset, length = reserved.reserved_kernelopt()
    assert offset // 512 == (offset + length - 1) // 512
    assert reserved.modules == cfg.modules
    assert reserved.kernelopt == cfg.kernelopt


@given(st.binary(max_size=300))
def test_garbage_never_ends_in_anything_but_a_format_error(data: bytes) -> None:
    try:
        cfg = BootCfg.parse(data)
    except FormatError:
        return
    assert cfg.to_bytes() == data
    assert isinstance(cfg.modules, list)
