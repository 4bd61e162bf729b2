"""The bootable stand-in under real firmware: installs on its own disk, comes up, keeps what was saved, refuses."""

from __future__ import annotations

import http.server
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from esxforge.local.processes import run
from esxforge.vm.hardware import Disk, NetworkCard, Nic
from esxforge.vm.machine import RunningMachine
from esxforge.vm.unattended import Limits, run_until_power_off
from standin.linux.guest import Hardware, uefi_machine
from standin.system.images import BootMedium, build_medium

pytestmark = [pytest.mark.vm, pytest.mark.slow]

GIB = 1 << 30
NICS = (Nic(NetworkCard.E1000), Nic(NetworkCard.E1000, mac="52:54:00:65:73:79"))
PATIENCE = 1800.0

KICKSTART = r"""
vmaccepteula
%include /tmp/rootpw
%include /tmp/install
network --bootproto=dhcp --device=52:54:00:65:73:78 --hostname=esx1.example.com
reboot
%pre --interpreter=busybox
echo 'rootpw --iscrypted $6$saltsalt$x' >/tmp/rootpw
name=$(ls /vmfs/devices/disks | grep -v -e '^vml' -e ':')
echo "install --disk=$name --overwritevmfs" >/tmp/install
python -c 'import sys; print("installer python %d" % sys.version_info[0])' >/dev/console
esxcli system version get && exit 1    # no hostd in the installer
localcli system version get >/dev/console
%post --interpreter=busybox
bank=/vmfs/volumes/BOOTBANK1
vmkfstools -P $bank >/dev/console
osdata=$(echo /vmfs/volumes/OSDATA-*)
echo PRESENT >$osdata/kept
mkdir -p /tmp/module/etc/rc.local.d
cp /every-boot.sh /tmp/module/etc/rc.local.d/999.test.sh
chmod 1777 /tmp/module/etc/rc.local.d/999.test.sh
tar -C /tmp/module -czf $bank/test.tgz etc
sed -i 's/^modules=.*/& --- test.tgz/' $bank/boot.cfg
%firstboot --interpreter=python
open("/bootbank/first.txt", "a").write("first boot script ran\n")
"""

ON_EVERY_BOOT = """#!/bin/sh
exec >/dev/console 2>&1
say() { echo "[$1] $2"; }
boots=$(cat /bootbank/boots.txt 2>/dev/null)
echo "x$boots" >/bootbank/boots.txt
sync
say "boot$boots host" "$(esxcli --formatter=csv system hostname get | tail -n 1)"
say "boot$boots osdata" "$(cat /vmfs/volumes/OSDATA-*/kept)"
say "boot$boots first" "$(cat /bootbank/first.txt)"
if [ -z "$boots" ]; then
    for disk in /vmfs/devices/disks/*; do
        case $disk in
        *:5) say marker "$(dd if=$disk bs=512 skip=1 count=1 2>/dev/null | head -c 16)" ;;
        *:* | */vml.*) ;;
        *) partedUtil getptbl $disk ;;
        esac
    done
    esxcli --formatter=csv network nic list | while IFS=, read -r line; do say nic "$line"; done
    say boot-device "$(vmkfstools -P /bootbank | grep ':5')"
    say first-reach "$(wget -q -O - http://10.0.2.2:PORT/)"
    esxcli network vswitch standard uplink add -u vmnic0 -v vSwitch0
    esxcli network vswitch standard policy failover set -v vSwitch0 -a vmnic0,vmnic1 -l explicit
    sleep 3
    say team-reach "$(wget -q -O - http://10.0.2.2:PORT/)"
    esxcli system hostname set --fqdn=saved.example.com
    /sbin/auto-backup.sh
    esxcli system hostname set --fqdn=lost.example.com
    say unsaved "$(esxcli --formatter=csv system hostname get | tail -n 1)"
    sleep 2  # else the console's last line goes with the power
    echo b >/proc/sysrq-trigger
fi
poweroff
"""


