"""The check list: every line in every state, on a computer made up for the purpose."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from esxforge.checks.computer import Computer, ThisComputer
from esxforge.checks.report import CheckStatus, Line, document, missing
from esxforge.checks.requirements import CHECKS, DoctorOptions, Kind, check_computer
from esxforge.errors import RecipeError
from esxforge.vm.accelerator import KvmProbe, KvmState

GIB = 1 << 30
GOLDEN = DoctorOptions(Kind.GOLDEN)


@dataclass(frozen=True)
class MadeUp:
    """A computer on which all is well, unless something is said otherwise."""

    python: tuple[int, int] = (3, 12)
    name: str = "Linux"
    machine: str = "x86_64"
    cores: int = 4
    sizes: tuple[int, int] | None = (16 * GIB, 12 * GIB)
    disk: int | None = 100 * GIB
    versions: dict[str, str] = field(default_factory=lambda: {"qemu-system-x86_64": "8.2.1", "qemu-img": "8.2.1"})
    ovmf: str | None = "/firmware/code.fd"
    probe: KvmProbe = field(default_factory=lambda: KvmProbe(KvmState.WORKS))
    ignoring: bool | None = True

    def python_version(self) -> tuple[int, int]:
        return self.python

    def system(self) -> str:
        return self.name

    def architecture(self) -> str:
        return self.machine

    def processors(self) -> int:
        return self.cores

    def memory(self) -> tuple[int, int] | None:
        return self.sizes

    def free_disk(self, directory: Path) -> int | None:
        return self.disk

    def temporary_directory(self) -> Path:
        return Path("/temporary")

    def program_version(self, name: str) -> str | None:
        return self.versions.get(name)

    def firmware(self) -> str | None:
        return self.ovmf

    def kvm(self) -> KvmProbe:
        return self.probe

    def ignores_unknown_msrs(self) -> bool | None:
        return self.ignoring


def _line(computer: Computer, name: str, wish: DoctorOptions = GOLDEN) -> Line:
    return next(entry for entry in check_computer(computer, wish) if entry.name == name)


@pytest.mark.parametrize("kind", Kind)
def test_a_good_computer_lacks_nothing_and_nothing_is_to_be_fixed(kind: Kind) -> None:
    lines = check_computer(MadeUp(), DoctorOptions(kind))
    assert len(lines) == len(CHECKS[kind])
    assert all(entry.status is CheckStatus.OK and not entry.hint for entry in lines)
    assert document(kind.value, lines)["ok"] is True


PROGRAMS = {"qemu-system-x86_64": "8.2.1", "qemu-img": "8.2.1"}


@pytest.mark.parametrize(
    ("computer", "name", "status", "found", "hint"),
    [
        (MadeUp(python=(3, 9)), "Python", CheckStatus.MISSING, "3.9", "newer Python"),
        (MadeUp(name="Darwin"), "System", CheckStatus.MISSING, "Darwin", "GNU/Linux"),
        (MadeUp(machine="aarch64"), "Architecture", CheckStatus.MISSING, "aarch64", "x86_64"),
        (MadeUp(cores=1), "Processor cores", CheckStatus.MISSING, "1", "two cores"),
        (MadeUp(sizes=(7 * GIB, 7 * GIB)), "Memory", CheckStatus.MISSING, "7.0 GiB", "more memory"),
        (MadeUp(sizes=(16 * GIB, 7 * GIB)), "Memory", CheckStatus.ADVICE, "7.0 GiB of it free", "Close"),
        (MadeUp(sizes=None), "Memory", CheckStatus.ADVICE, "unknown", "Make sure"),
        (MadeUp(disk=9 * GIB), "Free disk for the output", CheckStatus.MISSING, "9.0 GiB", "--output"),
        (MadeUp(disk=None), "Free disk for the output", CheckStatus.MISSING, "is not there", "Create it"),
        (MadeUp(disk=9 * GIB), "Free disk for the work", CheckStatus.MISSING, "/temporary", "TMPDIR"),
        (MadeUp(versions={}), "qemu-system-x86_64", CheckStatus.MISSING, "not installed", "qemu-system-x86"),
        (MadeUp(versions={}), "qemu-img", CheckStatus.MISSING, "not installed", "qemu-utils"),
        (MadeUp(versions=PROGRAMS | {"qemu-img": "4.2.1"}), "qemu-img", CheckStatus.MISSING, "4.2.1", "newer QEMU"),
        (MadeUp(versions=PROGRAMS | {"qemu-img": ""}), "qemu-img", CheckStatus.ADVICE, "unknown", "--version"),
        (MadeUp(versions=PROGRAMS | {"qemu-img": "6.2.0"}), "qemu-img", CheckStatus.OK, "6.2.0", ""),
        (MadeUp(versions=PROGRAMS | {"qemu-img": "10.0"}), "qemu-img", CheckStatus.OK, "10.0", ""),
        (MadeUp(ovmf=None), "UEFI firmware (OVMF)", CheckStatus.MISSING, "not found", "ovmf"),
        (MadeUp(ignoring=False), "KVM ignores unknown MSRs", CheckStatus.ADVICE, "no", "ignore_msrs"),
        (MadeUp(ignoring=None), "KVM ignores unknown MSRs", CheckStatus.ADVICE, "unknown", "ignore_msrs"),
    ],
)
def test_what_is_wrong_is_told_with_the_way_out(
    computer: MadeUp, name: str, status: CheckStatus, found: str, hint: str
) -> None:
    line = _line(computer, name)
    assert line.status is status
    assert found in line.found
    assert hint in line.hint
    assert line.needed


@pytest.mark.parametrize("state", [state for state in KvmState if state is not KvmState.WORKS])
def test_kvm_is_needed_unless_the_slow_way_is_desired(state: KvmState) -> None:
    computer = MadeUp(probe=KvmProbe(state, "the detail"))
    line = _line(computer, "Hardware virtualisation")
    assert line.status is CheckStatus.MISSING
    assert "the detail" in line.found
    assert "--accel tcg" in line.hint
    assert _line(computer, "Hardware virtualisation", replace(GOLDEN, without_kvm=True)).status is CheckStatus.ADVICE


def test_older_releases_need_less_memory() -> None:
    small = MadeUp(sizes=(5 * GIB, 5 * GIB))
    assert _line(small, "Memory", replace(GOLDEN, release="6.7")).status is CheckStatus.OK
    assert _line(small, "Memory", replace(GOLDEN, release="7.0")).status is CheckStatus.MISSING


def test_an_installer_image_needs_no_qemu_and_little_disk() -> None:
    poor = MadeUp(versions={}, ovmf=None, probe=KvmProbe(KvmState.MISSING), cores=1, name="Darwin", disk=2 * GIB)
    assert not missing(check_computer(poor, DoctorOptions(Kind.INSTALLER)))


def test_doctor_says_what_hosts_start_each_kind_of_image_by() -> None:
    name = "Hosts start the image by"
    assert _line(MadeUp(), name, DoctorOptions(Kind.INSTALLER)).found == "UEFI"
    assert "legacy BIOS where" in _line(MadeUp(), name).found


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(RecipeError):
        check_computer(MadeUp(), replace(GOLDEN, release="4"))


def test_the_document_says_all_that_the_lines_say() -> None:
    lines = check_computer(MadeUp(cores=1), GOLDEN)
    told = document("golden", lines)
    assert told["ok"] is False
    bad = next(entry for entry in told["checks"] if entry["name"] == "Processor cores")
    assert bad == {
        "name": "Processor cores",
        "found": "1",
        "needed": "2",
        "status": "missing",
        "hint": "ESXi needs two cores: use another computer.",
    }


def test_this_computer_answers_every_question(tmp_path: Path) -> None:
    computer = ThisComputer()
    assert computer.python_version() >= (3, 10)
    assert computer.processors() >= 1
    sizes = computer.memory()
    assert sizes is None or sizes[0] >= sizes[1] > 0
    assert (computer.free_disk(tmp_path) or 0) > 0
    assert computer.free_disk(tmp_path / "none") is None
    assert computer.program_version("no-such-program") is None
    assert computer.program_version("false") is None
    assert computer.temporary_directory().is_dir()
    assert computer.ignores_unknown_msrs() in (True, False, None)
    assert computer.system()
    assert computer.architecture()
