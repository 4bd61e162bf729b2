from __future__ import annotations

import base64
import gzip
import re
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esxforge_target.cloud_data.actions import ActionPlan, AddKeys, RunCommand, RunScript, SetPasswordHash, WriteFile
from esxforge_target.cloud_data.plans import plan_user_data, plan_vendor_data

DATA = Path(__file__).parents[2] / "data" / "maas-http" / "metadata-service-3.6.5.txt"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here"
HASH = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
SERVERS = ("--server=10.0.0.2", "--server=ntp.ubuntu.com", "--enabled=true")


def real_vendor_data() -> bytes:
    text = DATA.read_text().split("### latest/meta-data/vendor-data")[1].split("\n", 1)[1].split("\n### ")[0]
    return text.encode()


def config(text: str) -> bytes:
    return b"#cloud-config\n" + text.encode()


def test_what_maas_really_sends_is_understood() -> None:
    plan = plan_vendor_data(real_vendor_data(), (8, 0))
    assert plan.actions[-1] == RunCommand(("esxcli", "system", "ntp", "set", *SERVERS))
    assert plan.problems == ()
    assert plan.notices == (), "snap is sent to every machine: nobody asked for it"
    assert yaml.safe_load(plan.vcenter)["vcenter_server"] == "vc.example.com"
    assert not any(isinstance(action, WriteFile) for action in plan.actions)


def test_ntp_of_old_releases_is_a_file_and_a_service() -> None:
    plan = plan_vendor_data(real_vendor_data(), (6, 7))
    conf = plan.actions[0]
    assert isinstance(conf, WriteFile)
    assert conf.path == "/etc/ntp.conf"
    assert conf.content.endswith(b"server 10.0.0.2\nserver ntp.ubuntu.com\n")
    assert plan.actions[2:] == (RunCommand(("chkconfig", "ntpd", "on")), RunCommand(("/etc/init.d/ntpd", "restart")))


def test_vendor_data_cannot_run_commands() -> None:
    plan = plan_vendor_data(b'cloud-init: "#cloud-config\\nruncmd: [reboot]\\nchpasswd: {list: [a]}\\n"\n', (8, 0))
    assert plan.actions == ()
    assert "'chpasswd', 'runcmd'" in plan.notices[0]


@pytest.mark.parametrize("data", [b"", b"\n", b"{}\n", b"cloud-init:\n", b'cloud-init: ""\n'])
def test_empty_vendor_data_asks_for_nothing(data: bytes) -> None:
    assert plan_vendor_data(data, (8, 0)) == ActionPlan()


def test_every_supported_key_becomes_its_actions_in_order() -> None:
    plan = plan_user_data(
        config(
            f"""
runcmd: [echo one, [touch, "/tmp/two words"], null]
write_files: [{{path: /etc/motd, content: hello}}]
ntp: {{servers: [fd00::1]}}
chpasswd: {{expire: false, users: [{{name: root, password: '{HASH}', type: hash}}]}}
ssh_authorized_keys: ['{KEY}']
hostname: short
fqdn: esx01.example.com
"""
        ),
        (7, 0),
    )
    assert plan.problems == ()
    assert plan.actions == (
        RunCommand(("esxcli", "system", "hostname", "set", "--fqdn=esx01.example.com")),
        AddKeys((KEY,)),
        SetPasswordHash("root", HASH),
        RunCommand(("esxcli", "network", "firewall", "ruleset", "set", "-r", "ntpClient", "-e", "true")),
        RunCommand(("esxcli", "system", "ntp", "set", "--server=fd00::1", "--enabled=true")),
        WriteFile("/etc/motd", b"hello", 0o644),
        RunScript("runcmd", "sh", (), b"#!/bin/sh\necho one\n'touch' '/tmp/two words'\n"),
    )


