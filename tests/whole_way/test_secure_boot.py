"""With Secure Boot on: loaders signed with Debian's snakeoil key, and each way in which the installed host may start.

What the stand-in does proves the hook's checks and what is told; what ESXi does stays open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from esxforge.deployment.secure_boot import secure_boot_outcome
from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.recipe.load import load_recipe
from esxforge.vm.hardware import Ovmf
from esxforge_target.contract.secure_boot_steps import TRIED
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.runtime.blocks import FileBlocks, Window
from standin.signing import SNAKEOIL, signed, snakeoil
from standin.system.iso import make_bootable_iso, make_bootable_program
from standin.system.unknown_modules import ACCEPT, OPTION, REFUSE, STOPPED, UNRUN
from whole_way import order
from whole_way.checks import check_deployed, check_left_nothing
from whole_way.conftest import ROOT_PASSWORD_HASH, PutUp
from whole_way.deployer import Deployer
from whole_way.host import Boot
from whole_way.laboratory import AGENT_IS_DONE, AGENT_STARTS, GATEWAY, Laboratory

pytestmark = [pytest.mark.vm, pytest.mark.slow]
CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd")
ADDRESS = "10.0.0.100"
BANK = 5


@pytest.fixture
def signed_image(tmp_path: Path) -> Path:
    """An image that tries Secure Boot, with a loader that the snakeoil key signed."""
    program, iso, image = tmp_path / "BOOTX64.EFI", tmp_path / "esxi.iso", tmp_path / "esxi.dd.gz"
    make_bootable_program(program, release="8.0")
    program.write_bytes(signed(program.read_bytes(), snakeoil(tmp_path), tmp_path))
    make_bootable_iso(iso, release="8.0", program=program)
    recipe = load_recipe(
        None,
        {"install": {"accept_eula": True, "secure_boot": "try"}, "root_password": {"hash": ROOT_PASSWORD_HASH}},
    )
    build_installer_image(iso, recipe, BuildOptions(image), lambda event: None)
    iso.unlink()
    return image


@pytest.fixture
def signed_deployer(deployer: Deployer, tmp_path: Path) -> Deployer:
    """The Linux that plays curtin, which must be signed, too."""
    kernel = tmp_path / "vmlinuz"
    kernel.write_bytes(signed(deployer.kernel.read_bytes(), snakeoil(tmp_path), tmp_path))
    return Deployer(kernel, deployer.initrd)


@contextmanager
def started(lab: Laboratory, name: str, dial: str) -> Iterator[Boot]:
    """The installed host, with the dial for unknown modules put into its bank."""
    with FileBlocks(str(lab.host.disk(0)), True) as disk:
        volume = FatEditor(Window(disk, *read_table(disk).table.byte_range(BANK)))
        cfg = BootCfg.parse(volume.read_file("boot.cfg"))
        words = [word for word in cfg.kernelopt if not word.startswith(OPTION)]
        volume.write_file("boot.cfg", cfg.with_kernelopt([*words, f"{OPTION}={dial}"]).to_bytes())
    with lab.host.powered_on(name) as boot:
        yield boot


def test_a_signed_image_is_deployed_with_secure_boot_on_whatever_the_installed_host_does_first(
    put_up: PutUp, signed_deployer: Deployer, signed_image: Path
) -> None:
    assert CODE.exists(), "the Debian package ovmf has it"
    assert SNAKEOIL.with_suffix(".pem").exists()
    with put_up(order.dhcp()) as lab:
        lab.maas.publish(signed_image)
        own = lab.host.directory / "secure-boot-variables.fd"
        own.write_bytes(VARIABLES.read_bytes())
        lab.host.firmware = Ovmf(CODE, own, secure=True)
        assert lab.deploy(signed_deployer), lab.maas.installation_log
        log = lab.maas.installation_log.replace("esxforge: ", "").splitlines()
        assert any(TRIED in line for line in log)
        assert "Nothing was heard after the hook" in secure_boot_outcome([], log)
        with lab.host.powered_on("installer") as boot:
            boot.wait_for_text("Loading /boot.cfg", 600)
        check_what_is_left(lab)

        with started(lab, "refused", REFUSE) as boot:
            boot.wait_for_text(STOPPED, 300)
            assert lab.neighbour.who_has(ADDRESS, GATEWAY, limit=1) is None
        check_what_is_left(lab)

        with started(lab, "not-run", UNRUN) as boot:
            boot.wait_for_text("is up", 300)
            assert lab.neighbour.who_has(ADDRESS, GATEWAY) is not None, "the kickstart's line makes it reachable"
            assert AGENT_STARTS not in boot.text
        assert "If the host answers at its address, ESXi is installed" in secure_boot_outcome([], log)
        assert not [event for event in lab.maas.events() if event["name"].startswith("esxforge")]
        check_what_is_left(lab)

        with started(lab, "accepted", ACCEPT) as boot:
            boot.wait_for_text(AGENT_IS_DONE, 600)
        check_deployed(lab.maas)
        check_left_nothing(lab, lab.installed(), ROOT_PASSWORD_HASH)


def check_what_is_left(lab: Laboratory) -> None:
    """A host that does not start keeps our module with its token, and root's password only as ESXi has it."""
    files = {found.place.upper() for found in lab.leaks() if ", BYTE " not in found.place.upper()}
    assert files
    assert all(f":{BANK}/ESXFORGE.TGZ!" in place or place.endswith("/ESXFORGE.TGZ") for place in files), files
    password = {found.place.upper() for found in lab.leaks(password=ROOT_PASSWORD_HASH) if found.name == "password"}
    assert all("/STATE.TGZ" in place for place in password), password
