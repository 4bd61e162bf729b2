"""Kickstarts: read as the installer reads them, kept as written, merged in the documented order."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge_target.formats.kickstart import Kickstart, Section
from esxforge_target.formats.kickstart_merge import Additions, kept_install_options, merge
from esxforge_target.runtime.errors import FormatError

HASH = "$6$saltsalt$" + "a" * 86
USER = f"""# our hosts
accepteula
rootpw --iscrypted '{HASH}'   # secret
install --firstdisk=local --preservevmfs --ignoreprereqwarnings --dpuPciSlots=0000:01:00.0

network --bootproto=dhcp
keyboard 'US Default'
%pre --interpreter=busybox
echo "user's pre"
%post --interpreter=python --timeout=20 --ignorefailure=true
  %post is not a section when blanks stand before it
print('#')
%include /tmp/more
serialnum --esx=00000-00000-00000-00000-00000
%firstboot --interpreter=busybox
echo first
"""
OURS = Additions(
    include="/tmp/esxforge-install",
    network="network --bootproto=dhcp --device=00:11:22:33:44:55 --addvmportgroup=0",
    commands=["reboot", "keyboard Swiss"],
    first=["%pre --interpreter=python\nprint('ours first')\n"],
    last=["%post --interpreter=python\nprint('ours last')"],
)


def test_commands_have_line_numbers_names_and_words() -> None:
    kickstart = Kickstart.parse(USER.encode())
    assert [(command.line, command.name) for command in kickstart.commands] == [
        (2, "vmaccepteula"),
        (3, "rootpw"),
        (4, "install"),
        (6, "network"),
        (7, "keyboard"),
        (13, "%include"),
        (14, "vmserialnum"),
    ]
    rootpw, keyboard = kickstart.named("rootpw")[0], kickstart.named("keyboard")[0]
    assert (rootpw.options, rootpw.arguments) == ([("--iscrypted", None)], [HASH])
    assert keyboard.arguments == ["US Default"]


def test_sections_end_where_the_installer_ends_them() -> None:
    kickstart = Kickstart.parse(USER.encode())
    assert [(section.line, section.name, dict(section.options)) for section in kickstart.sections] == [
        (8, "%pre", {"--interpreter": "busybox"}),
        (10, "%post", {"--interpreter": "python", "--timeout": "20", "--ignorefailure": "true"}),
        (15, "%firstboot", {"--interpreter": "busybox"}),
    ]
    assert kickstart.sections[1].body.endswith("print('#')\n")


def test_a_script_line_that_starts_with_include_ends_the_section() -> None:
    kickstart = Kickstart.parse(b"%pre\nincluded=1\necho\n")
    assert kickstart.sections[0].body == ""
    assert [command.name for command in kickstart.commands] == ["included=1", "echo"]


@pytest.mark.parametrize("data", [USER.encode(), USER.replace("\n", "\r\n").encode(), b"", b"\n", b"reboot", b"%pre"])
def test_what_was_read_is_written_byte_for_byte(data: bytes) -> None:
    assert Kickstart.parse(data).to_bytes() == data


def test_an_unclosed_quote_is_kept_as_a_problem() -> None:
    (command,) = Kickstart.parse(b"rootpw 'abc\n").commands
    assert command.problem == "no closing quotation"


def test_bytes_that_are_no_text_are_refused_with_the_line() -> None:
    with pytest.raises(FormatError, match=r"^kickstart line 2: it has a byte that is no text"):
        Kickstart.parse(b"reboot\nroot\x00pw\n")


def test_the_merged_kickstart_in_full() -> None:
    merged, notices = merge(Kickstart.parse(USER.encode()), OURS)
    assert (
        merged.decode()
        == f"""# our hosts
accepteula
rootpw --iscrypted '{HASH}'   # secret
# line 4 of your kickstart, install, is replaced by esxforge

# line 6 of your kickstart, network, is replaced by esxforge
keyboard 'US Default'
%include /tmp/more
serialnum --esx=00000-00000-00000-00000-00000
network --bootproto=dhcp --device=00:11:22:33:44:55 --addvmportgroup=0
%include /tmp/esxforge-install
reboot
%pre --interpreter=python
print('ours first')
%pre --interpreter=busybox
echo "user's pre"
%post --interpreter=python --timeout=20 --ignorefailure=true
  %post is not a section when blanks stand before it