@pytest.mark.parametrize(
    ("line", "interpreter", "options"),
    [
        ("#!/bin/sh", "sh", ()),
        ("#! /bin/sh -eu", "sh", ("-eu",)),
        ("#!/bin/ash\r", "sh", ()),
        ("#!/usr/bin/env sh", "sh", ()),
        ("#!/usr/bin/env -S python3 -u", "python", ("-u",)),
        ("#!/bin/python", "python", ()),
        ("#!/usr/bin/python3.8", "python", ()),
    ],
)
def test_a_script_names_its_interpreter(line: str, interpreter: str, options: tuple[str, ...]) -> None:
    content = line.encode() + b"\necho x\n"
    assert plan_user_data(content, (8, 0)).actions == (RunScript("user-data", interpreter, options, content),)


@pytest.mark.parametrize(
    "line", ["#!/bin/bash", "#!/usr/bin/perl", "#!", "#!/usr/bin/env", "#!/usr/bin/python2.7", "#!/bin/\xff"]
)
def test_an_interpreter_that_esxi_lacks_is_named(line: str) -> None:
    plan = plan_user_data(line.encode("latin-1") + b"\n", (8, 0))
    assert plan.actions == ()
    assert "which ESXi does not have" in plan.problems[0]


def multipart(*parts: tuple[str, str]) -> bytes:
    message = MIMEMultipart()
    for subtype, text in parts:
        message.attach(MIMEText(text, subtype))
    return message.as_bytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_multipart_has_configuration_first_then_scripts(pack: type[bytes]) -> None:
    data = multipart(
        ("x-shellscript", "#!/bin/sh\necho 1\n"),
        ("cloud-config", "hostname: esx02\n"),
        ("x-include-url", "#include\nhttp://example.com/\n"),
        ("x-shellscript", "#!/usr/bin/python3\nprint(2)\n"),
    )
    plan = plan_user_data(pack(data), (8, 0))
    assert [type(action).__name__ for action in plan.actions] == ["RunCommand", "RunScript", "RunScript"]
    assert [action.interpreter for action in plan.actions if isinstance(action, RunScript)] == ["sh", "python"]
    assert plan.problems == ("part 3 of user-data is of a kind that only cloud-init knows (#include); it was left.",)


@pytest.mark.parametrize(
    "encoding", ["b64", "base64", "gz", "gzip", "gz+b64", "gzip+base64", "GZIP+B64", "", "text/plain"]
)
def test_write_files_decodes(encoding: str) -> None:
    desired = b"\x00binary \xff" if encoding not in ("", "text/plain") else "plain ü".encode()
    content = gzip.compress(desired) if encoding.lower().startswith("gz") else desired
    if "64" in encoding:
        content = base64.b64encode(content)
    elif encoding.startswith("gz"):
        content = b"!!binary " + base64.b64encode(content)
    text = yaml.safe_dump({"path": "/store/x", "encoding": encoding, "content": "@"}).replace("'@'", content.decode())
    plan = plan_user_data(config("write_files:\n- " + text.replace("\n", "\n  ")), (8, 0))
    assert plan == ActionPlan((WriteFile("/store/x", desired, 0o644),))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{content: x}", "no path"),
        ("{path: [], content: x}", "no path"),
        ("{path: relative, content: x}", "not absolute"),
        ("{path: /a/../etc/x, content: x}", "'..'"),
        ("{path: '/a\\u0000', content: x}", "'/a"),
        ('{path: "/a\\0b", content: x}', "control characters"),
        ("{path: /etc/, content: x}", "is a directory"),
        ("{path: /dev/disks/naa.1, content: x}", "is a device"),
        ("{path: //vmfs//devices/disks/x, content: x}", "is a device"),
        ("{path: /x, content: [1]}", "neither text nor binary"),
        ("{path: /x, content: x, encoding: rot13}", "'rot13' is unknown"),
        ("{path: /x, content: '***', encoding: b64}", "not base64"),
        ("{path: /x, content: 'YWJj', encoding: gz+b64}", "not a complete gzip"),
        ("{path: /x, content: x, permissions: rwx}", "not an octal mode"),
        ("{path: /x, content: x, permissions: 99999}", "not an octal mode"),
        ("{path: /x, content: x, permissions: true}", "not an octal mode"),
        ("{path: /x, content: x, append: 'yes, please'}", "neither true nor false"),
        ("just text", "not a mapping"),
    ],
)
def test_a_bad_file_is_named_and_the_others_written(entry: str, said: str) -> None:
    plan = plan_user_data(config(f"write_files: [{{path: /store/a, content: a}}, {entry}]"), (8, 0))
    if said == "'/a":  # a backslash in single quotes is a backslash
        assert len(plan.actions) == 2
        return
    assert plan.actions == (WriteFile("/store/a", b"a", 0o644),)
    assert plan.problems[0].startswith("write_files entry 2 was left: ")
    assert said in plan.problems[0]