@contextmanager
def web_server(answer: bytes) -> Iterator[int]:
    """A server on this computer, which QEMU's user network shows as 10.0.2.2; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_it_installs_on_its_own_disk_and_comes_up_again_and_forgets_what_was_not_saved(
    tmp_path: Path, program: Path
) -> None:
    medium = build_medium(tmp_path, program, size=200 * GIB)
    guid = disk_guid(medium.path)
    with web_server(b"MAAS answers") as port:
        script = ON_EVERY_BOOT.replace("PORT", str(port))
        medium.add_kickstart(KICKSTART, {"every-boot.sh": (script.encode(), 0o755)})
        machine = uefi_machine("stand-in", tmp_path, Hardware(disks=(Disk(medium.path, boot_index=0),), nics=NICS))
        run_until_power_off(machine, tmp_path, Limits(PATIENCE, restarts=5), listener=lambda _: None)
    said = serial(tmp_path)
    print(said)
    assert "[boot host] example.com,esx1.example.com,esx1," in said
    assert "[boot osdata] PRESENT" in said
    assert "[boot first] first boot script ran" in said
    assert "5 208896 8595455 EBD0A0A2B9E5443387C068B6B72699C7 linuxNative 0" in said
    assert "8 268437504 419430366 AA31E02A400F11DB9590000C2911D1B8 vmfs 0" in said
    assert "[marker] VMWARE FAT16" in said
    # ESXi's vmnic0 is Linux's second NIC; vmk0 is on the one that the kickstart names.
    assert re.search(r"\[nic\].*52:54:00:65:73:79.*vmnic0,", said)
    assert "vmk0 52:54:00:65:73:78 10.0.2.15 (dhcp)" in said
    assert "[first-reach] MAAS answers" in said
    assert "[team-reach] MAAS answers" in said
    assert "[unsaved] example.com,lost.example.com,lost," in said
    # After the power cut.
    assert "[bootx host] example.com,saved.example.com,saved," in said
    assert "[bootx osdata] PRESENT" in said
    assert said.count("first boot script ran") == 2, "once a boot is told of it, but it ran on the first alone"
    assert disk_guid(medium.path) != guid
    assert "No problems found" in run(["sgdisk", "--verify", str(medium.path)], timeout=60).stdout


def test_without_a_kickstart_it_asks_and_installs_nothing(tmp_path: Path, program: Path) -> None:
    medium = build_medium(tmp_path, program)
    before = medium.path.read_bytes()
    said = said_until(tmp_path, medium, "(Enter) Continue")
    assert "Welcome to the VMware ESXi 8.0.3 Installation" in said
    assert medium.path.read_bytes() == before


def test_a_module_that_is_missing_ends_the_boot(tmp_path: Path, program: Path) -> None:
    medium = build_medium(tmp_path, program)
    medium.remove("::VIM.V00")
    medium.add_kickstart(KICKSTART)
    said = said_until(tmp_path, medium, "Fatal error")
    assert "Error 15 (Not found) while loading module: /vim.v00" in said
    assert "Fatal error: 15 (Not found)" in said
    assert "weasel" not in said


def said_until(directory: Path, medium: BootMedium, text: str) -> str:
    """Boot the medium until it says ``text`` and one second more; what it said."""
    machine = uefi_machine("stand-in", directory, Hardware(disks=(Disk(medium.path, boot_index=0),), nics=NICS))
    deadline = time.monotonic() + PATIENCE
    with RunningMachine(machine, directory) as running:
        while text not in serial(directory):
            assert running.follow(1.0).ending is None, serial(directory)
            assert time.monotonic() < deadline, serial(directory)
        running.follow(1.0)
    return serial(directory)


def serial(directory: Path) -> str:
    """What the guest said."""
    log = directory / "serial.log"
    return log.read_text(errors="replace").replace("\r", "") if log.exists() else ""


def disk_guid(path: Path) -> str:
    """sgdisk's word on it."""
    said = run(["sgdisk", "--print", str(path)], timeout=60).stdout
    return next(line.rpartition(" ")[2] for line in said.splitlines() if line.startswith("Disk identifier"))
