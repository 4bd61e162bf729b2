"""How many processes a host starts to reach MAAS's network and storage: ours, counted, beside today's template's.

Each esxcli start costs about a second on a host. Ours counts what the agent starts while it deploys the configuration
onto the fake ESXi: the first reading, the changes, the questions between them (after a refused command, or where a
lease may have been lost), and the reading after the last change, which is verified and saved. The firewall, the host's
name and its SSH service are not in it, as the template's figures are without them; ``all`` is the entire deployment.
The template verifies nothing.

The template's figures were counted by hand in its two scripts that apply a configuration, netplan-esxi and
storage-esxi (canonical/packer-maas, vmware-esxi/maas, commit 73dd146ac56b5b53c93afdb1efe7d40ae64b3420), walking through
them with the same configurations on the same fresh host and taking every start of a process as successful. On ESXi 7
and later it would really end early, at the datastore on p8.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from esxforge_target.runtime.validation_errors import ValidationErrors
from standin.maas_metadata import FakeMetadataService, MachineStatus, VirtualClock
from target.agent.questions import is_question
from target.agent.site import Site

SAMPLES = Path(__file__).parents[1] / "tests" / "data" / "curtin"
# What belongs to neither network nor storage.
APART = ("firewall", "hostname", "account", "hostsvc/")
# The first command that keeps what was set up.
SAVING = ["/sbin/auto-backup.sh"]
PROGRAMS = ("esxcli", "localcli", "vmkfstools", "partedUtil", "vim-cmd")


@dataclass(frozen=True)
class Count:
    """Starts of esxcli, and of other programs."""

    esxcli: int
    others: int

    def __add__(self, other: Count) -> Count:
        return Count(self.esxcli + other.esxcli, self.others + other.others)


@dataclass(frozen=True)
class Row:
    """One configuration."""

    name: str
    first: Count
    changes: Count
    between: Count
    last: Count
    template: Count
    everything: Count


# Network and storage of each. Network: wiping (2 lists, vmk0, vSwitch0, DNS twice) 6, NIC list 1; then a vSwitch 2
# with MTU, 1 an uplink, 1 a team, a subnet 2 with its vmk, 1 a VLAN, 1 an address, 1 or 2 a gateway, 1 or 2 a route,
# 1 a DNS server or domain. Storage by esxcli: NVMe list 1, 1 for each, capacity, paths, unmounting, rescan; by others:
# scsidevs, uname, fixGpt, delete, dd for each further disk, sync, 1 a label, 3 a partition, 1 a file system or extent.
TEMPLATE = {
    "maas3.6.5-esxi67-vmfs6-bond-vlan-alias-ipv6": Count(40, 0) + Count(6, 22),
    "maas3.6.5-esxi8-vmfs7-bond-vlan-alias-ipv6": Count(40, 0) + Count(6, 19),
    "maas3.6.5-esxi8-vmfs7-dhcp-only": Count(31, 0) + Count(5, 6),
    "maas3.6.5-esxi8-vmfs7-simple-static": Count(19, 0) + Count(5, 6),
}


def counted(commands: Iterable[list[str]]) -> Count:
    """How many of these start esxcli, and how many another program."""
    programs = [command[0] for command in commands]
    esxcli = len([one for one in programs if one in ("esxcli", "localcli")])
    return Count(esxcli, len(programs) - esxcli)


def is_ours(command: list[str]) -> bool:
    """Whether it is about network, storage or the release."""
    words = " ".join(command[:5])
    of_version = "version" in command and "--formatter=json" not in command  # whether hostd answers yet
    rename = command[:2] == ["vim-cmd", "hostsvc/datastore/rename"]
    apart = any(one in words for one in APART) and not rename
    return command[0] in PROGRAMS and not apart and not of_version


def deployed(path: Path) -> list[list[str]]:
    """The commands of a deployment, in their order. Raises ValidationErrors where the hook refuses it."""
    clock = VirtualClock()
    release = "6.7.0" if "esxi67" in path.stem else "8.0.3"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    with FakeMetadataService(clock=clock.true_time) as maas, tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory), maas, clock, config, release)
        with contextlib.redirect_stdout(io.StringIO()):
            site.live()
        assert site.status is MachineStatus.DEPLOYED, site.log
        return [list(command) for command in site.fake.commands]


def row_of(name: str, commands: list[list[str]]) -> Row:
    """The deployment's processes by what they are for."""
    saving = commands.index(SAVING)
    changes = [number for number, command in enumerate(commands[:saving]) if not is_question(command)]
    begun = next(number for number in changes if is_ours(commands[number]))
    during = [command for command in commands[begun : changes[-1] + 1] if is_ours(command)]
    return Row(
        name,
        counted(filter(is_ours, commands[:begun])),
        counted(command for command in during if not is_question(command)),
        counted(filter(is_question, during)),
        counted(filter(is_ours, commands[changes[-1] + 1 :])),
        TEMPLATE[name],
        counted(commands),
    )


def measure() -> list[Row]:
    """A row for each configuration that ESXi can have."""
    rows = []
    for path in sorted(SAMPLES.glob("*.yaml")):
        with contextlib.suppress(ValidationErrors):  # refused in the hook: no process at all
            rows.append(row_of(path.stem, deployed(path)))
    return rows


def report() -> str:
    """The rows as a table: esxcli + others."""
    columns = ("first", "changes", "between", "last", "sum", "template", "all")
    lines = [f"{'processes (esxcli + others)':46}" + "".join(f"{column:>10}" for column in columns)]
    for row in measure():
        parts = (row.first, row.changes, row.between, row.last)
        cells = (*parts, sum(parts, Count(0, 0)), row.template, row.everything)
        lines.append(f"{row.name:46}" + "".join(f"{f'{one.esxcli} + {one.others}':>10}" for one in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
