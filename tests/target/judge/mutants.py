"""Seeded defects of planner and undo, and which of them the random hosts find: ``make mutants``.

Each is a short piece of source text that is replaced in a copy of the package. Where a piece does not occur exactly
once in its file any more, that is an error: re-target it. ``places`` may name several, for code that is being moved;
the first that applies is taken.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import esxforge_target
from target.judge.run import Outcome, checked_case, plan_tasks

PACKAGE = Path(esxforge_target.__file__).parent
TESTS = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """``before`` in a file of the package becomes ``after``."""

    file: str
    before: str
    after: str


@dataclass(frozen=True)
class Mutant:
    """A defect, as a sentence, and where it is put. ``shown_by``: a choice and its setting that few hosts have, and
    that it takes to show the defect.
    """

    defect: str
    places: tuple[Place, ...]
    shown_by: tuple[str, str] | None = None


class StaleMutantError(Exception):
    """The source that a mutant changes is not there any more."""


def mutant(defect: str, *places: tuple[str, str, str], shown_by: tuple[str, str] | None = None) -> Mutant:
    return Mutant(defect, tuple(Place(*one) for one in places), shown_by)


MUTANTS = (
    # -- which is which
    mutant("NICs are taken in ESXi's order, not by MAC",
           ("plan/layout.py", "nic.mac: nic.name for nic in inventory.nics",
            "nic.mac: other.name for nic, other in zip(inventory.nics, inventory.nics[1:] + inventory.nics[:1])")),
    mutant("the primary of a bond is not the first of its team",
           ("plan/layout.py", "uplinks[:1], uplinks[1:])", "uplinks[-1:], uplinks[:-1])")),
    mutant("a further NIC of a bond stays unused",
           ("plan/layout.py", "return Team(mode.load_balancing, uplinks, ())",
            "return Team(mode.load_balancing, uplinks[:1], ())")),
    mutant("the vSwitch has the MTU of ESXi, not of MAAS",
           ("plan/layout.py", "mtu = base.mtu or DEFAULT_MTU\n            self",
            "mtu = DEFAULT_MTU\n            self")),
    mutant("the interface has its carrier's MTU",
           ("plan/layout.py", "mtu = interface.mtu or base.mtu or DEFAULT_MTU", "mtu = base.mtu or DEFAULT_MTU")),
    mutant("the VLAN of an interface with an address is forgotten",
           ("plan/layout.py", "desired_vswitch, interface.vlan_id, False)", "desired_vswitch, 0, False)")),
    mutant("the VLAN of a port group for virtual machines is forgotten",
           ("plan/layout.py", "desired_vswitch, interface.vlan_id, True)", "desired_vswitch, 0, True)")),
    mutant("only the first IPv4 address of an interface is made",
           ("plan/layout.py", "choices = list(ipv4) or [None]", "choices = list(ipv4)[:1] or [None]")),
    mutant("IPv6 addresses are left out",
           ("plan/layout.py", "ipv6 if index == 0 else (),", "(),")),
    mutant("DHCPv6 is left out",
           ("plan/layout.py", "dhcp6 and index == 0,", "False,")),
    mutant("routers are heard beside a static IPv6 gateway",
           ("plan/layout.py", "if self._static_ipv6_default:", "if False:")),
    # -- vSwitches
    mutant("uplinks are not taken off where they do not belong",
           ("plan/switches.py", "if elsewhere or (vswitch.name in ours", "if False and (vswitch.name in ours")),
    mutant("the installer's uplink stays on vSwitch0",
           ("plan/switches.py", "if vswitch.name == MANAGEMENT_SWITCH or uplink in desired:", "if uplink in desired:")),
    mutant("teams are not set",
           ("plan/switches.py", "if not desired_vswitch.uplinks:", "if desired_vswitch.uplinks:")),
    mutant("an override of the management port group's team stays",
           ("plan/switches.py", "or not found.overrides_team", "or found.overrides_team")),
    mutant("MTUs are not raised",
           ("plan/switches.py", "if before < desired_vswitch.mtu or", "if before > 9000 or")),
    # -- interfaces
    mutant("what no one asked for stays",
           ("plan/vmks.py", "vmk.name not in kept and vmk.netstack == DEFAULT_NETSTACK]",
            "vmk.name not in kept and not vmk.netstack]")),
    mutant("interfaces of other network stacks are removed",
           ("plan/vmks.py", "vmk.name not in kept and vmk.netstack == DEFAULT_NETSTACK]", "vmk.name not in kept]")),
    mutant("the MTU of vmk0 is left",
           ("plan/vmks.py", "elif vmk.mtu != desired_vmk.mtu:", "elif vmk.mtu != vmk.mtu:")),
    mutant("another prefix length is no difference",
           ("plan/vmks.py", "(vmk.address, vmk.prefix_length) != (",
            "(vmk.address, desired_vmk.address.prefix_length) != ("), shown_by=("found", "static vmk0")),
    mutant("a netmask one bit too long",
           ("plan/vmks.py", '"0.0.0.0/{}".format(prefix_length)', '"0.0.0.0/{}".format(min(prefix_length + 1, 32))'),
           ("plan/commands.py", '"0.0.0.0/{}".format(prefix_length)',
            '"0.0.0.0/{}".format(min(prefix_length + 1, 32))')),
    # -- routes and names
    mutant("routes are removed, and not added",
           ("plan/routes.py", "if self._is_missing(desired) and self._is_reached(desired):",
            "if False:")),
    mutant("a route that someone configured stays",
           ("plan/routes.py", "import BY_HAND, EVERYTHING, Command, esxcli, route_command\n",
            "import EVERYTHING, Command, esxcli, route_command\nBY_HAND = ()\n")),
    mutant("name servers are added to those found",
           ("plan/routes.py", '"server", "remove", "--all"', '"server", "list"')),
    mutant("search domains are left out",
           ("plan/routes.py", "for domain in desired[len(keep) :]:", "for domain in ():")),
    # -- storage
    mutant("further extents are left out",
           ("plan/storage.py", "for partition_id in datastore.partitions[1:]:", "for partition_id in ():")),
    mutant("the installer's datastore keeps its name",
           ("plan/storage.py", "self._rename(extent.volume, datastore.name, (place.name,))", "pass")),
    # -- judging oneself
    mutant("differences of vSwitches are not looked at, and steps that say they worked are believed",
           ("agent/work.py", "if found:\n            raise StepError(\n                \"The host is not as MAAS asked",
            "if False:\n            raise StepError(\n                \"The host is not as MAAS asked")),
    mutant("the configuration is not saved",
           ("agent/saving.py", "for command in COMMANDS:", "for command in ():")),
    mutant("MAAS is not told that it failed",
           ("agent/failure.py", "failed(reason, _FIRST_TRY)", "heard() is None")),
    # -- rolling back
    mutant("nothing is rolled back",
           ("agent/undo.py", "return self._roll_back_changes(about, quiet)", "return []")),
    mutant("rolled back in the order of doing",
           ("plan/restore.py", "return tuple(_Restoration(found, now).plan())",
            "return tuple(_Restoration(found, now).plan()[::-1])")),
    mutant("the undo list is not written to the journal",
           ("agent/undo.py", "self._journal.add(\"change\"", "(lambda *a, **b: None)(\"change\"")),
    mutant("files are not put back",
           ("agent/undo.py", "failed += self._put_back(path, data)", "failed += []"),
           ("agent/undo.py", "failed += self._restore_file(path, data)", "failed += []")),
    mutant("vmk0's former address does not come back",
           ("plan/restore.py", "if self._ipv4_differs(before, now):\n            self._do",
            "if False:\n            self._do"),
           ("plan/vmks.py", "undo = (ipv4_command_of(vmk.replace(ipv4=\"none\") if released else vmk),)", "undo = ()")),
    mutant("an uplink that was taken off does not come back",
           ("plan/restore.py", "for uplink in before.uplinks:\n                if uplink not in now.uplinks:",
            "for uplink in before.uplinks:\n                if False:"),
           ("plan/switches.py", '(esxcli(*STANDARD + ("uplink", "add", "-u", uplink, "-v", vswitch.name)),)\n',
            "()\n")),
    mutant("new vSwitches stay",
           ("plan/restore.py", "if before is None:\n                self._do(VSWITCHES, esxcli(*STANDARD + (\"remove\"",
            "if False:\n                self._do(VSWITCHES, esxcli(*STANDARD + (\"remove\""),
           ("plan/switches.py", '(esxcli(*STANDARD + ("remove", "-v", desired_vswitch.name)),)', "()")),
    mutant("new port groups stay",
           ("plan/restore.py", "for port_group in self._now.port_groups:\n            if self._moved(port_group):",
            "for port_group in self._now.port_groups:\n            if False:"),
           ("plan/switches.py",
            '(esxcli(*STANDARD + ("portgroup", "remove", "-p", port_group.name, "-v", port_group.vswitch)),)', "()")),
    mutant("the former MTU does not come back",
           ("plan/restore.py", "if before.mtu < (now.mtu if now is not None else DEFAULT_MTU):", "if False:"),
           ("plan/switches.py", '(esxcli(*STANDARD + ("set", "-v", desired_vswitch.name, "-m", before)),)', "()")),
    mutant("the former routes do not come back",
           ("plan/restore.py", "if (network, gateway) not in now:", "if False:"),
           ("plan/routes.py", 'undo = (_command("add", route.network, route.gateway),)', "undo = ()")),
    mutant("the VLAN does not come back",
           ("plan/restore.py", "if before.vlan_id != now.vlan_id:", "if False:"),
           ("plan/switches.py",
            '(esxcli(*STANDARD + ("portgroup", "set", "-p", port_group.name, "--vlan-id", before)),)', "()")),
)  # fmt: skip


def apply(one: Mutant, package: Path) -> Place:
    """Put a mutant into a copy of the package. Raises StaleMutantError."""
    for place in one.places:
        path = package / place.file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text.count(place.before) == 1:
            path.write_text(text.replace(place.before, place.after), encoding="utf-8")
            compile(path.read_text(encoding="utf-8"), str(path), "exec")
            return place
    files = ", ".join(place.file for place in one.places)
    raise StaleMutantError(f"“{one.defect}”: its source does not occur exactly once in {files}; re-target it.")


# -- running --------------------------------------------------------------------------------------------------------


Host = tuple[int, dict[str, str], int]  # its number, choices and seed


def _outcome(host: Host) -> Outcome:
    number, chosen, seed = host
    return checked_case(chosen, seed, number % 2 == 0)


def first_wrong(hosts: Iterable[Host]) -> tuple[int, Outcome] | None:
    """The first of these hosts that comes out wrong."""
    for host in hosts:
        outcome = _outcome(host)
        if not outcome.is_right:
            return host[0], outcome
    return None


def _run(job: tuple[int, list[Host]]) -> tuple[int, str]:
    """A mutant in a process of its own, with the changed package before the real one. A host kills it that comes out
    right without it; that is looked at for those alone that come out wrong with it.
    """
    index, hosts = job
    with tempfile.TemporaryDirectory(prefix="esxforge-mutant-") as directory:
        package = Path(directory) / "esxforge_target"
        shutil.copytree(PACKAGE, package)
        apply(MUTANTS[index], package)
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join([directory, str(TESTS)]))
        while True:
            result = subprocess.run(
                [sys.executable, "-m", "target.judge.mutants", "--only-these", "-"], env=environment,
                input=json.dumps([directory, hosts]), capture_output=True, text=True, check=False,
            )  # fmt: skip
            if result.returncode:
                return index, "stopped: " + result.stderr.strip().splitlines()[-1]
            found = json.loads(result.stdout)
            if found is None:
                return index, "survived"
            place = [number for number, _, _ in hosts].index(found[0])
            if _outcome(hosts[place]).is_right:
                return index, f"killed by host {found[0]}: {found[1]}: {found[2][:90]}"
            hosts = hosts[place + 1 :]


def _order(one: Mutant, hosts: list[Host]) -> list[Host]:
    """Hosts that show it first: those with what it is about, and those on which something is rolled back."""
    rolls_back = any(place.file.startswith(("agent/", "plan/restore")) for place in one.places)
    return sorted(
        hosts,
        key=lambda host: (
            one.shown_by is not None and host[1][one.shown_by[0]] != one.shown_by[1],
            rolls_back and host[1]["accident"] == "none",
        ),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run all mutants; 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1200, help="random hosts; those that go wrong anyway are left out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutant", default="", help="only those whose sentence contains this")
    parser.add_argument("--only-these", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.only_these:
        directory, hosts = json.load(sys.stdin)
        assert str(PACKAGE).startswith(directory), "the changed package is not the one that is imported"
        found = first_wrong(hosts)
        print(json.dumps(found and [found[0], found[1].kind, found[1].why]))
        return 0
    started = time.monotonic()
    tasks = plan_tasks(given.hosts, given.seed)
    every = [(number, chosen, seed) for number, (chosen, seed, _) in enumerate(tasks)]
    chosen_ones = [index for index, one in enumerate(MUTANTS) if given.mutant in one.defect]
    jobs = [(index, _order(MUTANTS[index], every)) for index in chosen_ones]
    survived = 0
    with multiprocessing.Pool(given.processes) as pool:
        for index, said in pool.imap(_run, jobs):
            survived += said == "survived"
            print(f"{MUTANTS[index].defect:<78} {said}", flush=True)
    print(f"{len(chosen_ones) - survived} of {len(chosen_ones)} mutants killed; {time.monotonic() - started:.0f} s")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
