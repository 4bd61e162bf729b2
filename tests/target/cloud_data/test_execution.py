from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from esxforge_target.cloud_data.actions import ActionPlan, AddKeys, RunCommand, RunScript, SetPasswordHash, WriteFile
from esxforge_target.cloud_data.execution import Host, apply_plan
from esxforge_target.cloud_data.files import HostFiles
from esxforge_target.cloud_data.plans import plan_user_data
from esxforge_target.runtime.commands import TIMED_OUT, ProcessRunner, Result, Runner
from standin.maas_metadata import VirtualClock

HASH = "$6$salt$" + "x" * 86


class Recorder(Runner):
    """Writes down commands; ``results`` by the first word."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, ...]] = []
        self.results: dict[str, Result] = {}

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        self.ran.append(tuple(arguments))
        return self.results.get(arguments[0], Result(0))


class Bench:
    """A host in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log: list[str] = []
        self.runner = Recorder()
        self.clock = VirtualClock()
        for directory in ("etc/ssh/keys-root", "tmp", "store"):
            (root / directory).mkdir(parents=True)

    def host(self, runner: Runner | None = None) -> Host:
        return Host(HostFiles(str(self.root)), runner or self.runner, self.log.append, self.clock, sys.executable)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_files_are_written_with_their_modes(bench: Bench) -> None:
    outcome = apply_plan(
        ActionPlan((WriteFile("/store/new/a", b"x", 0o640), WriteFile("/bootbank/b", b"y"))), bench.host()
    )
    assert (bench.root / "store/new/a").read_bytes() == b"x"
    assert stat.S_IMODE((bench.root / "store/new/a").stat().st_mode) == 0o640
    assert outcome.problems == outcome.notices == ()


def test_appending_keeps_what_is_there(bench: Bench) -> None:
    (bench.root / "store/a").write_bytes(b"1\n")
    (bench.root / "store/a").chmod(0o600)
    apply_plan(
        ActionPlan((WriteFile("/store/a", b"2\n", -1, True), WriteFile("/store/b", b"2\n", -1, True))), bench.host()
    )
    assert (bench.root / "store/a").read_bytes() == b"1\n2\n"
    assert [stat.S_IMODE((bench.root / "store" / name).stat().st_mode) for name in "ab"] == [0o600, 0o644]


def test_what_esxi_forgets_is_said(bench: Bench) -> None:
    kept = bench.root / "etc/ntp.conf"
    kept.write_bytes(b"")
    kept.chmod(0o1644)
    writes = tuple(WriteFile(path, b"x") for path in ("/etc/ntp.conf", "/etc/new", "/opt/x", "/vmfs/volumes/d/x"))
    outcome = apply_plan(ActionPlan(writes), bench.host())
    assert [notice.split(" ")[0] for notice in outcome.notices] == ["/etc/new", "/opt/x"]
    assert "forgets it at the next reboot" in "\n".join(bench.log)


def test_a_file_that_esxi_backs_up_stays_the_same_file(bench: Bench) -> None:
    kept = bench.root / "etc/ntp.conf"
    kept.write_bytes(b"something longer than what follows")
    kept.chmod(0o1644)
    before = kept.stat().st_ino
    apply_plan(ActionPlan((WriteFile("/etc/ntp.conf", b"short", 0o600),)), bench.host())
    assert kept.read_bytes() == b"short"
    assert kept.stat().st_ino == before
    assert stat.S_IMODE(kept.stat().st_mode) == 0o1600


@pytest.mark.parametrize("sticky", [False, True], ids=["moved into place", "rewritten"])
@pytest.mark.parametrize("call", ["write", "ftruncate", "fsync"])
def test_a_full_disk_leaves_the_former_content(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, sticky: bool, call: str
) -> None:
    target = bench.root / "etc/x"
    target.write_bytes(b"former")
    target.chmod(0o1644 if sticky else 0o644)
    real = getattr(os, call)
    failures = [1]

    def fail_once(descriptor: int, *rest: object) -> object:
        if failures and Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(bench.root):
            failures.pop()
            if call == "write":
                real(descriptor, b"ha")
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, *rest)

    monkeypatch.setattr(os, call, fail_once)
    plan = ActionPlan((WriteFile("/etc/x", b"half of something new"), WriteFile("/store/y", b"y")))
    outcome = apply_plan(plan, bench.host())
    assert failures == []
    assert outcome.problems == ("writing /etc/x failed: No space left on device.",)
    assert target.read_bytes() == b"former"
    assert bench.files() == {"etc/x", "store/y"}


def test_a_directory_in_the_way_is_named(bench: Bench) -> None:
    outcome = apply_plan(
        ActionPlan((WriteFile("/store", b"x"), WriteFile("/store/a/b", b""), WriteFile("/store/a/b/c", b""))),
        bench.host(),
    )
    assert len(outcome.problems) == 2
    assert bench.files() == {"store/a/b"}


def test_keys_are_added_once_and_others_kept(bench: Bench) -> None:
    keys = bench.root / "etc/ssh/keys-root/authorized_keys"
    keys.write_text("ssh-rsa OLD owner")
    for _ in range(2):
        apply_plan(ActionPlan((AddKeys(("ssh-rsa OLD owner", "ssh-ed25519 NEW me")),)), bench.host())
    assert keys.read_text() == "ssh-rsa OLD owner\nssh-ed25519 NEW me\n"


