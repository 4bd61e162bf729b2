"""Kickstart files as the stand-in's installer reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standin.system.kickstart import Kickstart, read, read_sections

WHOLE = "vmaccepteula\nrootpw --iscrypted $6$a$b\ninstall --disk=mpx.vmhba0:C0:T0:L0\nreboot\n"


def parsed(text: str, files: dict[str, str] | None = None) -> Kickstart:
    def include(path: str) -> bytes:
        if path not in (files or {}):
            raise FileNotFoundError(2, "No such file or directory")
        return (files or {})[path].encode()

    return read("ks.cfg", text.encode(), include)


def test_a_whole_kickstart_has_no_errors() -> None:
    found = parsed(WHOLE + "network --bootproto=static --ip=10.0.0.2 --netmask 255.0.0.0 --device=vmnic0\n")
    assert (found.errors, found.warnings) == ([], [])
    network = found.command("network")
    assert network is not None
    assert network.options["--netmask"] == "255.0.0.0"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hello\n", 'error:ks.cfg:line 1: unknown command "hello"'),
        ("install --disk=a --firstdisk\n", "exactly one of --disk and --firstdisk"),
        ("install\n", "exactly one of --disk and --firstdisk"),
        ("install --disk=a --overwritevfms\n", "unknown option --overwritevfms"),
        ("install --disk=a --overwritevmfs=yes\n", "--overwritevmfs takes no value"),
        ("rootpw\n", "rootpw: 1 argument(s) desired, 0 given"),
        ("rootpw --iscrypted secret\n", "not a crypted password"),
        ("rootpw short\n", "7 to 39 characters"),
        ("network --bootproto=static --ip=10.0.0.2\n", "needs --netmask"),
        ("network --bootproto=dhcp --ip=10.0.0.2\n", "takes no addresses"),
        ("network --vlanid=4096\n", "not between 0 and 4095"),
        ("install --disk='a\n", "No closing quotation"),
        ("%include /absent\n", "cannot open /absent: No such file or directory"),
        ("%pre --interpreter=perl\n", "unknown interpreter perl"),
        ("%post --timeot=3\n", "unknown option --timeot"),
        ("%firstboot now\n", "unexpected now"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, complaint: str) -> None:
    found = parsed(text)
    assert any(complaint in error for error in found.errors), found.errors


@pytest.mark.parametrize("line", WHOLE.splitlines()[:3])
def test_what_every_installation_needs_is_missed(line: str) -> None:
    assert len(parsed(WHOLE.replace(line + "\n", "")).errors) == 1


def test_includes_count_as_if_they_stood_there_and_may_be_absent_before_pre_has_run() -> None:
    text = "vmaccepteula\n%include /tmp/more\nreboot\n%pre --interpreter=busybox\necho hi\n%include is the script's\n"
    before = read_sections("ks.cfg", text.encode())
    assert [(one.kind, one.interpreter, one.text) for one in before.sections] == [
        ("%pre", "busybox", "echo hi\n%include is the script's\n")
    ]
    assert before.errors == []
    found = parsed(text, {"/tmp/more": "rootpw --iscrypted $1$a$b\ninstall --firstdisk=local,usb --overwritevmfs\n"})
    assert found.errors == []
    install = found.command("install")
    assert install is not None
    assert install.options == {"--firstdisk": "local,usb", "--overwritevmfs": ""}
    assert install.place == "/tmp/more:line 2"


def test_bytes_that_are_no_utf_8_stop_it_and_accents_in_a_command_are_a_warning() -> None:
    found = read("ks.cfg", WHOLE.encode() + "# caf\u00e9\n".encode("latin-1"), lambda path: b"")
    assert "not UTF-8" in found.errors[0]
    assert parsed(WHOLE + "# caf\u00e9\n%post\necho caf\u00e9\n").warnings == []
    assert len(parsed(WHOLE + "keyboard caf\u00e9\n").warnings) == 1


def test_sections_keep_their_order_and_busybox_is_their_usual_interpreter() -> None:
    found = parsed(WHOLE + "%post\nprint(1)\n%firstboot --interpreter=busybox\ntrue\n%post --ignorefailure=true\nx\n")
    assert [one.interpreter for one in found.scripts("%post")] == ["busybox", "busybox"]
    assert found.scripts("%post")[1].options == {"--ignorefailure": "true"}
    assert len(found.scripts("%firstboot")) == 1


def test_a_command_given_twice_warns_and_the_last_one_counts() -> None:
    found = parsed(WHOLE + "install --disk=other\n")
    assert found.errors == []
    assert len(found.warnings) == 1
    install = found.command("install")
    assert install is not None
    assert install.options["--disk"] == "other"


@given(st.text(max_size=300))
def test_no_input_ends_in_a_traceback(text: str) -> None:
    parsed(text)
