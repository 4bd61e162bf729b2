"""Good and bad kickstarts, and the exact sentence that each bad one must give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge.errors import FormatError
from esxforge.formats.kickstart_rules import ERROR, WARNING, Use, check_kickstart, parse_release

HASH = "$6$saltsalt$" + "a" * 86
BASE = f"vmaccepteula\nrootpw --iscrypted {HASH}\n"
MERGED, ALONE = Use(), Use(standalone=True)
INSTALL = "install --firstdisk --overwritevmfs\n"


def found(text: str, use: Use = MERGED) -> list[tuple[int, str, str]]:
    findings = check_kickstart(text.encode(), use)
    assert all(finding.remedy for finding in findings)
    return [(finding.line, finding.severity, finding.message) for finding in findings]


@pytest.mark.parametrize("release", ["6.5", "6.7", "7.0", "8.0", "9.0"])
@pytest.mark.parametrize(
    "text",
    [
        "keyboard 'Swiss German'\nreboot --noeject\nparanoid\n",
        "install --firstdisk=local,remote,ST3120814A --overwritevmfs --novmfsondisk --ignoressd\n",
        "install --disk=mpx.vmhba1:C0:T0:L0 --preservevmfs --ignoreprereqwarnings --ignoreprereqerrors\n",
        "installorupgrade --drive=naa.1 --overwritevsan --forcemigrate\n",
        (
            "network --bootproto=static --device=vmnic0 --ip=10.0.0.2 --netmask=255.0.0.0 --gateway=10.0.0.1 "
            "--nameserver='10.0.0.3,10.0.0.4' --hostname=a.example --vlanid=4094 --addvmportgroup=0\n"
        ),
        "network --bootproto=dhcp --device=00:11:22:AA:bb:cc --nodns\n",
        "clearpart --alldrives --overwritevmfs\npartition data --ondisk=naa.2\npart more --onfirstdisk\n",
        "%include /tmp/x\ninclude y\n",
        (
            "%pre --interpreter=python\nx = 1\n%post --interpreter=busybox --timeout=9 --ignorefailure=true\ntrue\n"
            "%firstboot --interpreter=busybox\ntrue\n"
        ),
    ],
)
def test_good_kickstarts_have_no_findings(text: str, release: str) -> None:
    install = "" if text.startswith("install") else INSTALL
    assert found(BASE + install + text, Use(release=parse_release(release), standalone=True)) == []


def test_an_install_command_is_needed_only_where_esxforge_adds_none() -> None:
    assert found(BASE, ALONE) == [(0, ERROR, "there is no install command.")]
    assert found(BASE, MERGED) == []


@pytest.mark.parametrize(
    ("line", "severity", "message"),
    [
        ("instal --firstdisk", ERROR, "'instal' is no command of ESXi's installer, which stops there."),
        ("hello", ERROR, "'hello' is no command of ESXi's installer, which stops there."),
        ("%end", ERROR, "ESXi's kickstarts have no %end."),
        ("lang en_US", WARNING, "ESXi ignores lang."),
        ("keyboard 'US", ERROR, "it cannot be split into words: no closing quotation."),
        ("reboot \\", ERROR, "a backslash at its end does not continue it on the next line."),
        ("reboot now", ERROR, "reboot takes no bare word. 'now' is one too many."),
        ("keyboard", ERROR, "keyboard takes one bare word."),
        ("keyboard Klingon", WARNING, "'Klingon' is no keyboard layout that ESXi is known to have."),
        ("reboot --eject", ERROR, "reboot has no option --eject."),
        ("reboot --noeject=1", ERROR, "reboot: --noeject takes no value."),
        ("network --bootproto", ERROR, "network: --bootproto needs a value."),
        ("network --bootproto=bootp", ERROR, "network: --bootproto cannot be 'bootp'."),
        ("network --BOOTPROTO=dhcp", ERROR, "network: --BOOTPROTO is written --bootproto."),
        ("network --vlanid=4097", ERROR, "network: --vlanid cannot be '4097'."),
        ("network --device=eth0", ERROR, "network: --device cannot be 'eth0'."),
        ("network --bootproto=static --ip=10.0.0.1", ERROR, "network: static needs --netmask too."),
        ("network --bootproto=dhcp --ip=10.0.0.1", WARNING, "network: --ip has no effect without --bootproto=static."),
        ("network --bootproto=dhcp --bootproto=dhcp", ERROR, "network: --bootproto is there twice."),
        ("vmserialnum --esx=123", ERROR, "vmserialnum: --esx cannot be this value."),
        ("vmserialnum", ERROR, "vmserialnum needs --esx=…."),
        ("clearpart --overwritevmfs", ERROR, "clearpart names no disk."),
        ("install --overwritevmfs", ERROR, "install names no disk."),
        ("install --disk=a --firstdisk", ERROR, "install: --disk and --firstdisk exclude each other."),
        (
            "install --firstdisk --overwritevmfs --preservevmfs",
            ERROR,
            "install: --overwritevmfs and --preservevmfs exclude each other.",
        ),
        ("install --disk=a --ignoressd", ERROR, "install: --ignoressd and --disk exclude each other."),
        ("dryrun", WARNING, "dryrun: nothing is installed."),
        ("%post --interpreter=perl\ntrue", ERROR, "%post: --interpreter cannot be 'perl'."),
        ("%pre --timeout=5 --interpreter=python\nx", ERROR, "%pre has no option --timeout."),
        ("%post --interpreter=busybox --timeout=soon\nx", ERROR, "%post: --timeout cannot be 'soon'."),
        ("%post --interpreter=busybox --ignorefailure=yes\nx", ERROR, "%post: --ignorefailure cannot be 'yes'."),
        ("%firstboot\ntrue", WARNING, "%firstboot names no interpreter; busybox is taken."),
        ("%pre --interpreter=busybox", WARNING, "%pre is empty."),
        ("%pre --interpreter=busybox echo\ntrue", ERROR, "%pre takes no bare word."),
        ("%pre --interpreter='busy\ntrue", ERROR, "it cannot be split into words: no closing quotation."),
    ],
)
def test_each_bad_line_has_its_sentence(line: str, severity: str, message: str) -> None:
    assert (3, severity, message) in found(BASE + line + "\n", ALONE)


@pytest.mark.parametrize(
    ("line", "severity", "message"),
    [
        ("upgrade --firstdisk", ERROR, "upgrade: a machine that MAAS deploys is always installed afresh."),
        ("dryrun", ERROR, "dryrun: nothing would be installed, and MAAS would wait for it."),
        (
            "install --firstdisk --overwritevmfs",
            WARNING,
            "install is replaced: esxforge installs to the boot disk that MAAS chose.",
        ),
        (
            "clearpart --alldrives",
            ERROR,
            "clearpart: which disks are wiped and which datastores are made is decided by MAAS's storage layout.",
        ),
        (
            "partition x --ondisk=a",
            ERROR,
            "part: which disks are wiped and which datastores are made is decided by MAAS's storage layout.",
        ),
        (
            "network --bootproto=dhcp",
            WARNING,
            "network is replaced by the network that MAAS has for the machine.",
        ),
        ("%include /x", WARNING, "%include: what it brings in cannot be checked here."),
    ],
)
def test_what_fights_with_esxforge(line: str, severity: str, message: str) -> None:
    assert found(BASE + line + "\n") == [(3, severity, message)]


@pytest.mark.parametrize(
    ("option", "release", "warned"),
    [
        ("--forceunsupportedinstall", "6.7", True),
        ("--forceunsupportedinstall", "7.0", False),
        ("--dpuPciSlots=1", "7.0", True),
        ("--dpupcislots=1", "8.0", False),
        ("--systemDisk=a", "6.7", True),
        ("--systemdisk=a", "9.0", False),
    ],
)
def test_options_newer_than_the_release(option: str, release: str, warned: bool) -> None:
    written = option.split("=", maxsplit=1)[0]
    name = {"--dpupcislots": "--dpuPciSlots", "--systemdisk": "--systemDisk"}.get(written, written)
    messages = found(f"{BASE}install --firstdisk {option}\n", Use(parse_release(release), standalone=True))
    since = {"--forceunsupportedinstall": "7.0", "--dpuPciSlots": "8.0", "--systemDisk": "7.0"}[name]
    expected = f"install: {name} is known from {since} on; ESXi {release} ignores it."
    assert messages == ([(3, WARNING, expected)] if warned else [])


def test_licence_keys_are_obsolete_in_9() -> None:
    line = "serialnum --esx=AAAAA-AAAAA-AAAAA-AAAAA-AAAAA\n"
    assert found(BASE + line, Use((8, 0))) == []
    assert found(BASE + line, Use((9, 0))) == [(3, WARNING, "ESX 9 takes no licence keys; vCenter licenses hosts.")]


@pytest.mark.parametrize(
    ("use", "severity"),
    [
        (ALONE, ERROR),
        (MERGED, WARNING),
        (Use(eula_accepted=False, password_given=False), ERROR),
        (Use(eula_accepted=True, password_given=True), None),
    ],
)
def test_eula_and_rootpw_are_required_unless_the_recipe_has_them(use: Use, severity: str | None) -> None:
    general = [finding for finding in found(INSTALL, use) if finding[0] == 0]
    if severity is None:
        assert general == []
    else:
        assert general == [
            (0, severity, "VMware's licence agreement is not accepted."),
            (0, severity, "there is no rootpw."),
        ]


def test_duplicates_are_named_with_both_lines() -> None:
    assert found(f"{BASE}{INSTALL}{INSTALL}", ALONE) == [(4, ERROR, "install is there already, in line 3.")]
    assert found(f"{BASE}{INSTALL}accepteula\n", ALONE) == [(4, WARNING, "vmaccepteula is there already, in line 1.")]
    assert (4, ERROR, "install, installorupgrade and upgrade exclude each other.") in found(
        f"{BASE}{INSTALL}upgrade --firstdisk\n", ALONE
    )


def test_too_many_commands_and_not_ascii_and_line_ends() -> None:
    text = BASE + INSTALL + "include /x\n" * 254
    assert found(text, ALONE) == [(0, ERROR, "it has 257 commands; ESXi's installer takes 256.")]
    assert found(f"{BASE}{INSTALL}# ü\n", ALONE) == [(4, ERROR, "it has characters that are not ASCII.")]
    assert found((BASE + INSTALL).replace("\n", "\r\n"), ALONE) == [
        (0, WARNING, "its lines end with CR LF, which makes scripts in its sections fail.")
    ]


def test_an_end_mark_as_other_systems_have_it_is_found_within_sections() -> None:
    assert found(f"{BASE}%post --interpreter=busybox\ntrue\n%end\n") == [
        (5, ERROR, "ESXi's kickstarts have no %end: it becomes part of the script, which fails there.")
    ]


@pytest.mark.parametrize(
    ("line", "findings"),
    [
        ("rootpw", [(2, ERROR, "rootpw takes one bare word.")]),
        ("rootpw one two", [(2, ERROR, "rootpw takes one bare word.")]),
        (
            f"rootpw --crypted --iscrypted {HASH}",
            [(2, ERROR, "rootpw has no option of this name.")],
        ),
        (f"rootpw {HASH}", [(2, ERROR, "rootpw: this looks like a hash, but --iscrypted is not there.")]),
        (
            "rootpw --iscrypted $5$salt$abc",
            [
                (
                    2,
                    ERROR,
                    "rootpw --iscrypted: it is a $5$ hash; ESXi takes $6$ (SHA-512) and, weak as it is, $1$ (MD5).",
                )
            ],
        ),
        (
            "rootpw --iscrypted $1$abcdefgh$" + "a" * 22,
            [(2, WARNING, "rootpw --iscrypted: this kind of hash can be broken in hours.")],
        ),
        (
            "rootpw xY7Gq",
            [
                (2, ERROR, "rootpw: ESXi refuses this password: it has 5 characters; at least 7 are needed."),
                (2, WARNING, "rootpw: the password stands here in clear, and so will it in the image."),
            ],
        ),
        (
            "rootpw xY7GqzpLm#w",
            [
                (2, ERROR, "an unquoted # ends the line, also within a password."),
                (2, WARNING, "rootpw: the password stands here in clear, and so will it in the image."),
            ],
        ),
        (
            "rootpw 'xY7GqzpLm#w'",
            [(2, WARNING, "rootpw: the password stands here in clear, and so will it in the image.")],
        ),
    ],
)
def test_root_passwords(line: str, findings: list[tuple[int, str, str]]) -> None:
    assert found(f"vmaccepteula\n{line}\n") == findings


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("instal --firstdisk", "Did you mean install?"),
        ("reboot --nojeject", "Did you mean --noeject?"),
        ("acepteula", "Did you mean accepteula?"),
    ],
)
def test_remedies_guess_what_was_meant(line: str, remedy: str) -> None:
    assert any(finding.remedy.endswith(remedy) for finding in check_kickstart((BASE + line + "\n").encode()))


@given(st.text("abcXYZ019!-='\"# ", min_size=8, max_size=30))
def test_no_finding_quotes_a_password(password: str) -> None:
    needle = max(password.replace("'", " ").replace('"', " ").replace("#", " ").split() or ["?"], key=len)
    if len(needle) < 6:
        return
    for prefix in ("rootpw ", "rootpw --iscrypted ", "rootpw --"):
        for finding in check_kickstart(f"{prefix}{password}\n".encode()):
            assert needle not in finding.message
            assert needle not in finding.remedy


@pytest.mark.parametrize(
    ("text", "release"),
    [("8.0", (8, 0)), ("8.0U3e", (8, 0)), ("7.0.3", (7, 0)), ("6.5", (6, 5)), ("9.1", (9, 1)), ("8U3", (8, 0))],
)
def test_releases(text: str, release: tuple[int, int]) -> None:
    assert parse_release(text) == release


@pytest.mark.parametrize("text", ["", "6", "5.5", "eight", "8.x"])
def test_unknown_releases_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match="is not a release of ESXi"):
        parse_release(text)


@given(st.binary(max_size=200), st.sampled_from([MERGED, ALONE]))
def test_garbage_is_found_fault_with_or_refused(data: bytes, use: Use) -> None:
    try:
        findings = check_kickstart(data, use)
    except FormatError:
        return
    assert findings
