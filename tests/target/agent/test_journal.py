"""The journal survives what a power cut does to a file that is being appended to."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from esxforge_target.agent.journal import NAME, Journal
from esxforge_target.agent.log import Log, mask
from esxforge_target.agent.system import System
from esxforge_target.agent.undo import FIREWALL, IDENTITY, NETWORK, STORAGE, Undo
from esxforge_target.runtime.blocks import DiskError
from esxforge_target.runtime.commands import Result, Runner
from standin.maas_metadata import VirtualClock


@pytest.fixture
def system(tmp_path: Path) -> System:
    (tmp_path / "bootbank").mkdir()
    return System(str(tmp_path))


def reopened(system: System) -> Journal:
    return Journal(system, "/bootbank")


def test_what_was_added_is_there_again(system: System) -> None:
    journal = reopened(system)
    journal.add("boot", number=1)
    journal.add("failed", reason="two\nlines and \u00fc")
    assert reopened(system).records == journal.records
    assert reopened(system).last("failed") == {"kind": "failed", "reason": "two\nlines and \u00fc"}
    assert reopened(system).last("none") is None


def test_a_line_that_was_cut_short_anywhere_is_dropped_and_the_next_one_is_whole(system: System) -> None:
    journal = reopened(system)
    journal.add("boot", number=1)
    path = Path(system.locate("/bootbank/" + NAME))
    first = len(path.read_bytes())
    journal.add("boot", number=2)
    whole = path.read_bytes()
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        again = reopened(system)
        assert [record["number"] for record in again.records] == [1]
        again.add("boot", number=3)
        assert [record["number"] for record in reopened(system).records] == [1, 3]


def test_a_damaged_line_ends_what_is_believed(system: System) -> None:
    journal = reopened(system)
    for number in (1, 2, 3):
        journal.add("boot", number=number)
    path = Path(system.locate("/bootbank/" + NAME))
    path.write_bytes(path.read_bytes().replace(b'"number": 2', b'"number": 7'))
    assert [record["number"] for record in reopened(system).records] == [1]


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "change", "number": 1, "about": "network", "commands": ["x"], "files": []}',
        '{"kind": "change", "number": 1, "about": "network", "commands": [], "files": [{"path": "/x", "content": "A"}]}',  # noqa: E501
        '{"kind": "committed", "numbers": 1}',
        '{"kind": "boot", "number": 1e400}',
        '{"kind": "boot", "number": 1, "kind": "boot"}',
        '{"kind": ["boot"]}',
        "[" * 100_000,
    ],
)
def test_a_record_that_is_none_of_ours_ends_what_is_believed(system: System, text: str) -> None:
    reopened(system).add("boot", number=1)
    path = Path(system.locate("/bootbank/" + NAME))
    first = path.read_bytes()
    path.write_bytes(first + f"{zlib.crc32(text.encode()):08x} {text}\n".encode())
    assert [record["number"] for record in reopened(system).records] == [1]
    assert path.read_bytes() == first


def test_a_full_bank_is_an_error_before_a_change_and_a_notice_after_the_last_one(system: System) -> None:
    journal = reopened(system)
    Path(system.locate("/bootbank")).rmdir()
    with pytest.raises(DiskError, match="journal"):
        journal.add("boot", number=1)
    assert "journal" in journal.note("outcome", text="all is well")
    assert journal.last("outcome") == {"kind": "outcome", "text": "all is well"}


def test_a_line_that_a_full_bank_took_in_part_does_not_spoil_the_next_one(system: System) -> None:
    journal = reopened(system)
    journal.add("boot", number=1)
    whole = system.bank_files.append

    def half(path: str, data: bytes) -> None:
        whole(path, data[:9])
        raise OSError(28, "No space left on device")

    system.bank_files.append = half  # type: ignore[method-assign]
    assert "No space left" in journal.note("saved")
    system.bank_files.append = whole  # type: ignore[method-assign]
    journal.add("deployed")
    assert [record["kind"] for record in reopened(system).records] == ["boot", "deployed"]
    assert journal.note_alone("outcome") == ""


def test_the_log_of_a_talkative_host_stays_small_with_its_beginning_and_its_end(system: System) -> None:
    log = Log(system)
    log.open("/bootbank")
    path = Path(system.locate("/bootbank/esxforge.log"))
    for number in range(8000):
        log.say("line {} {}".format(number, "x" * 100))
        assert number % 100 or path.stat().st_size <= 513 * 1024
    text = path.read_text()
    assert " line 0 x" in text
    assert "lines are left out here" in text
    assert text.endswith("x\n")
    assert " line 7999 x" in text


def test_what_is_taken_back_is_forgotten_only_once_it_is_saved_but_on_disks_at_once(system: System) -> None:
    undo = Undo(system, reopened(system), Log(system))
    undo.before(NETWORK, (("true",),))
    undo.before(STORAGE, (("true",),))
    undo.before(IDENTITY, (), (("/etc/x", b"before"),))
    undo.before(FIREWALL, (("true",),))
    assert undo.roll_back(NETWORK, STORAGE, IDENTITY) == []
    assert Path(system.locate("/etc/x")).read_bytes() == b"before"
    again = Undo(system, reopened(system), Log(system))
    assert [change.about for change in again.changes] == [NETWORK, IDENTITY, FIREWALL]
    again.commit(NETWORK, IDENTITY)
    last = Undo(system, reopened(system), Log(system))
    assert [change.about for change in last.changes] == [FIREWALL]


class Programs(Runner):
    """Commands end with what ``status`` says of their words; ``ran`` has them all."""

    def __init__(self) -> None:
        self.status: Callable[[str], int] = lambda words: 0
        self.ran: list[str] = []

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        self.ran.append(" ".join(arguments))
        return Result(self.status(self.ran[-1]), "", "Operation failed.")


def test_what_could_not_be_taken_back_is_tried_again_with_all_that_is_older(tmp_path: Path) -> None:
    (tmp_path / "bootbank").mkdir()
    programs = Programs()
    system = System(str(tmp_path), runner=programs, clock=VirtualClock())
    undo = Undo(system, reopened(system), Log(system))
    for number in (1, 2, 3):
        undo.before(IDENTITY, (("set", str(number)),))
    undo.before(STORAGE, (("delete", "partition"),))
    programs.status = lambda words: int(words == "set 2")
    (problem,) = undo.roll_back(IDENTITY, STORAGE)
    assert problem == "set 2 ended with 1: Operation failed."
    assert programs.ran == ["delete partition", "set 3", "set 2", "set 2", "set 1"]
    programs.status = lambda words: 0
    programs.ran.clear()
    assert undo.roll_back(IDENTITY, STORAGE) == []
    assert programs.ran == ["set 2", "set 1"]  # the oldest has the last word; a partition is not deleted twice
    assert undo.roll_back(IDENTITY, STORAGE) == []
    assert undo.is_open(IDENTITY)
    assert not undo.is_open(STORAGE)


def test_what_finds_nothing_to_take_back_at_a_boot_is_done_with(tmp_path: Path) -> None:
    (tmp_path / "bootbank").mkdir()
    programs = Programs()
    programs.status = lambda words: 1
    system = System(str(tmp_path), runner=programs, clock=VirtualClock())
    undo = Undo(system, reopened(system), Log(system))
    undo.before(IDENTITY, (("set", "1"),))
    undo.roll_back(IDENTITY, quiet=True)
    assert programs.ran == ["set 1", "set 1"], "ESXi may have been busy, and refuse what it takes a moment later"
    assert undo.changes == []
    assert undo.is_open(IDENTITY)


def test_a_phase_that_is_over_does_not_stop_taking_back(tmp_path: Path) -> None:
    (tmp_path / "bootbank").mkdir()
    programs = Programs()
    system = System(str(tmp_path), runner=programs, clock=VirtualClock())
    undo = Undo(system, reopened(system), Log(system))
    undo.before(IDENTITY, (("set", "1"),))
    system.until(system.clock.monotonic() - 1)
    assert undo.roll_back(IDENTITY) == []
    assert programs.ran == ["set 1"]
    assert system.is_over()


def test_the_log_masks_secrets_wherever_they_come_from(system: System) -> None:
    log = Log(system)
    log.open("/bootbank")
    log.hide(mask("hunter22"))
    log.say("esxcli said: hunter22")
    log.announce("hunter22\nagain")
    text = Path(system.locate("/bootbank/esxforge.log")).read_text()
    assert "hunter22" not in text
    assert text.count("***") == 2
    assert log.tail(30) == text[-len(log.tail(30)) :]


def test_an_old_log_keeps_its_end(system: System) -> None:
    path = Path(system.locate("/bootbank/esxforge.log"))
    path.write_text("a line\n" * 100_000 + "the last line\n")
    log = Log(system)
    log.open("/bootbank")
    assert path.stat().st_size <= 128 * 1024
    assert path.read_text().startswith("a line\n")
    assert path.read_text().endswith("the last line\n")
