"""Golden builds with the virtual machine played: what it is given, and what becomes of each way in which it can end."""

from __future__ import annotations

import gzip
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from esxforge.checks.computer import ThisComputer
from esxforge.errors import ForgeError, OutputError, ProcessError, RecipeError
from esxforge.events import Event, Notice
from esxforge.image import golden
from esxforge.image.golden import GoldenOptions, NotCapturedError, build_golden_image
from esxforge.image.image_files import BuildResult
from esxforge.image.verify import verify_image
from esxforge.recipe.load import load_recipe
from esxforge.vm.accelerator import KvmProbe, KvmState
from esxforge.vm.diagnosis import Ending, FailureEvidence, diagnose
from esxforge.vm.failure import FailureReport, MachineFailedError
from esxforge.vm.hardware import Accelerator, Chipset, Machine, NetworkCard
from esxforge.vm.phases import Phase
from esxforge.vm.unattended import Limits, run_until_power_off
from esxforge_target.contract.document import VERSION
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.formats.kickstart import Kickstart
from esxforge_target.formats.tar_module import read
from esxforge_target.runtime.blocks import FileBlocks, Window
from standin import installed
from unit.vm.fake_qemu import put_on_path

HASH = "$6$saltsalt$" + "a" * 86
MIB = 1 << 20
GIB = 1 << 30
WISHES = {
    "8.0": installed.InstalledLayout(size=400 * MIB),
    "6.7": installed.InstalledLayout("6.7.0", "6.7.0-3.73.14320388", size=400 * MIB),
}


class GoodComputer(ThisComputer):
    """Has whatever a golden build needs."""

    def processors(self) -> int:
        return 4

    def memory(self) -> tuple[int, int] | None:
        return 64 * GIB, 64 * GIB

    def free_disk(self, directory: Path) -> int | None:
        return 100 * GIB

    def program_version(self, name: str) -> str | None:
        return "8.2.1"

    def kvm(self) -> KvmProbe:
        return KvmProbe(KvmState.MISSING, "there is no /dev/kvm")


class PoorComputer(GoodComputer):
    """Has none of it."""

    def memory(self) -> tuple[int, int] | None:
        return GIB, GIB

    def program_version(self, name: str) -> str | None:
        return None


@dataclass
class Played:
    """The virtual machine: ``plays`` is called with its blank disk; what it was given is kept."""

    plays: Callable[[Path], None]
    machine: Machine | None = None
    limits: Limits | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    cfg: BootCfg | None = None
    blank: list[str] = field(default_factory=list)
    directory: Path | None = None
    serial: str = ""

    def __call__(self, machine: Machine, directory: Path, limits: Limits, **_: Any) -> FailureReport:
        self.machine, self.limits, self.directory = machine, limits, directory
        with FileBlocks(str(machine.usb_disks[0].path)) as medium:
            volume = FatVolume(Window(medium, *read_table(medium).table.byte_range(1)))
            module = gzip.decompress(volume.read_file("ESXFORGE.TGZ"))
            self.files = {entry.name: entry.data for entry in read(module)}
            self.cfg = BootCfg.parse(volume.read_file("EFI/BOOT/BOOT.CFG"))
        with FileBlocks(str(machine.disks[0].path)) as disk:
            table = read_table(disk).table
            assert table.partitions == ()
            self.blank.append(str(table.disk_guid))
        self.plays(machine.disks[0].path)
        evidence = FailureEvidence(Ending.POWERED_OFF, self.serial, exit_status=0, phase=Phase.INSTALLER)
        return FailureReport(evidence, diagnose(evidence), "qemu-system-x86_64 -name golden", directory, 1.0)


def installs(layout: installed.InstalledLayout) -> Callable[[Path], None]:
    """An installer that leaves this."""

    def play(disk: Path) -> None:
        disk.unlink()
        installed.make(disk, layout)

    return play


