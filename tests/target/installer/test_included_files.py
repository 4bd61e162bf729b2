"""What %pre sections write for %include is treated as the kickstart itself would be, before a disk is touched."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from esxforge_target.contract.kickstart_sections import GUARDED, LENIENT, STRICT
from esxforge_target.contract.names import INSTALL_INCLUDE
from esxforge_target.formats.kickstart import Kickstart
from esxforge_target.installer import includes
from esxforge_target.installer.environment import Installer

HASH = "$6$saltsalt$" + "a" * 86


class Ram:
    """The installer's RAM disk with a merged kickstart that includes what it is told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = io.StringIO()
        self.installer = Installer(str(root), stream=self.output)
        self.put(INSTALL_INCLUDE, "install --disk=stamped --overwritevmfs\n")

    def put(self, path: str, text: str | bytes) -> None:
        self.installer.write(path, text.encode() if isinstance(text, str) else text)

    def text(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()

    def run(self, *included: str, manner: str = LENIENT) -> int:
        lines = [f"%include {path}\n" for path in (*included, INSTALL_INCLUDE)]
        self.put("/esxforge/ks.cfg", "vmaccepteula\n" + "".join(lines))
        return includes.main((GUARDED, manner), self.installer)

    @property
    def said(self) -> str:
        return " ".join(self.output.getvalue().replace("esxforge: ", "").split())

    @property
    def may_install(self) -> bool:
        return (self.root / INSTALL_INCLUDE.lstrip("/")).exists()


@pytest.fixture
def ram(tmp_path: Path) -> Ram:
    return Ram(tmp_path)


def test_what_would_be_replaced_or_left_out_becomes_a_comment_and_is_reported(ram: Ram) -> None:
    ram.put(
        "/tmp/target",
        "# mine\n"
        "clearpart --drives=naa.1 --overwritevmfs\n"
        "install --disk=naa.1 --overwritevmfs --novmfsondisk\n"
        "part data --ondisk=naa.2\n"
        "network --bootproto=dhcp \\\n  --device=vmnic0\n"
        f"rootpw --iscrypted {HASH}\n"
        "paranoid\n"
        "keyboard French\n",
    )
    assert ram.run("/tmp/target") == 0, ram.said
    assert ram.text("/tmp/target") == (
        "# mine\n"
        "# line 2 of /tmp/target, clearpart, is left out by esxforge\n"
        "# line 3 of /tmp/target, install, is replaced by esxforge\n"
        "# line 4 of /tmp/target, part, is left out by esxforge\n"
        "# line 5 of /tmp/target, network, is replaced by esxforge\n"
        "# line 7 of /tmp/target, rootpw, is replaced by esxforge\n"
        "# line 8 of /tmp/target, paranoid, is left out by esxforge\n"
        "keyboard French\n"
    )
    for number, name in ((2, "clearpart"), (3, "install"), (4, "part"), (5, "network"), (7, "rootpw"), (8, "paranoid")):
        assert f"note: /tmp/target line {number}: {name} is " in ram.said
    assert "/tmp/target, which your kickstart includes: 6 lines changed" in ram.said
    assert HASH not in ram.said
    assert ram.may_install
    assert "install --disk=stamped" in ram.text(INSTALL_INCLUDE), "esxforge's own includes stay as they are"


@pytest.mark.parametrize("line", ["instal --disk=x", "rootpw=Geheim-Wort7!", '"rootpw Geheim-Wort7!', "{% if x %}"])
def test_a_command_that_no_release_has_becomes_a_comment_that_does_not_repeat_it(line: str, ram: Ram) -> None:
    ram.put("/tmp/x", f"{line}\nkeyboard French\n")
    assert ram.run("/tmp/x") == 0, ram.said
    assert ram.text("/tmp/x") == "# line 1 of /tmp/x is left out by esxforge\nkeyboard French\n"
    assert "note: /tmp/x line 1: no release has this command; it is left out." in ram.said
    assert "Geheim" not in ram.said
    assert ram.may_install


def test_install_options_of_included_files_are_handed_on(ram: Ram) -> None:
    ram.put("/tmp/a", "install --firstdisk --overwritevmfs --forceunsupportedinstall --novmfsondisk\n%include /tmp/b\n")
    ram.put("/tmp/b", "installorupgrade --disk=x --ignoreprereqwarnings --forceunsupportedinstall\n")
    assert ram.run("/tmp/a") == 0, ram.said
    line = "install --disk=stamped --overwritevmfs --forceunsupportedinstall --ignoreprereqwarnings"
    assert ram.text(INSTALL_INCLUDE) == line + "\n"
    assert f"the installer gets: {line}" in ram.said
    assert "note: --novmfsondisk of an included file is left out" in ram.said


def test_install_options_that_are_there_already_change_nothing(ram: Ram) -> None:
    ram.put("/tmp/a", "install --firstdisk --novmfsondisk\n")
    ram.put(INSTALL_INCLUDE, "install --disk=stamped --overwritevmfs --novmfsondisk\n")
    assert ram.run("/tmp/a", manner=STRICT) == 0, ram.said
    assert ram.text(INSTALL_INCLUDE) == "install --disk=stamped --overwritevmfs --novmfsondisk\n"
    assert "is left out: only" not in ram.said


def test_a_file_without_such_lines_stays_byte_for_byte(ram: Ram) -> None:
    ram.put("/tmp/more", "keyboard 'US Default'   # mine\n\nvmserialnum --esx=00000-00000-00000-00000-00000\n")
    before = ram.text("/tmp/more")
    assert ram.run("/tmp/more") == 0
    assert ram.text("/tmp/more") == before


def test_files_that_included_files_include_are_looked_at_as_the_installer_finds_them(ram: Ram) -> None:
    ram.put("/tmp/a", "%include ./b\ninclude tmp/c\n%include file:///tmp/d\n%include /tmp/a\n")
    for name in "bcd":
        ram.put(f"/tmp/{name}", "clearpart --alldrives\n")
    assert ram.run("/tmp/a") == 0, ram.said
    for name in "bcd":
        assert ram.text(f"/tmp/{name}").startswith(f"# line 1 of /tmp/{name}, clearpart")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "/tmp/x cannot be read: No such file or directory."),
        ("keyboard\x00\n", "/tmp/x line 1: it has a byte that is no text"),
        ("keyboard\n".encode("utf-16"), "/tmp/x line 1: column 1: it is UTF-16"),
        ("keyboard 'US\n", "/tmp/x line 1: no closing quotation."),
        ("keyboard Français\n", "/tmp/x: line 1 of it is not ASCII."),
        ("%include http://192.0.2.1/ks.cfg\n", "/tmp/x line 1: what %include names cannot be looked at"),
        ("%include\n", "/tmp/x line 1: what %include names cannot be looked at"),
        ("upgrade --firstdisk\n", "/tmp/x line 1: upgrade cannot be used here"),
        ("dryrun\n", "/tmp/x line 1: dryrun cannot be used here"),
        ("%post --interpreter=perl\ntrue\n", "/tmp/x line 1: --interpreter of %post is neither busybox nor python."),
        ("%firstboot --interpreter=python3\ntrue\n", "/tmp/x line 1: --interpreter of %firstboot is neither"),
        ("%pre --interpreter=busybox\ntrue\n", "/tmp/x: it has a %pre section"),
    ],
)
def test_what_cannot_be_looked_at_or_would_stop_the_installer_ends_it_before_a_disk_is_touched(
    content: str | bytes | None, reason: str, ram: Ram
) -> None:
    if content is not None:
        ram.put("/tmp/x", content)
    assert ram.run("/tmp/x") == 1
    assert "ESXi was NOT installed:" in ram.said
    assert reason in ram.said
    assert "what to do: " in ram.said
    assert not ram.may_install


def test_scripts_in_an_included_file_are_held_like_those_of_the_kickstart_and_checked_after(ram: Ram) -> None:
    ram.put("/tmp/x", "%post --interpreter=busybox\npoweroff\n%firstboot --interpreter=busybox\ntrue\n")
    assert ram.run("/tmp/x") == 0, ram.said
    post, first_boot, check = Kickstart.parse(ram.text("/tmp/x").encode()).sections
    assert "esxforge_target.installer.user_script %post 1 busybox 0 guarded lenient" in post.body
    assert first_boot.body == "true\n"
    assert (check.name, "esxforge_target.installer.last_check" in check.body) == ("%post", True)


def test_in_a_golden_build_the_machine_must_neither_restart_nor_wait_for_scripts_that_come_later(ram: Ram) -> None:
    ram.put("/tmp/x", "reboot\n")
    assert ram.run("/tmp/x", manner=STRICT) == 0
    assert ram.text("/tmp/x") == "# line 1 of /tmp/x, reboot, is left out by esxforge\n"
    ram.put("/tmp/x", "%post --interpreter=busybox\ntrue\n")
    assert ram.run("/tmp/x", manner=STRICT) == 1
    assert "it has a %post section, which a golden build cannot wait for" in ram.said
