"""Good and bad kickstarts, and the exact sentence that each bad one must give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge.errors import FormatError
from esxforge.formats.kickstart_findings import ERROR, WARNING, Use
from esxforge.formats.kickstart_rules import check_kickstart, parse_release

HASH = "$6$saltsalt$" + "a" * 86
BASE = f"vmaccepteula\nrootpw --iscrypted {HASH}\n"
MERGED, ALONE = Use(), Use(standalone=True)
KNOWN = Use(release=(6, 7), standalone=True)
IGNORES = "6.7's installer ignores it with a warning"
STOPS = "6.7's installer stops there"
INSTALL = "install --firstdisk --overwritevmfs\n"


def found(text: str, use: Use = MERGED) -> list[tuple[int, str, str]]:
    findings = check_kickstart(text.encode(), use)
    assert all(finding.hint for finding in findings)
    return [(finding.line, finding.severity, finding.message) for finding in findings]


@pytest.mark.parametrize("release", ["6.5", "6.7", "7.0", "8.0", "9.0", "9.1"])
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
        ("instal --firstdisk", WARNING, f"'instal' is not a command of ESXi's installer: {IGNORES}."),
        ("%end", WARNING, f"'%end' is not a command of ESXi's installer: {IGNORES}."),
        ("lang en_US", WARNING, "ESXi ignores lang."),
        ("keyboard 'US", ERROR, "it cannot be split into words: no closing quotation."),
        (
            "reboot \\\n--noeject",
            ERROR,
            "a backslash at its end does not continue it: 6.7's installer takes it for a word.",
        ),
        ("reboot now", WARNING, f"reboot takes no positional argument; 'now' is one too many, and {IGNORES}."),
        ("keyboard", ERROR, "keyboard takes one positional argument, and none is there."),
        (
            "keyboard US Default",
            WARNING,
            (
                "keyboard takes one positional argument; 'Default' is one too many, and 6.7's installer takes the last "
                "one with a warning."
            ),
        ),
        ("keyboard Klingon", WARNING, "'Klingon' is not a known ESXi keyboard layout."),
        ("reboot --eject", WARNING, f"reboot has no option --eject; {IGNORES}."),
        ("reboot --noeject=1", WARNING, f"reboot: --noeject takes no value; {IGNORES}."),
        ("network --bootproto", WARNING, f"network: --bootproto needs a value after an equals sign; {IGNORES}."),
        ("network --bootproto=bootp", WARNING, f"network: --bootproto cannot be 'bootp'; {IGNORES}."),
        (
            "network --BOOTPROTO=dhcp",
            WARNING,
            "network: --BOOTPROTO is written --bootproto; 6.7's installer ignores the other with a warning.",
        ),
        ("network --bootproto=dhcp --vlanid=4097", ERROR, f"network: --vlanid cannot be '4097'; {STOPS}."),
        ("network --bootproto=dhcp --device=eth0", ERROR, f"network: --device cannot be 'eth0'; {STOPS}."),
        ("network --bootproto=static --netmask=255.0.0.0", ERROR, f"network: static needs --ip too; {STOPS}."),
        (
            "network --bootproto=static --ip=10.0.0.1",
            WARNING,
            "network: static needs --netmask too; 6.7's installer takes one that goes with the address.",
        ),
        (
            "network --bootproto=dhcp --ip=10.0.0.1",
            ERROR,
            f"network: --ip: with DHCP it is one too many, and {STOPS}.",
        ),
        (
            "network --gateway=10.0.0.1",
            ERROR,
            f"network: --gateway: without --bootproto=static DHCP is taken, and {STOPS}.",
        ),
        (
            "network --bootproto=dhcp --hostname=a",
            WARNING,
            f"network: --hostname: with DHCP it is one too many, and {IGNORES}.",
        ),
        ("network --bootproto=dhcp --bootproto=dhcp", WARNING, "network: --bootproto is there twice."),
        ("install --disk=a --disk=b", ERROR, "install: --disk is there twice."),
        ("vmserialnum --esx=123", ERROR, f"vmserialnum: --esx cannot be this value; {STOPS}."),
        (
            "serialnum --esx=XXXXX-XXXXX-XXXXX-XXXXX-XXXXX",
            ERROR,
            "vmserialnum: --esx is a placeholder, not a licence key; 6.7's installer stops at keys that are none.",
        ),
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
        ("{% if x %}", ERROR, "this is a template: render it first."),
        ("keyboard {{ layout }}", ERROR, "this is a template: render it first."),
        ("%post --interpreter=/bin/sh\ntrue", ERROR, f"%post: --interpreter cannot be '/bin/sh'; {STOPS}."),
        ("%firstboot --interpreter=python3\nx", ERROR, f"%firstboot: --interpreter cannot be 'python3'; {STOPS}."),
        (
            "%firstboot --interpreter python\nx",
            ERROR,
            f"%firstboot: --interpreter needs a value after an equals sign; {IGNORES}.",
        ),
        ("%pre --timeout=5 --interpreter=python\nx", WARNING, f"%pre has no option --timeout; {IGNORES}."),
        ("%post --interpreter=busybox --timeout=soon\nx", WARNING, f"%post: --timeout cannot be 'soon'; {IGNORES}."),
        (
            "%post --interpreter=busybox --ignorefailure=yes\nx",
            WARNING,
            f"%post: --ignorefailure cannot be 'yes'; {IGNORES}.",
        ),
        ("%firstboot\ntrue", WARNING, "%firstboot names no interpreter; busybox is taken."),
        ("%pre --interpreter=busybox", WARNING, "%pre is empty."),
        ("%pre --interpreter=busybox echo\ntrue", WARNING, f"%pre takes no positional argument; {IGNORES}."),
        ("%pre --interpreter='busy\ntrue", ERROR, "it cannot be split into words: no closing quotation."),
    ],
)
def test_each_bad_line_has_its_sentence_and_the_severity_that_the_installer_gives_it(
    line: str, severity: str, message: str
) -> None:
    assert (3, severity, message) in found(BASE + line + "\n", KNOWN)


def test_of_a_release_whose_installer_nobody_has_read_that_is_said() -> None:
    assert found(f"{BASE}{INSTALL}reboot --eject\n", ALONE) == [
        (
            4,
            WARNING,
            "reboot has no option --eject; 6.7's installer ignores it with a warning, what 8.0's does is not known.",
        )
    ]


@pytest.mark.parametrize("release", ["7.0", "8.0", "9.1"])
@pytest.mark.parametrize("word", ["instal", "hello"])
def test_an_unknown_command_is_an_error_from_the_release_on_that_was_seen_to_stop(word: str, release: str) -> None:
    use = Use(release=parse_release(release))
    assert found(f"{BASE}{word}\n", use) == [
        (
            3,
            ERROR,
            (
                f"{word!r} is not a command of ESXi's installer; a 7.0 installer was seen to stop at such a line, what "
                f"{release}'s does is not known."
            ),
        )
    ]


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
            "clearpart --all --overwritevmfs --drives=x",
            WARNING,
            "clearpart is left out: MAAS's deployment wipes every disk that MAAS knows of the machine.",
        ),
        (
            "partition x --ondisk=a",
            WARNING,
            (
                "part is left out: MAAS's storage layout decides which datastores are made; this one is not, unless it "
                "is there."
            ),
        ),
        (
            "network --bootproto=dhcp",
            WARNING,
            "network is replaced: the network is the one that MAAS has for this machine.",
        ),
        (
            "paranoid",
            WARNING,
            (
                "paranoid is left out: the installer would stop at its own warnings, such as one of a network without "
                "a host name."
            ),
        ),
        (
            "%include /x",
            WARNING,
            (
                "%include: what it brings in is looked at on the host, once every %pre has run; what is replaced or "
                "left out here becomes a comment there."
            ),
        ),
        ("include http://a/b", ERROR, "%include: esxforge cannot look at a URL before the installer reads it."),
        ("%end", WARNING, "ESXi's kickstarts have no %end; it is left out."),
        (
            "keyboard \\\n  'US Default'",
            WARNING,
            "keyboard is continued over lines 3 to 4; it is written on one line.",
        ),
    ],
)
def test_what_becomes_of_commands_beside_those_of_esxforge(line: str, severity: str, message: str) -> None:
    assert found(BASE + line + "\n") == [(3, severity, message)]


@pytest.mark.parametrize(
    "line",
    [
        "network --bootproto=static --device=vusb7 --ip=x --hostname=esx_05.example.com",
        "network --bootproto dhcp",
        "network --hostname='open",
        "install --disk={{ disk }} --overwritevfms --firstdisk=a --disk=b",
        "install \u2013firstdisk",
        "clearpart",
        "part",
    ],
)
def test_what_never_reaches_the_installer_is_not_judged(line: str) -> None:
    assert [finding for finding in found(BASE + line + "\n") if finding[1] == ERROR] == []


@pytest.mark.parametrize("password", ["--iscrypted {{ x }}", "--iscrypted <a b c>", "--iscrypted #HASH#", "vagrant"])
def test_a_password_that_is_replaced_is_not_judged(password: str) -> None:
    line = f"vmaccepteula\nrootpw {password}\n"
    assert found(line, Use(password_given=True)) == [
        (2, WARNING, "rootpw is replaced: root's password is the one that the build was given.")
    ]
    assert any(severity == ERROR for _, severity, _ in found(line, Use(password_given=False)))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--overwritevsan", "is left out: the image has replaced what a vSAN had on the boot disk"),
        ("--preservevmfs", "is left out: the boot disk is wiped before it is installed to"),
        ("--systemDisk=a", "is left out: ESXi's system stays on the boot disk that MAAS chose"),
        ("--repartitionsystemdisk", "is left out: ESXi's system stays on the boot disk that MAAS chose"),
        ("--ignoressd", "is left out: MAAS chose the boot disk, be it an SSD"),
        ("--novmfsondisk", "is kept, but it counts only where MAAS's storage layout has no datastore on the boot disk"),
    ],
)
def test_what_is_lost_with_an_install_line_is_named(option: str, message: str) -> None:
    _, (line, severity, text) = sorted(found(f"{BASE}install --firstdisk {option}\n"), key=lambda one: len(one[2]))
    assert (line, severity) == (3, WARNING)
    assert text.startswith(f"install: {option.split('=', maxsplit=1)[0]} {message}")


@pytest.mark.parametrize("option", ["--ignoreprereqwarnings", "--dpupcislots=4", "--forceunsupportedinstall"])
def test_what_is_kept_of_an_install_line_needs_no_word(option: str) -> None:
    assert len(found(f"{BASE}install --firstdisk {option}\n")) == 1


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
    clause = "" if release == "6.7" else f", what {release}'s does is not known"
    expected = (
        f"install: {name} is known from {since} on; 6.7's installer ignores options that it does not know{clause}."
    )
    assert messages == ([(3, WARNING, expected)] if warned else [])


def test_licence_keys_are_obsolete_in_9() -> None:
    line = "serialnum --esx=AAAAA-AAAAA-AAAAA-AAAAA-AAAAA\n"
    assert found(BASE + line, Use((8, 0))) == []
    assert found(BASE + line, Use((9, 0))) == [
        (3, WARNING, "vmserialnum is obsolete in ESXi 9.0: vCenter licenses hosts.")
    ]


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


def test_too_many_commands_and_line_ends() -> None:
    text = BASE + INSTALL + "include /x\n" * 254
    assert found(text, ALONE) == [(0, ERROR, "it has 257 commands; ESXi's installer takes 256.")]
    assert found((BASE + INSTALL).replace("\n", "\r\n"), KNOWN) == [
        (0, WARNING, "its lines end with CR LF; 6.7's installer takes them.")
    ]


@pytest.mark.parametrize(
    ("script", "merged", "alone"),
    [
        (
            "true\n%end\n# all\n\n",
            (WARNING, "ESXi's kickstarts have no %end; it is left out."),
            (ERROR, "ESXi's kickstarts have no %end: it becomes part of the script, which fails there."),
        ),
        (
            "true\n%end\nreboot\n",
            (ERROR, "ESXi's kickstarts have no %end: it and the lines after it are a part of the %post script."),
            (ERROR, "ESXi's kickstarts have no %end: it and the lines after it are a part of the %post script."),
        ),
    ],
)
def test_an_end_mark_as_other_systems_have_it(script: str, merged: tuple[str, str], alone: tuple[str, str]) -> None:
    text = f"{BASE}{INSTALL}%post --interpreter=busybox\n{script}"
    assert (6, *merged) in found(text)
    assert (6, *alone) in found(text, ALONE)


def test_an_indented_section_start_is_a_line_of_the_script_above() -> None:
    text = f"{BASE}%pre --interpreter=busybox\ntrue\n  %post --interpreter=busybox\nfalse\n"
    assert found(text) == [
        (
            5,
            ERROR,
            "%post with blanks before it starts no section here: it is a line of the %pre script above.",
        )
    ]
    assert found(f"{BASE} %pre --interpreter=busybox\ntrue\n") == []


@pytest.mark.parametrize(
    "cut", ["includefile /etc/ntp/keys.conf", "include /etc/ntp/keys.conf", "%packages are no more"]
)
def test_a_script_that_a_word_cuts_off_is_one_error_which_names_the_word(cut: str) -> None:
    text = f"{BASE}%firstboot --interpreter=busybox\ncat >/x <<EOF\n{cut}\ndriftfile /x\nEOF\nchkconfig ntpd on\n"
    errors = [finding for finding in found(text) if finding[1] == ERROR]
    word = "include" if cut.startswith("include") else "%packages"
    assert errors == [
        (
            5,
            ERROR,
            (
                f"this line begins with {word}, which ends the %firstboot script of line 3; it and the lines after it "
                "are read as commands."
            ),
        )
    ]


@pytest.mark.parametrize("section", ["%pre", "%post"])
def test_a_script_that_ends_the_machine(section: str) -> None:
    plain = f"{BASE}{section} --interpreter=busybox\nsleep 5\nhalt\n"
    assert found(plain) == [
        (
            5,
            WARNING,
            {
                "%pre": "halt in %pre refuses the machine: nothing is installed, and the deployment fails.",
                "%post": "halt in %post is noted instead of done, and ends the script: MAAS would not power the "
                "machine on again.",
            }[section],
        )
    ]
    assert found(plain.replace("halt", "/sbin/halt")) == [
        (
            5,
            ERROR,
            f"/sbin/halt in {section} cannot be kept from ending the machine, and MAAS does not power it on again.",
        )
    ]
    python = f"{BASE}{section} --interpreter=python\nimport os\nos.system('poweroff')\n"
    assert [(line, severity) for line, severity, _ in found(python)] == [(5, ERROR)]
    for text in (plain, plain.replace("halt", "/sbin/halt"), python):
        ((_, severity, message),) = found(text, Use(allow_power_off=True))
        assert severity == WARNING
        assert message.endswith("the machine may go off here, and MAAS does not power it on again.")
        assert found(f"{INSTALL}{text}", ALONE) == []


def test_what_may_end_the_machine_is_a_warning_and_a_restart_is_called_one() -> None:
    post = f"{BASE}%post --interpreter=busybox\n"
    assert found(f"{post}OFF=/sbin/poweroff\n") == [
        (
            4,
            WARNING,
            "/sbin/poweroff in %post may end the machine; reading alone cannot show whether it is run.",
        )
    ]
    assert found(f"{post}/sbin/reboot\n") == [
        (
            4,
            ERROR,
            (
                "/sbin/reboot in %post cannot be kept from ending the machine, and it restarts in the middle of the "
                "installation."
            ),
        )
    ]
    assert found(f"{post}reboot\n", Use(allow_power_off=True)) == [
        (4, WARNING, "reboot in %post: the machine may restart here, before the installation is done.")
    ]
    assert found(f"{FIRSTBOOT}OFF=/sbin/poweroff\n") == [
        (
            4,
            WARNING,
            (
                "/sbin/poweroff in %firstboot may end the machine while the agent works; reading alone cannot show "
                "whether it is run."
            ),
        )
    ]


@pytest.mark.parametrize("section", ["%pre", "%post"])
@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("partedUtil mklabel /vmfs/devices/disks/naa.1 gpt", "partedUtil mklabel changes a disk's partition table"),
        ("partedUtil setptbl $d gpt", "partedUtil setptbl changes a disk's partition table"),
        ("/bin/partedUtil delete $d 1", "partedUtil delete changes a disk's partition table"),
        ("dd if=/dev/zero of=/vmfs/devices/disks/naa.1 bs=1M", "dd overwrites a disk"),
        ("dd if=/dev/zero of=/dev/disks/naa.1 bs=1M", "dd overwrites a disk"),
        ("for d in /vmfs/devices/disks/*; do dd if=/dev/zero of=$d; done", "dd may overwrite a disk"),
        ("vmkfstools -C vmfs6 -S data $d:1", "vmkfstools -C makes a datastore of what it is given"),
        ("esxcli vsan storage remove -s naa.1", "vsan storage remove wipes a vSAN's disks"),
        ("sh -c 'partedUtil mklabel $1 gpt' x", "partedUtil mklabel changes a disk's partition table"),
    ],
)
def test_a_script_that_writes_to_disks_is_warned_of(command: str, what: str, section: str) -> None:
    assert found(f"{BASE}{section} --interpreter=busybox\ntrue\n{command}\n") == [
        (5, WARNING, f"{section}: {what}, and esxforge does not keep it from any.")
    ]


def test_a_python_script_that_writes_to_disks_is_warned_of() -> None:
    text = f"{BASE}%pre --interpreter=python\nsubprocess.call(['partedUtil', 'mklabel', disk, 'gpt'])\n"
    assert [finding[:2] for finding in found(text)] == [(4, WARNING)]


@pytest.mark.parametrize(
    "command",
    [
        "partedUtil getptbl /vmfs/devices/disks/naa.1",
        "# partedUtil mklabel $d gpt",
        "echo 'partedUtil mklabel'",
        "dd if=/dev/zero of=$file bs=1M",
        "dd if=/vmfs/devices/disks/naa.1 of=/tmp/x",
        "vmkfstools -c 10g /vmfs/volumes/a/b.vmdk",
        "esxcli vsan storage list",
    ],
)
def test_a_script_that_only_reads_disks_is_not(command: str) -> None:
    assert found(f"{BASE}%pre --interpreter=busybox\n{command}\n") == []


@pytest.mark.parametrize(
    "line",
    [
        "rootpw\u00a0Geheim-Wort7!",
        "rootpw=Geheim-Wort7!",
        '"rootpw Geheim-Wort7!"',
        "RootPW:Geheim",
        "rootpwGeheim",
        "`rootpwGeheim",
    ],
)
@pytest.mark.parametrize("release", [(6, 7), (8, 0)])
def test_a_mistyped_rootpw_is_not_quoted_with_its_password(line: str, release: tuple[int, int]) -> None:
    for text in (f"{line}\nvmaccepteula\n", f"{line} \\\n --iscrypted\nvmaccepteula\n"):
        for use in (Use(release=release), Use(release=release, standalone=True)):
            findings = check_kickstart(text.encode(), use)
            assert any("rootpw…'" in finding.message.lower() for finding in findings)
            assert not any("Geheim" in finding.message + finding.hint for finding in findings)


@pytest.mark.parametrize("section", ["%pre", "%post"])
@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ("--interpreter busybox", "busybox"),
        ("--interpreter=/bin/sh", "busybox"),
        ("--interpreter=sh", "busybox"),
        ("--interpreter=ash", "busybox"),
        ("--interpreter=python3", "python"),
        ("--interpreter /bin/python", "python"),
    ],
)
def test_an_interpreter_by_another_name_is_taken_where_esxforge_runs_the_script(
    words: str, plain: str, section: str
) -> None:
    text = f"{BASE}{INSTALL}{section} {words}\nif x:\n  pass\n"
    assert [one for one in found(text) if one[0] > 3] == [
        (
            4,
            WARNING,
            f"{section} names its interpreter in a way that is not the installer's; {plain} is taken.",
        )
    ]
    assert (4, ERROR) in [(line, severity) for line, severity, _ in found(text, ALONE)]
    assert (4, ERROR) in [(line, severity) for line, severity, _ in found(text.replace(section, "%firstboot"))]


@pytest.mark.parametrize("word", ["perl", "/bin/bash"])
def test_an_interpreter_that_the_installer_has_not_stays_an_error(word: str) -> None:
    assert (3, ERROR) in [(line, severity) for line, severity, _ in found(f"{BASE}%post --interpreter={word}\nx\n")]


@pytest.mark.parametrize("release", ["7.0", "9.0"])
def test_of_a_later_release_nobody_says_that_it_ignores_an_old_command(release: str) -> None:
    assert found(f"{BASE}autopart\n", Use(release=parse_release(release))) == [
        (
            3,
            WARNING,
            f"autopart is a command of older installers; {IGNORES}, what {release}'s does is not known.",
        )
    ]


FIRSTBOOT = f"{BASE}%firstboot --interpreter=busybox\n"


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("esxcli network ip interface remove --interface-name=vmk0", "removes vmk0"),
        ('esxcli network vswitch standard portgroup remove -p "Management Network" -v vSwitch0', "removes the port gr"),
        ("rm -f /bootbank/*.tgz", "removes files of the boot bank"),
        ("rm -r /vmfs/volumes/BOOTBANK1/x", "removes files of the boot bank"),
        ("esxcli system maintenanceMode set -e true", "puts the host into maintenance mode"),
        ("vim-cmd hostsvc/maintenance_mode_enter", "puts the host into maintenance mode"),
        ("esxcli system shutdown reboot -d 15 -r done", "restarts the host while the agent works"),
        ("/sbin/poweroff", "powers the host off while the agent works"),
    ],
)
def test_a_first_boot_that_fights_with_the_agent(command: str, what: str) -> None:
    ((line, severity, message),) = found(f"{FIRSTBOOT}echo ok\n{command}\n")
    assert (line, severity) == (5, WARNING)
    assert f"%firstboot {what}" in message
    assert found(f"{INSTALL}{FIRSTBOOT}{command}\n", Use(standalone=True)) == []


@pytest.mark.parametrize(
    "command",
    [
        "esxcli network ip interface remove --interface-name=vmk1",
        "rm -f /tmp/x",
        "esxcli system maintenanceMode set -e false",
        "esxcli network firewall set --enabled false",
        "echo 'rm /bootbank/x'",
    ],
)
def test_a_first_boot_that_does_not(command: str) -> None:
    assert found(f"{FIRSTBOOT}{command}\n") == []


@pytest.mark.parametrize(
    ("line", "findings"),
    [
        ("rootpw", [(2, ERROR, "rootpw takes one positional argument, and none is there.")]),
        ("rootpw one two", [(2, ERROR, "rootpw takes one positional argument.")]),
        (
            f"rootpw --crypted --iscrypted {HASH}",
            [
                (
                    2,
                    WARNING,
                    (
                        "rootpw has no option of this name; 6.7's installer ignores it with a warning, what 8.0's does "
                        "is not known."
                    ),
                )
            ],
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
                (2, WARNING, "rootpw: the password is in clear text here, and so it will be in the image."),
            ],
        ),
        (
            "rootpw xY7GqzpLm#w",
            [
                (2, ERROR, "an unquoted # ends the line, also within a password."),
                (2, WARNING, "rootpw: the password is in clear text here, and so it will be in the image."),
            ],
        ),
        (
            "rootpw 'xY7GqzpLm#w'",
            [(2, WARNING, "rootpw: the password is in clear text here, and so it will be in the image.")],
        ),
    ],
)
def test_root_passwords(line: str, findings: list[tuple[int, str, str]]) -> None:
    assert found(f"vmaccepteula\n{line}\n") == findings


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("instal --firstdisk", "Did you mean install?"),
        ("reboot --nojeject", "Did you mean --noeject?"),
        ("acepteula", "Did you mean accepteula?"),
    ],
)
def test_hints_guess_what_was_meant(line: str, hint: str) -> None:
    assert any(finding.hint.endswith(hint) for finding in check_kickstart((BASE + line + "\n").encode()))


@given(st.text("abcXYZ019!-='\"# ", min_size=8, max_size=30))
def test_no_finding_quotes_a_password(password: str) -> None:
    needle = max(password.replace("'", " ").replace('"', " ").replace("#", " ").split() or ["?"], key=len)
    if len(needle) < 6:
        return
    for prefix in ("rootpw ", "rootpw --iscrypted ", "rootpw --"):
        for finding in check_kickstart(f"{prefix}{password}\n".encode()):
            assert needle not in finding.message
            assert needle not in finding.hint


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
def test_garbage_is_found_fault_with(data: bytes, use: Use) -> None:
    assert check_kickstart(data, use)