def test_keys_of_a_fresh_host_are_private(bench: Bench) -> None:
    apply_plan(ActionPlan((AddKeys(("ssh-ed25519 NEW me",)),)), bench.host())
    assert stat.S_IMODE((bench.root / "etc/ssh/keys-root/authorized_keys").stat().st_mode) == 0o600


def test_a_password_hash_replaces_only_its_field(bench: Bench) -> None:
    shadow = bench.root / "etc/shadow"
    shadow.write_text("root:*:13358:0:99999:7:::\nnobody:*:1::::::\nvpxuser:!:1::::::\n")
    shadow.chmod(0o1640)
    plan = ActionPlan((SetPasswordHash("root", HASH), SetPasswordHash("ghost", HASH)))
    outcome = apply_plan(plan, bench.host())
    assert shadow.read_text() == f"root:{HASH}:13358:0:99999:7:::\nnobody:*:1::::::\nvpxuser:!:1::::::\n"
    assert stat.S_IMODE(shadow.stat().st_mode) == 0o1640
    assert outcome.problems == ("the password of ghost was not changed: there is no such account.",)
    assert HASH not in "\n".join(bench.log)


def test_a_failed_command_is_named_and_the_rest_is_done(bench: Bench) -> None:
    bench.runner.results["esxcli"] = Result(1, "", "Unable to\nset NTP")
    plan = ActionPlan((RunCommand(("esxcli", "system", "ntp")), RunCommand(("chkconfig", "ntpd", "on"))))
    outcome = apply_plan(plan, bench.host())
    assert outcome.problems == ("the command esxcli system ntp ended with 1: Unable to set NTP",)
    assert outcome.done == plan.actions[1:]


@pytest.mark.parametrize(
    ("content", "printed"),
    [
        (b'#!/bin/sh\necho "hello $#"; echo loud >&2', ["| hello 0", "| loud"]),
        (b"#!/usr/bin/python3\nprint(1 + 1)\n", ["| 2"]),
    ],
)
def test_a_script_runs_and_its_output_is_logged(bench: Bench, content: bytes, printed: list[str]) -> None:
    outcome = apply_plan(plan_user_data(content, (8, 0)), bench.host(ProcessRunner()))
    assert outcome.problems == ()
    assert [line for line in bench.log if line.startswith("|")] == printed
    assert bench.files() == set()


def test_a_failing_script_is_named_with_its_status(bench: Bench) -> None:
    outcome = apply_plan(plan_user_data(b"#!/bin/sh -e\nfalse\nexit 0\n", (8, 0)), bench.host(ProcessRunner()))
    assert outcome.problems == ("user-data (sh) ended with 1; its output is in the log.",)


def test_commands_run_as_one_shell_script(bench: Bench) -> None:
    text = "#cloud-config\nruncmd:\n- [echo, 'a b', \"it's $HOME\", 5]\n- cd /\n- pwd\n"
    apply_plan(plan_user_data(text.encode(), (8, 0)), bench.host(ProcessRunner()))
    assert bench.log[-2:] == ["| a b it's $HOME 5", "| /"]


def test_a_program_left_in_the_background_does_not_hold_the_agent(bench: Bench, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)  # the background program lives until this test opens the other end
    script = f"#!/bin/sh\n(read line < {fifo}) &\necho started\n".encode()
    outcome = apply_plan(ActionPlan((RunScript("user-data", "sh", (), script),)), bench.host(ProcessRunner()))
    fifo.write_text("\n")
    assert outcome.problems == ()
    assert "| started" in bench.log


def test_a_script_that_never_ends_is_ended(bench: Bench) -> None:
    bench.runner.results["sh"] = Result(TIMED_OUT)
    outcome = apply_plan(plan_user_data(b"#!/bin/sh\nread x\n", (8, 0)), bench.host(), seconds=60)
    assert outcome.problems == ("user-data (sh) was ended after 60 seconds.",)
    assert bench.files() == set()


def test_a_real_script_that_never_ends_is_ended(bench: Bench, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"#!/bin/sh\necho before\nexec 3< {fifo}\n".encode()
    outcome = apply_plan(ActionPlan((RunScript("x", "sh", (), script),)), bench.host(ProcessRunner()), seconds=0.3)
    assert "was ended after 0.3 seconds" in outcome.problems[0]
    assert "| before" in bench.log


def test_what_the_time_limit_leaves_undone_is_named(bench: Bench) -> None:
    plan = ActionPlan((RunCommand(("a",)), RunCommand(("b",))))

    class Slow(Recorder):
        def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
            bench.clock.sleep(100)
            return Result(0)

    outcome = apply_plan(plan, bench.host(Slow()), seconds=50)
    assert outcome.done == plan.actions[:1]
    assert outcome.problems == ("the command b was left: the time limit of 50 s is over.",)


def test_the_problems_of_the_plan_reach_the_log(bench: Bench) -> None:
    outcome = apply_plan(plan_user_data(b"\x00", (8, 0)), bench.host())
    assert len(outcome.problems) == 1
    assert bench.log == ["problem: " + outcome.problems[0]]


def test_a_failure_is_told_with_what_it_means_for_the_status(bench: Bench) -> None:
    bad = apply_plan(plan_user_data(b"#cloud-config\nhostname: [a]\nruncmd: x\n", (8, 0)), bench.host())
    assert bad.failure("user-data").startswith("user-data: 2 parts of it failed; the machine stays Deployed. hostname")
    assert apply_plan(ActionPlan(), bench.host()).failure("user-data") == ""
