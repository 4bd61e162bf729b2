"""Kickstarts with mistakes put in, from a table that knows nothing of the rules: exactly these mistakes are found.

Each row says what stands in the file, where, and what a person must hear of it: errors for what breaks the deployment,
warnings for what is done otherwise, nothing else. What passes is held against the stand-in's own reader.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.formats.kickstart_findings import Use
from esxforge.formats.kickstart_rules import check_kickstart
from esxforge_target.contract.image_settings import ImageSettings
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.hook.kickstart import host_kickstart
from standin.system.kickstart import read
from target.plan.configs import sample

HASH = "$6$saltsalt$" + "b" * 86
E, W = "error", "warning"
# Where a line stands: among the commands, or in the script of a section.
COMMAND, PRE, POST, FIRSTBOOT = "command", "%pre", "%post", "%firstboot"
HOST = desired_host_from_config(sample("simple-static"))


@dataclass(frozen=True)
class Row:
    """Lines, where they stand, and what is found of them: (number of the line among them, severity, words of it)."""

    where: str
    lines: tuple[str, ...]
    found: tuple[tuple[int, str, str], ...] = ()


def row(where: str, text: str, *found: tuple[int, str, str]) -> Row:
    return Row(where, tuple(text.split("\n")), found)


ROWS = (
    # What is replaced or left out, right or wrong: never an error.
    row(COMMAND, "install --firstdisk --overwritevmfs", (0, W, "install is replaced")),
    row(COMMAND, "install --disk={{ disk }} --overwritevfms=x y", (0, W, "install is replaced")),
    row(COMMAND, "install 'open", (0, W, "install is replaced")),
    row(COMMAND, "install --firstdisk \\\n  --overwritevmfs", (0, W, "install is replaced")),
    row(COMMAND, "install --preservevmfs", (0, W, "install is replaced"), (0, W, "--preservevmfs is left out")),
    row(COMMAND, "install --overwritevsan", (0, W, "install is replaced"), (0, W, "--overwritevsan is left out")),
    row(COMMAND, "install --systemDisk=a", (0, W, "install is replaced"), (0, W, "--systemDisk is left out")),
    row(COMMAND, "install --novmfsondisk", (0, W, "install is replaced"), (0, W, "--novmfsondisk is kept, but")),
    row(COMMAND, "install \u2013firstdisk", (0, W, "install is replaced"), (0, W, "an en dash (U+2013)")),
    row(COMMAND, "installorupgrade --firstdisk", (0, W, "installorupgrade is replaced")),
    row(COMMAND, "network --bootproto=dhcp --ip=1.2.3.4 --device=eth0", (0, W, "network is replaced")),
    row(COMMAND, "network --bootproto dhcp", (0, W, "network is replaced")),
    row(COMMAND, "network --hostname=a_b --vlanid=9999", (0, W, "network is replaced")),
    row(COMMAND, "network\u00a0--bootproto=dhcp", (0, E, "a no-break space"), (0, E, "is not a command of ESXi")),
    row(COMMAND, "rootpw short", (0, W, "rootpw is replaced")),
    row(COMMAND, "rootpw --iscrypted {{ hash }}", (0, W, "rootpw is replaced")),
    row(COMMAND, "rootpw", (0, W, "rootpw is replaced")),
    row(COMMAND, "clearpart --all --drives=x --overwritevmfs", (0, W, "clearpart is left out")),
    row(COMMAND, "clearpart", (0, W, "clearpart is left out")),
    row(COMMAND, "partition data --ondisk=naa.2", (0, W, "part is left out")),
    row(COMMAND, "partitionembed", (0, W, "partitionembed is left out")),
    row(COMMAND, "paranoid", (0, W, "paranoid is left out")),
    row(COMMAND, "%end", (0, W, "have no %end; it is left out")),
    # What goes to the installer and is right.
    row(COMMAND, "# caf\u00e9 \u2013 mine"),
    row(COMMAND, "keyboard French # caf\u00e9"),
    row(COMMAND, "accepteula"),
    row(PRE, "echo caf\u00e9 # \u2013"),
    row(POST, "echo halt; logger reboot # poweroff"),
    row(POST, "cat >/x <<'EOF'\nreboot\nEOF"),
    row(FIRSTBOOT, "esxcli system hostname set --fqdn=a.example"),
    # What goes there and is done otherwise.
    row(COMMAND, "keyboard \\\n 'US Default'", (0, W, "keyboard is continued over lines")),
    row(COMMAND, "lang en_US", (0, W, "lang is a command of older installers")),
    row(COMMAND, "autopart --firstdisk", (0, W, "autopart is a command of older installers")),
    row(COMMAND, "keyboard Klingon", (0, W, "'Klingon' is not a known ESXi keyboard layout")),
    row(COMMAND, "reboot --eject", (0, W, "reboot has no option --eject")),
    row(COMMAND, "reboot now", (0, W, "'now' is one too many")),
    row(COMMAND, "%include /tmp/more", (0, W, "%include: what it brings in is looked at on the host")),
    row(PRE, "halt", (0, W, "halt in %pre refuses the machine: nothing is installed")),
    row(POST, "sleep 5; poweroff -f", (0, W, "poweroff in %post is noted instead of done")),
    row(POST, "x\nreboot", (1, W, "reboot in %post is noted instead of done")),
    row(POST, "echo {{ name }}", (0, W, "this looks like a template")),
    row(POST, "esxcli \u2013\u2013version", (0, W, "an en dash (U+2013)")),
    row(FIRSTBOOT, "esxcli network ip interface remove -i vmk0", (0, W, "%firstboot removes vmk0")),
    row(FIRSTBOOT, "rm -f /bootbank/*.tgz", (0, W, "%firstboot removes files of the boot bank")),
    row(FIRSTBOOT, "esxcli system maintenanceMode set -e true", (0, W, "into maintenance mode")),
    row(FIRSTBOOT, "reboot", (0, W, "reboot in %firstboot restarts the host")),
    # What breaks the deployment.
    row(COMMAND, "upgrade --firstdisk", (0, E, "upgrade: a machine that MAAS deploys is always installed afresh")),
    row(COMMAND, "dryrun", (0, E, "dryrun: nothing would be installed")),
    row(COMMAND, "instal --firstdisk", (0, E, "'instal' is not a command")),
    row(COMMAND, "{% if x %}", (0, E, "this is a template: render it first")),
    row(COMMAND, "keyboard {{ x }}", (0, E, "this is a template: render it first")),
    row(COMMAND, "keyboard 'US", (0, E, "it cannot be split into words")),
    row(COMMAND, "keyboard", (0, E, "keyboard takes one positional argument, and none is there")),
    row(COMMAND, "keyboard \u201cFrench\u201d", (0, E, "left double quotation"), (0, E, "right double quotation"),
        (0, W, "is not a known ESXi keyboard layout")),
    row(COMMAND, "serialnum --esx=XXXXX-XXXXX-XXXXX-XXXXX-XXXXX", (0, E, "--esx is a placeholder")),
    row(COMMAND, "vmserialnum", (0, E, "vmserialnum needs --esx")),
    row(COMMAND, "%include http://192.0.2.1/ks", (0, E, "%include: esxforge cannot look at a URL")),
    row(PRE, "/sbin/reboot", (0, E, "/sbin/reboot in %pre cannot be kept from ending the machine")),
    row(POST, "nohup poweroff &", (0, E, "nohup … poweroff in %post cannot be kept")),
    row(POST, "esxcli system shutdown poweroff -r x", (0, E, "esxcli system shutdown poweroff in %post cannot")),
    row(POST, "  %firstboot --interpreter=busybox", (0, E, "%firstboot with blanks before it starts no section")),
    row(POST, "%end\necho more", (0, E, "it and the lines after it are a part of the %post script")),
    row(FIRSTBOOT, "includefile /x\nEOT", (0, E, "this line begins with include, which ends the %firstboot script")),
)  # fmt: skip
# No two of a kind: twice is a mistake of its own.
ONCE = ("install", "installorupgrade", "network", "rootpw", "keyboard", "reboot", "vmserialnum", "serialnum", "upgrade")


def names(rows: list[Row]) -> list[str]:
    first = [one.lines[0].split()[0] for one in rows if one.where == COMMAND]
    return [name.replace("vmserialnum", "serialnum") for name in first if name in ONCE]


@st.composite
def corpora(draw: st.DrawFn) -> tuple[str, list[tuple[int, str, str]]]:
    """A kickstart, and what there is to be found in it."""
    drawn = draw(st.lists(st.sampled_from(ROWS), max_size=6, unique=True))
    chosen = [one for number, one in enumerate(drawn) if not set(names([one])) & set(names(drawn[:number]))]
    # A script that is cut off, and one with an end mark in it, hold nothing after that.
    for where in (POST, FIRSTBOOT):
        last = [one for one in chosen if one.where == where and one.lines[0].startswith(("%end", "includefile"))]
        chosen = [one for one in chosen if one not in last] + last[:1]
    lines = ["vmaccepteula"]
    found: list[tuple[int, str, str]] = []
    if any(one.lines[0] == "accepteula" for one in chosen):
        lines = ["# ours"]

    def put(one: Row) -> None:
        found.extend((len(lines) + 1 + number, severity, words) for number, severity, words in one.found)
        lines.extend(one.lines)

    for one in [one for one in chosen if one.where == COMMAND]:
        put(one)
        lines.extend(draw(st.lists(st.sampled_from(["", "# a comment", "   "]), max_size=2)))
    for where in (PRE, POST, FIRSTBOOT):
        scripts = [one for one in chosen if one.where == where]
        others = draw(st.integers(0, 1))
        if scripts or others:
            lines.extend([f"{where} --interpreter=busybox", "true"])
        for one in scripts:
            put(one)
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return "".join(line + end for line in lines), found


@settings(deadline=None)
@given(corpora())
def test_exactly_the_mistakes_that_were_put_in_are_found(corpus: tuple[str, list[tuple[int, str, str]]]) -> None:
    text, expected = corpus
    told = [(one.line, one.severity, one.message) for one in check_kickstart(text.encode(), Use(password_given=True))]
    for line, severity, words in expected:
        matching = [one for one in told if one[:2] == (line, severity) and words in one[2]]
        assert matching, f"not found: line {line}: {words}\n{told}"
        told.remove(matching[0])
    assert told == [], f"found besides, in:\n{text}"


@settings(deadline=None)
@given(corpora())
def test_what_passes_is_a_kickstart_that_the_installer_takes(corpus: tuple[str, list[tuple[int, str, str]]]) -> None:
    text, expected = corpus
    if any(severity == E for _, severity, _ in expected) or any("reboot " in line for line in text.split("\n")):
        return
    kept = ImageSettings(
        "installer", "8.0.3", kickstart=text, accept_eula=True, root_password_mode="hash", root_password_hash=HASH
    )
    merged = host_kickstart(kept, HOST)
    files = {
        "/esxforge/run/rootpw.cfg": f"rootpw --iscrypted {HASH}\n",
        "/esxforge/run/install.cfg": "install --disk=naa.1 --overwritevmfs\n",
        "/tmp/more": "",
    }
    seen = read("ks.cfg", merged.data, lambda path: files[path].encode())
    ignored = [one for one in seen.errors if 'unknown command "lang"' not in one and '"autopart"' not in one]
    assert ignored == [], merged.data.decode()
    assert [command.name for command in seen.commands].count("install") == 1
    assert seen.sections[0].text.rstrip().endswith("installer.pre || exit 1")
