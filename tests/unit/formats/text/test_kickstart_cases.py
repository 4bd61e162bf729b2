"""Kickstarts as people have them (tests/data/kickstart): what a check and the merge for a host make of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge.formats.kickstart_findings import ERROR, WARNING, Use
from esxforge.formats.kickstart_rules import check_kickstart, parse_release
from esxforge_target.contract.image_settings import ImageSettings
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.formats.kickstart import Kickstart
from esxforge_target.hook.kickstart import host_kickstart
from standin.system.kickstart import read
from target.plan.configs import sample

CASES = Path(__file__).parents[3] / "data" / "kickstart"
NAMES = sorted(path.stem for path in CASES.glob("*.cfg"))
HASH = "$6$saltsalt$" + "a" * 86
MERGED, GIVEN, ALONE = Use(), Use(password_given=True), Use(standalone=True)
# Errors where root's password stands in the kickstart, and where the recipe gives it: (line, start of the sentence).
ERRORS: dict[str, tuple[list[tuple[int, str]], list[tuple[int, str]]]] = {
    "backtick": ([(1, "'`vmaccepteula' is not a command")], [(1, "'`vmaccepteula' is not a command")]),
    "comment_hash": ([(2, "rootpw takes one positional argument, and none is there")], []),
    "heredoc": ([(7, "this line begins with include")], [(7, "this line begins with include")]),
    "inttype": (
        [(6, "%firstboot: --interpreter cannot be 'python3'")],
        [(6, "%firstboot: --interpreter cannot be 'python3'")],
    ),
    "lic": ([(3, "vmserialnum: --esx is a placeholder")], [(3, "vmserialnum: --esx is a placeholder")]),
    "phpw": ([(2, "this is a template: render it first")], []),
    "placeholder": ([(2, "this is a placeholder, not a password")], []),
    "post_python": ([(6, "poweroff through Python in %post")], [(6, "poweroff through Python in %post")]),
    "tmpl": (
        [(line, "this is a template: render it first") for line in (2, 3, 5)],
        [(line, "this is a template: render it first") for line in (3, 5)],
    ),
    "weak": ([(2, "rootpw: ESXi refuses this password")], []),
}
# Warnings besides those that an install or network line is replaced, and that a password stands in clear.
WARNINGS = {
    "inttype": [(4, "%post names its interpreter in a way that is not the installer's; busybox is taken")],
    "bom": [(1, "a byte order mark (U+FEFF) precedes the first line; it is left out")],
    "boss": [(3, "install: --ignoressd is left out")],
    "clearpart": [(3, "clearpart is left out: MAAS's deployment wipes every disk")],
    "endash": [(3, "an en dash (U+2013) is not read as")],
    "maint": [
        (6, "%firstboot removes vmk0"),
        (7, "%firstboot removes the port group of vmk0"),
        (8, "%firstboot puts the host into maintenance mode"),
        (10, "%firstboot removes files of the boot bank"),
        (11, "esxcli system shutdown reboot in %firstboot restarts the host"),
    ],
    "nbsp": [(3, "a no-break space (U+00A0) is not read as")],
    "nested": [(4, "%include: what it brings in is looked at on the host")],
    "novmfs": [(3, "install: --novmfsondisk is kept, but it counts only where")],
    "post_halt": [(7, "halt in %post is noted instead of done")],
    "pre_disk": [(3, "%include: what it brings in is looked at on the host")],
    "sysdisk": [(3, "install: --repartitionsystemdisk is left out"), (3, "install: --systemDisk is left out")],
    "tmpl_go": [(3, "install: --novmfsondisk is kept, but it counts only where")],
    "vcf": [(3, "clearpart is left out: MAAS's deployment wipes every disk")],
    "vsan": [(3, "install: --overwritevsan is left out")],
}
# With --standalone: what the 6.7 installer stops at, besides what it stops at in the other uses.
ALONE_TOO = {
    "inttype": [(4, "%post: --interpreter cannot be '/bin/sh'")],
    "backtick": [(0, "VMware's licence agreement is not accepted")],
    "bom": [(1, "a byte order mark")],
    "dhcp_ip": [(4, "network: --ip: with DHCP"), (4, "network: --netmask: with DHCP")],
    "endash": [(3, "an en dash (U+2013)"), (3, "install names no disk")],
    "multiline": [(4, "a backslash at its end does not continue it")],
    "nbsp": [(3, "a no-break space (U+00A0)"), (3, "install names no disk")],
    "pre_disk": [(0, "there is no install command")],
    "vusb": [(4, "network: --hostname cannot be 'esx_05.example.com'")],
}


def found(name: str, use: Use, severity: str) -> list[tuple[int, str]]:
    findings = check_kickstart((CASES / f"{name}.cfg").read_bytes(), use)
    assert all(finding.hint for finding in findings)
    return [(finding.line, finding.message) for finding in findings if finding.severity == severity]


def same(told: list[tuple[int, str]], expected: list[tuple[int, str]]) -> bool:
    """Whether each is told, with its line, and nothing besides."""
    return len(told) == len(expected) and all(
        line == number and message.startswith(start)
        for (line, message), (number, start) in zip(sorted(told), sorted(expected), strict=True)
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_case_has_these_errors_and_no_others(name: str) -> None:
    with_own, with_given = ERRORS.get(name, ([], []))
    assert same(found(name, MERGED, ERROR), with_own), found(name, MERGED, ERROR)
    assert same(found(name, GIVEN, ERROR), with_given), found(name, GIVEN, ERROR)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_lost_or_done_otherwise_is_named(name: str) -> None:
    told = [
        (line, message)
        for line, message in found(name, GIVEN, WARNING)
        if not message.startswith(("install is replaced:", "network is replaced:", "rootpw is replaced:"))
        and (line or "licence" not in message)
    ]
    assert same(told, WARNINGS.get(name, [])), told


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"tmpl", "space_opt", "phpw", "comment_hash"}])
def test_standing_alone_it_fails_where_the_installer_is_known_to_fail(name: str) -> None:
    expected = [*ERRORS.get(name, ([], []))[0], *ALONE_TOO.get(name, [])]
    if name in {"post_python"}:
        expected = []  # what a script does to the machine is nobody's business then
    told = found(name, ALONE, ERROR)
    assert same(told, expected), told


def test_an_option_with_a_blank_is_named_where_it_counts_with_what_is_known_of_it() -> None:
    told = found("space_opt", Use((6, 7), standalone=True), WARNING)
    assert (
        4,
        "network: --bootproto needs a value after an equals sign; 6.7's installer ignores it with a warning.",
    ) in told


def test_a_licence_key_is_obsolete_in_9() -> None:
    obsolete = (3, "vmserialnum is obsolete in ESXi 9.1: vCenter licenses hosts.")
    assert obsolete in found("lic9", Use(parse_release("9.1")), WARNING)
    assert not any("obsolete" in message for _, message in found("lic9", MERGED, WARNING))


@pytest.mark.parametrize("name", [name for name in NAMES if not ERRORS.get(name, ([], []))[1]])
def test_what_passes_makes_a_kickstart_that_an_installer_takes(name: str) -> None:
    """Held against the stand-in's own reader: no errors, one install line, no password in clear."""
    data = (CASES / f"{name}.cfg").read_bytes()
    kickstart = Kickstart.parse(data).to_bytes().decode("utf-8", "surrogateescape")
    settings = ImageSettings(
        "installer", "8.0.3", accept_eula=True, kickstart=kickstart, root_password_mode="hash", root_password_hash=HASH
    )
    merged = host_kickstart(settings, desired_host_from_config(sample("simple-static")))
    files = {
        "/esxforge/run/rootpw.cfg": f"rootpw --iscrypted {HASH}\n",
        "/esxforge/run/install.cfg": "install --disk=naa.1 --overwritevmfs\n",
        "/tmp/networkconfig": "",
        "/tmp/target": "",
    }
    told = read("ks.cfg", merged.data, lambda path: files[path].encode())
    assert told.errors == [], merged.data.decode()
    assert [command.name for command in told.commands].count("install") == 1
    assert b"Zebra" not in merged.data
    assert merged.root_password == ""
