"""ESXi's installer: started from a boot medium, nothing installed yet, no hostd; its root is a RAM disk."""

import gzip
import io
import os
import shlex
import tarfile
from typing import List

from standin.esxi import label as labels
from standin.esxi.disks import disk_named, label_of, make_nodes
from standin.esxi.fake import FakeEsxi
from standin.esxi.install import install, lay_out_esxi
from standin.esxi.store import Document
from standin.esxi.volumes import make_directories

# What the installer's grammar knows of `install`; the rest it ignores with a warning.
FLAGS = ("--overwritevmfs", "--novmfsondisk", "--overwritevsan", "--preservevmfs", "--ignoreprereqwarnings",
         "--ignoreprereqerrors", "--forceunsupportedinstall")  # fmt: skip


class InstallError(Exception):
    """What the installer shows, and stops at."""


class FakeInstaller(FakeEsxi):
    """A machine that runs ESXi's installer. The disks' files may stand in /vmfs/devices/disks before."""

    @classmethod
    def start(cls, directory: str, release: str, disks: List[Document]) -> "FakeInstaller":
        """The installer of ``release`` on a machine with these disks (presets.disk), none of which it runs from."""
        fake = cls(install(str(directory), "sata-2-nics", release, None, disks, None, 0, {}))
        host = fake._host()
        host.store["power"].update(on=True, first=True, boots=1, hostd=False)
        make_nodes(host)
        make_directories(host)
        os.makedirs(host.store.root("/var/log"))
        for console in ("console", "tty1", "tty2"):
            with open(host.store.root("/dev/" + console), "w", encoding="ascii"):
                pass
        host.store.write()
        return fake

    def unpack(self, module: bytes) -> None:
        """What the boot loader and the kernel do with a module: unpacked into the root of the RAM disk."""
        with tarfile.open(fileobj=io.BytesIO(module), mode="r:*") as archive:
            archive.extractall(self.root, filter="fully_trusted")  # noqa: S202  the module is ours

    def load(self, name: str, module: bytes) -> None:
        """What ESXi shows of a module that the boot loader loaded: its content, unzipped."""
        with open(self.path("/tardisks/" + name), "wb") as stream:
            stream.write(gzip.decompress(module))

    def installed_earlier(self, device: str) -> None:
        """A disk with an ESXi from another life."""
        with self.edit() as host:
            lay_out_esxi(host, disk_named(host, device))
            make_nodes(host)
            make_directories(host)

    def install(self, line: str) -> None:
        """Run a kickstart's ``install`` command. Raises InstallError with what is wrong."""
        name, options = _parse(line)
        with self.edit() as host:
            names = [disk["name"] for disk in host.hardware["disks"]]
            if name not in names:
                raise InstallError(f'install --disk= specified, but drive "{name}" was not found on the system.')
            disk = disk_named(host, name)
            label = label_of(host, name)
            kinds = [one.type for one in label.partitions.values()] if label else []
            if labels.VMFS in kinds and "--overwritevmfs" not in options:
                raise InstallError(f"install --overwritevmfs not specified but {name} contains a VMFS partition")
            if "--overwritevsan" in options:
                raise InstallError(f"install --overwritevsan specified but disk {name} is not claimed by vSAN.")
            host.hardware["banks"] = [bank for bank in host.hardware["banks"] if bank["device"] != name]
            lay_out_esxi(host, disk, datastore="--novmfsondisk" not in options)
            make_nodes(host)
            make_directories(host)


def _parse(line: str) -> "tuple[str, List[str]]":
    words = shlex.split(line, comments=True)
    if not words or words[0] != "install":
        raise InstallError("no install command")
    disks = [word.partition("=")[2] for word in words[1:] if word.startswith("--disk=")]
    options = [word for word in words[1:] if not word.startswith(("--disk=", "--dpuPciSlots="))]
    wrong = [word for word in options if word not in FLAGS]
    if len(disks) != 1 or wrong:
        raise InstallError("install: unknown argument {}".format(wrong or disks))
    return os.path.basename(disks[0]), options