def test_modes_and_owners_are_read_as_cloud_init_does() -> None:
    plan = plan_user_data(
        config(
            "write_files:\n- {path: /a, permissions: '0600', owner: nobody:nobody}\n- {path: /b, permissions: 0755}\n"
            "- {path: /c, permissions: '4755', mystery: 1}\n- {path: /d, append: true}\n"
        ),
        (8, 0),
    )
    assert [action.mode for action in plan.actions if isinstance(action, WriteFile)] == [0o600, 0o755, 0o755, -1]
    assert [notice.split(": ", 1)[0] for notice in plan.notices] == [
        "write_files entry 1",
        "write_files entry 3",
        "write_files entry 3",
    ]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)
BAD = {
    "alias bomb": (config(BOMB), "grows to more than 50000 values"),
    "merge bomb": (config(MERGE_BOMB), "grows to more than 50000 values"),
    "cycle": (config("a: &a [*a]\n"), "nested more than 40 levels"),
    "deep flow": (config("[" * 5000), "nested too deeply"),
    "deep but whole": (config("[" * 60 + "]" * 60), "nested more than 40 levels"),
    "10 MB": (config("x: " + "y" * 10_000_000), "bytes long; at most"),
    "2 MB of YAML": (config("x: " + "y" * 2_000_000), "at most 1048576 are read as YAML"),
    "gzip bomb": (gzip.compress(b"#!/bin/sh\n" + b"\x00" * 20_000_000), "unpacks to more than 8388608"),
    "cut gzip": (gzip.compress(b"#!/bin/sh\n")[:-4], "cut short"),
    "binary": (bytes(range(256)), "neither a script"),
    "binary script": (b"#!/bin/sh\n\x00\x01", "binary data"),
    "not UTF-8": (b"#cloud-config\nx: \xff\xfe\n", "byte 17 is not UTF-8"),
    "half a character": (config('write_files: [{path: /x, content: "\\uD800"}]\n'), "half a character"),
    "half a command": (config('runcmd: ["echo \\uDFFF"]\n'), "half a character"),
    "control characters": (b"#cloud-config\nx: \x01\n", "not YAML"),
    "list": (config("- a\n"), "not a mapping"),
    "text": (config("just text\n"), "not a mapping"),
    "object": (config("x: !!python/object/apply:os.system [reboot]\n"), "not YAML that can be read"),
    "no bool": (config("x: !!bool maybe\n"), "tagged as bool is none (line 2, column 4)"),
    "no int": (config("x: !!int ''\n"), "tagged as int is none"),
    "no date": (config("x: !!timestamp x\n"), "tagged as timestamp is none"),
    "a mapping as bool": (config("x: !!bool {=: maybe}\n"), "tagged as bool is none"),
    "bad date": (config("x: 2001-99-99\n"), "not YAML"),
    "long number": (config("x: " + "9" * 100_000), "a number of 100000 digits"),
    "base 60": (config("x: " + "1:" * 50_000 + "1"), "a number of"),
    "unhashable key": (config("? [a]\n: b\n"), "not YAML that can be read"),
    "unclosed": (config("x: 'abc\n"), "not YAML that can be read"),
    "empty multipart": (b"Content-Type: multipart/mixed\n\n", "cannot be separated"),
    "many parts": (multipart(*[("plain", "x")] * 65), "more than 64 parts"),
    "html": (b"<html>502 Bad Gateway</html>", "neither a script"),
    "boothook": (b"#cloud-boothook\n#!/bin/sh\n", "only cloud-init knows"),
    "template": (b"## template: jinja\n#cloud-config\n", "only cloud-init knows"),
    "archive": (b"#cloud-config-archive\n", "only cloud-init knows"),
    "runcmd text": (config("runcmd: reboot\n"), "not a list of commands"),
    "runcmd mapping": (config("runcmd: [{a: b}]\n"), "command 1 is neither"),
    "clear password": (config("chpasswd: {list: ['root:Secret-1']}\n"), "not a hash"),
    "typed password": (config("chpasswd: {users: [{name: root, password: x, type: text}]}\n"), "not given as a hash"),
    "random password": (config("chpasswd: {users: [{name: root, type: RANDOM}]}\n"), "not given as a hash"),
    "user injection": (config(f"chpasswd: {{list: ['root\\nx:{HASH}']}}\n"), "no usable name"),
    "ntp text": (config("ntp: {servers: pool.ntp.org}\n"), "not a list of names"),
    "ntp list": (config("ntp: [a]\n"), "not a mapping"),
    "ntp injection": (config('ntp: {servers: ["a\\nrestrict default"]}\n'), "neither a host name"),
    "ntp option": (config('ntp: {servers: ["--reset"]}\n'), "neither a host name"),
    "host option": (config("hostname: --domain=x\n"), "not a host name"),
    "host list": (config("hostname: [a]\n"), "not a host name"),
    "keys that are none": (config("ssh_authorized_keys: ['MAAS is not reachable']\n"), "no SSH public key"),
    "keys mapping": (config("ssh_authorized_keys: {a: b}\n"), "not a list of keys"),
    "files mapping": (config("write_files: {a: b}\n"), "not a list"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_and_nothing_is_done(name: str) -> None:
    data, said = BAD[name]
    plan = plan_user_data(data, (8, 0))
    assert plan.actions == ()
    assert len(plan.problems) == 1
    assert said in plan.problems[0]
    assert len(plan.problems[0]) < 300
    assert "Secret-1" not in repr(plan)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"- a\n", "not a mapping"),
        (b'cloud-init: "\\uD800"', "half a character"),
        (b"cloud-init: 5\n", "is not text"),
        (b"\xff", "not UTF-8"),
        (b'cloud-init: "[a"\n', "YAML"),
    ],
)
def test_bad_vendor_data_is_named(data: bytes, said: str) -> None:
    plan = plan_vendor_data(data, (8, 0))
    assert plan.actions == ()
    assert said in plan.problems[0]