@dataclass
class Bench:
    """Builds, with one part played."""

    directory: Path
    iso: Callable[[str], Path]
    patch: pytest.MonkeyPatch
    told: list[Event] = field(default_factory=list)

    def build(
        self,
        played: Callable[..., FailureReport],
        release: str = "8.0",
        computer: ThisComputer | None = None,
        options: GoldenOptions | None = None,
        **recipe: Any,
    ) -> BuildResult:
        self.patch.setattr(golden, "run_until_power_off", played)
        self.patch.setenv("TMPDIR", str(self.directory / "work"))
        self.patch.setattr("tempfile.tempdir", None)
        (self.directory / "work").mkdir(exist_ok=True)
        complete = {"install": {"accept_eula": True}, "root_password": {"hash": HASH}, **recipe}
        image = {"kind": "golden", **recipe.get("image", {})}
        return build_golden_image(
            self.iso(release),
            load_recipe(None, {**complete, "image": image}),
            options or GoldenOptions(self.directory / "image.dd.gz", accelerator=Accelerator.TCG),
            self.told.append,
            computer or GoodComputer(),
        )

    @property
    def left(self) -> list[str]:
        """What stands in the directory of temporary files."""
        return sorted(path.name for path in (self.directory / "work").iterdir())


@pytest.fixture
def bench(tmp_path: Path, iso_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench."""
    return Bench(tmp_path, iso_of, monkeypatch)


@pytest.mark.parametrize("release", ["8.0", "6.7"])
def test_what_the_installer_leaves_becomes_an_image(release: str, bench: Bench) -> None:
    played = Played(installs(WISHES[release]))
    result = bench.build(played, release)
    verified = verify_image(result.image, bench.told.append)
    assert verified.manifest.kind == "golden"
    details = result.document["details"]
    assert details["iso"]["name"] == f"esxi-{release}.iso"
    assert details["vibs"]
    assert details["golden"]["life"] == "never-started"
    assert details["recipe"]["image"]["kind"] == "golden"
    assert bench.left == []
    assert played.machine is not None
    assert played.machine.chipset is (Chipset.PC if release == "6.7" else Chipset.Q35)
    assert [nic.card for nic in played.machine.nics] == [NetworkCard.E1000 if release == "6.7" else NetworkCard.VMXNET3]
    assert (played.machine.usb_disks[0].boot_index, played.machine.disks[0].boot_index) == (0, 1)


def test_the_medium_installs_by_itself_to_the_stamped_disk_and_powers_off(bench: Bench, tmp_path: Path) -> None:
    own = tmp_path / "ks.cfg"
    own.write_text(
        "vmaccepteula\nrootpw esX-forge-Test1x\ninstall --firstdisk --ignoreprereqwarnings\nreboot\n"
        "network --bootproto=static --ip=10.0.0.9 --netmask=255.0.0.0\n"
        "%post --interpreter=busybox\necho the user's\n%firstboot --interpreter=busybox\necho first\n"
    )
    played = Played(installs(WISHES["8.0"]))
    result = bench.build(
        played, install={"kickstart": str(own), "kernel_options": ["allowLegacyCPU=false"]}, root_password={}
    )
    kickstart = Kickstart.parse(played.files["esxforge/ks.cfg"])
    names = [command.name for command in kickstart.commands]
    assert "reboot" not in names
    assert names.count("network") == names.count("rootpw") == 1
    assert "%include" in played.files["esxforge/ks.cfg"].decode()
    text = played.files["esxforge/ks.cfg"].decode()
    order = [text.index(part) for part in ("golden_pre", "echo the user's", "poweroff")]
    assert order == sorted(order)
    build = json.loads(played.files["esxforge/golden.json"])
    assert build == {"version": VERSION, "disk_guid": played.blank[0], "install_options": ["--ignoreprereqwarnings"]}
    assert played.cfg is not None
    assert {"runweasel", "ks=file:///esxforge/ks.cfg", "systemMediaSize=min", "tty2Port=com1"} <= set(
        played.cfg.kernelopt
    )
    assert [word for word in played.cfg.kernelopt if word.startswith("allowLegacyCPU")] == ["allowLegacyCPU=false"]
    assert any(isinstance(event, Notice) and "reboot is left out" in event.text for event in bench.told)
    settings = _settings_of(result.image, tmp_path)
    assert settings["root_password_mode"] == "hash"
    assert settings["root_password_hash"].startswith("$6$")
    assert "esX-forge-Test1x" not in json.dumps(settings)


def test_the_users_scripts_run_guarded_and_their_failure_ends_the_build(bench: Bench, tmp_path: Path) -> None:
    own = tmp_path / "ks.cfg"
    own.write_text(
        "vmaccepteula\nrootpw esX-forge-Test1x\n%include /tmp/more\n"
        "%pre --interpreter=busybox\necho >/tmp/more\n%post --interpreter=busybox\npoweroff\n"
    )
    played = Played(installs(WISHES["8.0"]))
    bench.build(played, install={"kickstart": str(own)}, root_password={})
    text = played.files["esxforge/ks.cfg"].decode()
    assert "%include /tmp/more" in text
    parts = (
        "golden_pre",
        "user_script %pre 4 busybox 0 guarded strict",
        "user_script %post 6 busybox 0 guarded strict",
        "includes guarded strict",
        "poweroff -f",
    )
    order = [text.index(part) for part in parts]
    assert order == sorted(order)


def _settings_of(image: Path, tmp_path: Path) -> dict[str, Any]:
    plain = tmp_path / "plain"
    with gzip.open(image) as packed, plain.open("wb") as out:
        out.write(packed.read(110 * MIB))
    settings: dict[str, Any] = json.loads(installed.get(plain, 64 * 512, "curtin/settings.json"))
    return settings


def test_files_of_the_recipe_are_said_to_be_there_for_the_installer_alone(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "driver.vib").write_bytes(b"x")
    played = Played(installs(WISHES["8.0"]))
    bench.build(played, files=[{"source": str(tmp_path / "driver.vib"), "path": "drivers/driver.vib"}])
    assert played.cfg is not None
    assert "/esxfiles.tgz" in [module.name for module in played.cfg.modules]
    (notice,) = [event for event in bench.told if isinstance(event, Notice) and event.text.startswith("files: ")]
    assert notice.warning
    assert "drivers/driver.vib: the installer in the virtual machine alone has them" in notice.text


def test_a_random_password_is_drawn_for_the_build_and_kept_by_nobody(bench: Bench, tmp_path: Path) -> None:
    played = Played(installs(WISHES["8.0"]))
    result = bench.build(played, root_password={"random": True})
    (rootpw,) = [
        command for command in Kickstart.parse(played.files["esxforge/ks.cfg"]).commands if command.name == "rootpw"
    ]
    assert rootpw.words[0] == "--iscrypted"
    assert rootpw.words[1].startswith("$6$")
    settings = _settings_of(result.image, tmp_path)
    assert (settings["root_password_mode"], settings["root_password_hash"]) == ("random", "")


def test_a_restart_once_the_disk_is_written_ends_the_build(bench: Bench) -> None:
    played = Played(installs(WISHES["8.0"]))
    bench.build(played, golden={"timeout": 7})
    assert played.limits is not None
    assert not played.limits.restart_after_writing
    assert played.limits.seconds == 420
    assert played.limits.silent < 10**5


def test_what_nobody_can_see_is_not_called_never_started(bench: Bench) -> None:
    result = bench.build(Played(installs(installed.InstalledLayout(size=400 * MIB, state="encrypted"))))
    told = result.document["details"]["golden"]
    assert told["life"] == "unknown"
    assert "SSH host keys and the host's certificate" in told["shared_by_all_hosts"]
    (notice,) = [event for event in bench.told if isinstance(event, Notice) and "it is unknown whether" in event.text]
    assert notice.warning


def nothing(_: Path) -> None:
    """An installer that powers off without having done anything."""


def another_release(disk: Path) -> None:
    installs(installed.InstalledLayout("7.0.3", "7.0.3-0.55.20328353", size=400 * MIB))(disk)


def started(disk: Path) -> None:
    installs(installed.InstalledLayout(size=400 * MIB, state=installed.STARTED_FILES))(disk)


@pytest.mark.parametrize(
    ("plays", "said"),
    [
        (nothing, "ESXi was not installed"),
        (another_release, "7.0.3-0.55.20328353 is on the virtual disk, 8.0.3"),
        (started, "was started before the machine powered off"),
    ],
)
def test_what_is_no_fresh_install_gives_no_image_and_is_kept(
    plays: Callable[[Path], None], said: str, bench: Bench
) -> None:
    with pytest.raises(NotCapturedError, match=said) as caught:
        bench.build(Played(plays))
    assert not list(bench.directory.glob("image*"))
    (kept,) = bench.left
    assert (bench.directory / "work" / kept / "disk.raw").exists()
    assert caught.value.hint


def test_an_installer_that_installs_nothing_is_told_with_all_that_was_seen(bench: Bench) -> None:
    asked = "The selected disk is too small"
    for said, cause in (
        ("", "The system in it switched it off before its work was done"),
        (asked, "The disk is too small"),
    ):
        played = Played(nothing, serial=said)
        with pytest.raises(NotCapturedError) as caught:
            bench.build(played)
        assert played.directory is not None
        for part in (f"Most likely: {cause}", said, "qemu-system-x86_64 -name golden", str(played.directory)):
            assert part in caught.value.message
        assert (played.directory / "installer.raw").exists()
    assert "32 GiB from 7.0" in caught.value.hint


def test_an_install_is_not_lost_where_the_image_cannot_be_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("No space left for image.dd.gz.", "Free some space.")

    monkeypatch.setattr(golden, "capture", full)
    with pytest.raises(NotCapturedError, match="No space left") as caught:
        bench.build(Played(installs(WISHES["8.0"])))
    (kept,) = bench.left
    disk = bench.directory / "work" / kept / "disk.raw"
    assert f"esxforge capture {disk} -o {bench.directory / 'image.dd.gz'}" in caught.value.hint
    assert disk.exists()


def test_the_command_that_rescues_an_install_asks_for_what_the_build_did(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("No space left.", "")

    monkeypatch.setattr(golden, "capture", full)
    secret = tmp_path / "root's password"
    secret.write_text("esX-forge-Test1x\n")
    secret.chmod(0o600)
    options = GoldenOptions(
        tmp_path / "my image.raw", overwrite=True, accelerator=Accelerator.TCG, config=tmp_path / "esxforge.toml"
    )
    given: dict[str, dict[str, Any]] = {"random": {"random": True}, "file": {"file": str(secret)}, "hash": {}}
    for password, flags in (
        ("random", ["--root-password-random"]),
        ("file", ["--root-password-file", str(secret)]),
        ("hash", []),
    ):
        with pytest.raises(NotCapturedError) as caught:
            bench.build(
                Played(installs(WISHES["8.0"])),
                options=options,
                image={"format": "raw"},
                root_password=given[password] or {"hash": HASH},
            )
        words = shlex.split(caught.value.hint.partition("Then: ")[2])
        config = ["--config", str(options.config)]
        assert words[:2] == ["esxforge", "capture"]
        assert words[3:] == ["-o", str(options.output), *config, *flags, "--format", "raw", "--force"]
        assert HASH not in caught.value.hint


def test_a_qemu_that_refuses_to_start_leaves_the_files_that_its_command_line_names(bench: Bench) -> None:
    put_on_path(bench.directory / "bin", bench.patch, refuses="cannot set up guest memory: Cannot allocate memory")
    with pytest.raises(MachineFailedError, match="not enough free memory") as caught:
        bench.build(run_until_power_off)
    (kept,) = bench.left
    directory = bench.directory / "work" / kept
    for name in ("disk.raw", "installer.raw"):
        assert (directory / name).exists()
        assert str(directory / name) in caught.value.message


def test_a_machine_that_fails_otherwise_or_is_interrupted_leaves_nothing(bench: Bench) -> None:
    for error in (KeyboardInterrupt(), ForgeError("QEMU is gone.")):

        def play(_: Path, error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)):
            bench.build(
                Played(play),
                options=GoldenOptions(bench.directory / "image.dd.gz", accelerator=Accelerator.TCG, keep=True),
            )
        assert bench.left == []


def test_the_work_directory_stays_where_that_is_asked_for(bench: Bench) -> None:
    options = GoldenOptions(bench.directory / "image.dd.gz", accelerator=Accelerator.TCG, keep=True)
    bench.build(Played(installs(WISHES["8.0"])), options=options)
    assert len(bench.left) == 1
    assert any(isinstance(event, Notice) and bench.left[0] in event.text for event in bench.told)


def never(*_: object, **__: object) -> FailureReport:
    """A virtual machine that must not be started."""
    raise AssertionError("the machine was started")


def test_all_that_is_missing_is_told_before_anything_starts(bench: Bench) -> None:
    with pytest.raises(ProcessError) as caught:
        bench.build(never, computer=PoorComputer())
    for name in ("Memory", "qemu-system-x86_64", "qemu-img"):
        assert name in caught.value.message
    assert "doctor --kind golden" in caught.value.hint
    assert bench.left == []


def test_without_kvm_the_slow_way_must_be_asked_for(bench: Bench) -> None:
    with pytest.raises(ProcessError, match="Hardware virtualisation") as caught:
        bench.build(never, options=GoldenOptions(bench.directory / "image.dd.gz"))
    assert "--accel tcg" in caught.value.message


def test_mistakes_are_told_before_anything_starts(bench: Bench, tmp_path: Path) -> None:
    (bench.directory / "image.dd.gz").write_bytes(b"x")
    with pytest.raises(OutputError, match="exists already"):
        bench.build(never)
    (bench.directory / "image.dd.gz").unlink()
    with pytest.raises(RecipeError, match="512 bytes"):
        bench.build(never, image={"sector_size": 4096})
    with pytest.raises(RecipeError, match="licence"):
        bench.build(never, install={})
    own = tmp_path / "ks.cfg"
    own.write_text("vmaccepteula\nrootpw esX-forge-Test1x\nupgrade --firstdisk\n")
    with pytest.raises(ForgeError, match="line 3: upgrade: a machine"):
        bench.build(never, install={"kickstart": str(own)}, root_password={})


def test_a_build_by_legacy_bios_is_refused_before_anything_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="starts by UEFI only") as caught:
        build_golden_image(tmp_path / "absent.iso", load_recipe(None, {}), GoldenOptions(uefi=False), print)
    assert "“esxforge capture”" in caught.value.hint
    assert caught.value.place == "--firmware"


def test_a_disk_too_small_for_the_release_is_told_before_anything_starts(bench: Bench) -> None:
    for size in (1, 7):
        with pytest.raises(RecipeError, match=rf"disk_size: {size} GiB are too few for ESXi 8.0.3") as caught:
            bench.build(never, golden={"disk_size": size})
    assert "--disk-size 8 at least" in caught.value.hint
    bench.build(Played(installs(WISHES["6.7"])), "6.7", golden={"disk_size": 1})


def test_a_directory_where_a_companion_of_the_image_goes_is_told_before_anything_starts(bench: Bench) -> None:
    options = GoldenOptions(bench.directory / "image.dd.gz", accelerator=Accelerator.TCG, sbom=True, overwrite=True)
    for ending in ("manifest", "sbom"):
        directory = bench.directory / f"image.dd.gz.{ending}.json"
        directory.mkdir()
        with pytest.raises(OutputError, match=rf"{ending}\.json is a directory"):
            bench.build(never, options=options)
        directory.rmdir()


def test_options_for_golden_images_need_that_kind() -> None:
    command = [sys.executable, "-m", "esxforge", "build", "x.iso", "--disk-size", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--kind golden" in done.stderr