print('#')
%firstboot --interpreter=busybox
echo first
%post --interpreter=python
print('ours last')
"""
    )
    assert notices == [
        "kickstart line 4: install is replaced: esxforge installs to the boot disk that MAAS chose.",
        "kickstart line 6: network is replaced: the network is the one that MAAS has for this machine.",
    ]


def test_a_password_of_the_recipe_replaces_the_users_without_showing_it() -> None:
    ours = OURS.replace(rootpw="rootpw --iscrypted $6$new")
    merged, notices = merge(Kickstart.parse(USER.encode()), ours)
    assert HASH not in merged.decode()
    assert merged.count(b"rootpw --iscrypted") == 1
    assert "kickstart line 3: rootpw is replaced: root's password is the one that the build was given." in notices
    assert not any("$6$" in notice for notice in notices)


def test_without_a_kickstart_of_the_users_ours_stands_alone() -> None:
    merged, notices = merge(None, OURS.replace(accept_eula=True, rootpw="rootpw --iscrypted x", last=[], first=[]))
    assert merged.decode().splitlines() == [
        "vmaccepteula",
        "rootpw --iscrypted x",
        "network --bootproto=dhcp --device=00:11:22:33:44:55 --addvmportgroup=0",
        "%include /tmp/esxforge-install",
        "reboot",
        "keyboard Swiss",
    ]
    assert notices == []


def test_windows_line_ends_do_not_reach_busybox() -> None:
    merged, _ = merge(Kickstart.parse(USER.replace("\n", "\r\n").encode()), OURS)
    assert b"\r" not in merged


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rootpw x\n", "kickstart: VMware's licence agreement is not accepted."),
        ("vmaccepteula\n", "kickstart: there is no root password."),
        (
            "vmaccepteula\nrootpw x\nupgrade --firstdisk\n",
            "kickstart line 3: upgrade cannot be used here: a machine that MAAS deploys is always installed afresh.",
        ),
        ("vmaccepteula\nrootpw x\nkeyboard é\n", "kickstart: line 3 of the merged one is not ASCII."),
        (
            "vmaccepteula\nrootpw x\n%include /x\n" + "%include /y\n" * 250,
            "kickstart: it has 258 commands with what esxforge adds; ESXi's installer takes 256.",
        ),
    ],
)
def test_what_cannot_be_merged(text: str, message: str) -> None:
    with pytest.raises(FormatError) as refusal:
        merge(Kickstart.parse(text.encode()), OURS.replace(commands=["reboot"]))
    assert refusal.value.message == message


def test_options_of_the_users_install_line_that_stay() -> None:
    assert kept_install_options(Kickstart.parse(USER.encode())) == [
        "--ignoreprereqwarnings",
        "--dpuPciSlots=0000:01:00.0",
    ]
    assert kept_install_options(None) == []


LINES = st.one_of(
    st.sampled_from(["rootpw x", "%pre --interpreter=busybox", "%post", "include /x", "# c", "", "vmaccepteula"]),
    st.text("ab%'\"\\# -=\r\t\fé", max_size=25),
)


@given(st.lists(LINES, max_size=15), st.booleans())
def test_any_text_round_trips(lines: list[str], ended: bool) -> None:
    data = ("\n".join(lines) + ("\n" if ended else "")).encode()
    kickstart = Kickstart.parse(data)
    assert kickstart.to_bytes() == data
    numbers = [item.line for item in kickstart.items]
    assert numbers == sorted(numbers)


@given(st.lists(LINES.filter(str.isascii), max_size=15))
def test_merging_keeps_every_script_of_the_users(lines: list[str]) -> None:
    user = Kickstart.parse("\n".join(["vmaccepteula", "rootpw x", *lines, ""]).encode())
    merged = Kickstart.parse(merge(user, OURS)[0])
    ours_first, *middle, ours_last = merged.sections
    assert (ours_first.body, ours_last.body) == ("print('ours first')\n", "print('ours last')\n")

    def plain(section: Section) -> tuple[str, str]:
        return section.text.strip(), re.sub("\r+\n", "\n", section.body).rstrip("\n")

    assert [plain(section) for section in middle] == [plain(section) for section in user.sections]


@given(st.binary(max_size=200))
def test_garbage_ends_in_a_format_error_or_a_kickstart(data: bytes) -> None:
    try:
        kickstart = Kickstart.parse(data)
    except FormatError:
        return
    assert kickstart.to_bytes() == data