def test_one_bad_key_does_not_stop_the_others() -> None:
    plan = plan_user_data(config("hostname: [a]\nruncmd: [date]\nswap: {size: 1}\n"), (8, 0))
    assert [type(action) for action in plan.actions] == [RunScript]
    assert "'swap'" in plan.notices[0]


def test_what_is_secret_is_not_printed() -> None:
    plan = plan_user_data(
        config(f"chpasswd: {{list: ['root:{HASH}']}}\nwrite_files: [{{path: /x, content: hunter2}}]\n"), (8, 0)
    )
    assert "hunter2" not in repr(plan)
    assert HASH not in repr(plan)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["ntp", "write_files", "runcmd", "chpasswd", "hostname", "fqdn", "ssh_authorized_keys", "x"])


@settings(deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=5), st.sampled_from([(6, 5), (7, 0), (9, 0)]))
def test_no_value_of_any_shape_escapes_as_an_exception(value: dict[str, object], release: tuple[int, int]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    plan = plan_user_data(config(text), release)
    vendor = yaml.safe_dump({"cloud-init": text}).encode()
    assert isinstance(plan_vendor_data(vendor, release), ActionPlan)
    for action in plan.actions:
        if isinstance(action, RunCommand):
            assert all(re.fullmatch(r"[ -~]+", word) for word in action.arguments)


@settings(deadline=None)
@example(b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\n--x--")
@example(b'cloud-init: "\\uD800"')
@given(
    st.binary(max_size=300)
    | st.text(max_size=100).map(lambda text: b"#cloud-config\n" + text.encode("utf-8", "replace"))
)
def test_no_bytes_escape_as_an_exception(data: bytes) -> None:
    assert isinstance(plan_user_data(data, (8, 0)), ActionPlan)
    assert isinstance(plan_vendor_data(data, (8, 0)), ActionPlan)
