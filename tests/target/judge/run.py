"""Runs the agent on random hosts and lets the judge say what became of them: ``make random-hosts COUNT=20000``.

What decides is the fake ESXi's own state, what MAAS heard, and whether the host reaches MAAS; never the agent's word.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import io
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.runtime.errors import ForgeError
from standin.esxi import FakeEsxi, PowerLost
from standin.esxi import label as labels
from standin.esxi.interfaces import new_interface
from standin.esxi.netstacks import new_stack
from standin.esxi.portgroups import new_portgroup
from standin.esxi.presets import disk
from standin.esxi.vswitches import new_switch
from standin.maas_metadata import FakeMetadataService, MachineStatus, VirtualClock
from target.agent.questions import is_question
from target.agent.site import Site
from target.judge import desired as desires
from target.judge import end, machine, validity
from target.judge.choices import SETTINGS, covering, every_pair, pairs_of
from target.judge.hosts import FULL_NAME, Case
from target.judge.spoil import found_address, make_case

# What may come out, and whether that is right.
RIGHT = ("Deployed, right", "Failed rightly, as found", "refused rightly", "Failed with an excuse, as found")
WRONG = (
    "false Deployed", "stranded", "valid, but failed", "valid, but refused", "not as found", "unknown",
    "broken unnamed", "second run changes", "secret or rest left", "no end",
)  # fmt: skip
COMMAND_SECONDS = 0.5
LEASE_SECONDS = 200.0
LATE = "vim-cmd hostsvc/start_ssh"
# Commands of which no roll-back needs one that worked, where none of them did.
IGNORED = ("network vswitch standard portgroup set", "network vswitch standard set", "network ip interface set")
# Asking again for leases, one by one.
_ASKS_AGAIN = re.compile(
    r"esxcli network ip (interface ipv4 set -i vmk\d+ -t (none|dhcp)|route ipv4 remove -n default)\b"
)
_PASSING = (" firewall ", "auto-backup", "backup.sh", "generate-certificates", "restart", "vmkping", "chkconfig")


@dataclass(frozen=True)
class Outcome:
    """What became of one host: one of RIGHT or WRONG, and why."""

    kind: str
    why: str = ""

    @property
    def is_right(self) -> bool:
        return self.kind in RIGHT


class RandomSite(Site):
    """The machine of a case with the agent in its bank."""

    def __init__(self, directory: Path, maas: FakeMetadataService, clock: VirtualClock, case: Case) -> None:
        desired = desired_host_from_config(case.config, case.booted)
        self.placed: dict[str, str] = {}
        stamps: dict[str, str] = {}
        fake = _fake(directory / "esxi", case, clock, desired, self.placed, stamps)
        prepared = desired.with_disk_guids(sorted(stamps.items()))
        self.booted_since_deployed = False
        self.booted_at: float | None = None
        super().__init__(
            directory, maas, clock, release=case.release, machine=SimpleNamespace(fake=fake, desired=prepared),
            boot_mac=case.booted,
        )  # fmt: skip
        self.maas_address = desires.read(case.config).maas
        maas.machine.hostname = FULL_NAME

    def pass_time(self) -> None:
        """Commands take their time: what lags and what is late counts on it."""
        self.clock.elapsed += COMMAND_SECONDS

    def reaches_maas(self) -> bool:
        return not self.fake.why_not(self.maas_address)

    def boot(self) -> None:
        self.booted_since_deployed |= self.status is MachineStatus.DEPLOYED
        super().boot()
        self.booted_at = self.clock.elapsed

    def wait_for_leases(self) -> None:
        """A host that was just started may still wait for its leases."""
        if self.booted_at is not None and self.fake.is_on:
            self.clock.sleep(max(0.0, self.booted_at + LEASE_SECONDS - self.clock.elapsed))

    def saved_and_cut(self) -> None:
        """ESXi saves what stands, as it does each hour, and the power goes."""
        self.fake.hourly_backup()
        self.cut()

    def state(self) -> machine.Machine:
        return machine.read(self.directory / "esxi")


def _fake(  # noqa: PLR0917  the last two are filled
    directory: Path,
    case: Case,
    clock: VirtualClock,
    desired: DesiredHost,
    placed: dict[str, str],
    stamps: dict[str, str],
) -> FakeEsxi:
    """The machine as the installer leaves it, with its data disks laid out by the hook, and what was found on it."""
    disks = []
    for number, (key, (size, sector, kind)) in enumerate(sorted(case.disks.items())):
        made = disk(f"naa.5000039b98d0a1b{number}", size, kind, boot=key == "sda", sector_size=sector)
        disks.append(made)
        if key != "sda":
            placed[key] = str(made["name"])
    forms: Any = {"json_blanks": "blanks" in case.chosen["json"], "json_strings": "texts" in case.chosen["json"]}
    fake = FakeEsxi.create(
        str(directory), release=case.release, nics=case.nics, disks=disks, world=case.world, dials=case.dials,
        booted=case.booted, clock=clock, **forms,
    )  # fmt: skip
    for one in desired.datastore_disks():
        drawn_for = random.Random(f"{case.seed} {one.id}")  # noqa: S311  the same each time
        stamps[one.id] = str(uuid.UUID(int=drawn_for.getrandbits(128), version=4))
        if one.id not in placed:
            continue
        size, sector, _ = case.disks[one.id]
        label = labels.Label(size // sector, sector, guid=stamps[one.id])
        first = (1 << 20) // sector
        for part in desired.vmfs_partitions(one.id):
            count = (part.size or 0) // sector
            label.add(labels.Partition(part.number, first, first + count - 1, labels.VMFS))
            first += count
        name = placed[one.id]
        directory_of = Path(fake.devices) / name
        late = directory / "late" / name
        labels.write_label(str(late if late.exists() else directory_of), label)
    _put_found(fake, case)
    return fake


def _put_found(fake: FakeEsxi, case: Case) -> None:
    """Make the host one that is not fresh any more, by choice."""
    kind = case.chosen["found"]
    native = case.world["cables"][case.booted]["native"].removeprefix("net")
    with fake.edit() as host:
        running = host.running
        first = running["vswitches"]["vSwitch0"]["uplinks"][0]
        vmk0 = running["interfaces"]["vmk0"]
        if kind == "other switch":
            running["vswitches"]["DMZ"] = new_switch("DMZ")
            running["portgroups"]["dmz"] = dict(new_portgroup("dmz", "DMZ", 7, 7), machines=["a machine"])
        elif kind == "other stack":
            running["netstacks"]["vmotion"] = new_stack("vmotion")
            running["portgroups"]["vMotion"] = new_portgroup("vMotion", "vSwitch0", 8, 8)
            other = new_interface("vmk3", "00:50:56:6a:00:03", "vMotion", "vmotion")
            other["ipv4"].update(type="static", address="192.168.7.5", netmask="255.255.255.0")
            running["interfaces"]["vmk3"] = other
        elif kind == "earlier network":
            running["portgroups"]["old"] = new_portgroup("old", "vSwitch0", 8, 8)
            old = new_interface("vmk1", "00:50:56:6a:00:01", "old")
            old["ipv4"].update(type="static", address="192.168.8.5", netmask="255.255.255.0")
            running["interfaces"]["vmk1"] = old
            running["netstacks"]["defaultTcpipStack"]["routes"].append(
                {"network": "172.30.0.0/16", "gateway": "192.168.8.1", "interface": "vmk1", "source": "MANUAL"}
            )
        elif kind == "static vmk0":
            address, netmask = found_address(case, native)
            vmk0["ipv4"].update(type="static", address=address, netmask=netmask, lease=None, peer_dns=False)
            stack = running["netstacks"]["defaultTcpipStack"]
            stack.update(dns=["10.9.9.9"], search=["old.example"], dns_dhcp={}, search_dhcp={})
            stack["routes"] = [route for route in stack["routes"] if route["network"] != "0.0.0.0/0"] + [
                {"network": "0.0.0.0/0", "gateway": f"10.{native}.0.1", "interface": "vmk0", "source": "MANUAL"}
            ]
        elif kind == "wrong VLAN":
            running["portgroups"]["Management Network"]["vlan"] = 77
        elif kind == "machine on VM Network":
            running["portgroups"]["VM Network"]["machines"] = ["a machine"]
        elif kind == "uplinks elsewhere":
            running["vswitches"]["vSwitch1"] = new_switch("vSwitch1")
            free = [nic["name"] for nic in host.nics() if nic["name"] != first][-1:]
            running["vswitches"]["vSwitch1"].update(uplinks=free)
            running["vswitches"]["vSwitch1"]["failover"].update(active=list(free))
        elif kind == "larger MTU":
            running["vswitches"]["vSwitch0"]["mtu"] = 9000
        elif kind == "team of VM Network":
            running["portgroups"]["VM Network"].update(
                failover={"load_balancing": "mac", "active": [first], "standby": []},
                security={"promiscuous": True},
            )
        host.store.save_configuration()
    fake.reboot()


@contextlib.contextmanager
def memory_directory() -> Iterator[Path]:
    """A directory in memory where the machine has room for that."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="esxforge-hosts-", dir=memory) as directory:
        yield Path(directory)


def quietly(action: Any) -> Any:
    """Run it without the agent's log on our output."""
    with contextlib.redirect_stdout(io.StringIO()):
        return action()


def run_case(
    case: Case,
    twice: bool = True,
    keep_log: list[str] | None = None,
    arm: Callable[[RandomSite, Case], list[str]] | None = None,
) -> Outcome:
    """Deploy one host and judge it. ``twice``: the agent also runs on the finished host, which must change nothing.

    ``arm`` orders another accident than the case's, and returns why the deployment may fail by it.
    """
    clock = VirtualClock()
    with memory_directory() as directory, FakeMetadataService(clock=clock.true_time) as maas:
        try:
            site = RandomSite(directory, maas, clock, case)
        except ForgeError as error:
            return _refused(case, clock, directory, error)
        before, reached = site.state(), site.reaches_maas()
        expected = validity.expect(desires.read(case.config), before, site.placed, reached)
        expected = dataclasses.replace(expected, excuses=(*expected.excuses, *(arm or _arm)(site, case)))
        cfg = (site.bank / "boot.cfg").read_text()
        try:
            quietly(site.live)
        except (PowerLost, AssertionError, RecursionError) as error:
            return Outcome("no end", str(error))
        except Exception:  # an agent's defect is an outcome, too
            return Outcome("no end", traceback.format_exc(limit=-3))
        finally:
            if keep_log is not None:
                keep_log.append(site.log if (site.bank / "esxforge.log").exists() else "")
        for armed in (site.moment.fail_always, site.moment.fail, site.moment.after):
            armed.clear()
        site.moment.ignored = ""
        outcome = _judge(case, site, before, reached, expected)
        if outcome.kind == "Deployed, right" and twice:
            outcome = _second_run(site, cfg) or outcome
        return outcome


def _arm(site: RandomSite, case: Case) -> list[str]:
    """Order the accident. Why the deployment may fail by it: a power cut is no reason."""
    kind = case.chosen["accident"]
    rng = random.Random(case.seed + 2)  # noqa: S311  the same each time
    if kind.startswith("late command fails"):
        site.moment.fail_always[LATE] = "fail"
    if kind == "command fails":
        site.moment.fail[rng.randrange(40, 160)] = "fail"
    if kind == "commands ignored":
        site.moment.ignored = rng.choice(IGNORED)
    if kind.endswith("power cut"):
        number = rng.randrange(130, 260) if kind.startswith("late") else rng.randrange(5, 180)
        site.moment.after[number] = site.saved_and_cut if "saved" in kind else site.cut
    return ["a command failed"] if "fails" in kind or "ignored" in kind else []


def _refused(case: Case, clock: VirtualClock, directory: Path, error: ForgeError) -> Outcome:
    """The configuration was refused before anything was installed."""
    bare = Case(case.chosen, case.seed, case.config, case.world, case.nics, case.disks, case.booted, case.dials)
    placed: dict[str, str] = {}
    nobody: Any = SimpleNamespace(datastore_disks=lambda: ())
    fake = _fake(directory / "bare", bare, clock, nobody, placed, {})
    desired = desires.read(case.config)
    expected = validity.expect(desired, machine.read(directory / "bare"), placed, not fake.why_not(desired.maas))
    if expected.invalid or expected.excuses:
        return Outcome("refused rightly")
    return Outcome("valid, but refused", str(error))


def _judge(
    case: Case, site: RandomSite, before: machine.Machine, reached: bool, expected: validity.Expectation
) -> Outcome:
    desired = desires.read(case.config)
    site.wait_for_leases()
    if site.fake.is_on:
        site.fake.routers_advertise()  # they do that every few minutes, whoever asks
    at_once = site.reaches_maas()
    now, moved = site.state(), site.booted_since_deployed
    left = [*site.leftovers(), *site.leaks()]
    if site.fake.is_on:
        site.fake.power_cut()
    site.boot()
    site.wait_for_leases()
    reaches, after = site.reaches_maas(), site.state()
    status = site.status
    if status is MachineStatus.DEPLOYED:
        found = end.wrongs(desired, FULL_NAME, site.placed, before, now, booted=moved)
        found = found or [
            "after a boot: " + one for one in end.wrongs(desired, FULL_NAME, site.placed, before, after, booted=True)
        ]
        if not (at_once and reaches):
            found.append("MAAS is not reached")
        if expected.invalid:
            found.append("it cannot be right: " + "; ".join(expected.invalid))
        if found:
            return Outcome("false Deployed", "; ".join(found))
        told = " ".join(str(event.get("description")) for event in site.maas.machine.events)
        unnamed = [name for name in expected.broken if not re.search(rf"\b{re.escape(name)}\b(?![.:]\d)", told)]
        if unnamed:
            return Outcome("broken unnamed", ", ".join(unnamed))
        return Outcome("secret or rest left", "; ".join(left)) if left else Outcome("Deployed, right")
    if reached and not (at_once and reaches):
        return Outcome("stranded", "at once" if not at_once else "after a boot")
    # ESXi saves by itself every hour: what the boot took back here could have stayed.
    fallback = case.booted if not reached and at_once and reaches else ""
    different = end.not_as_found(desired, site.placed, before, now, fallback)
    different = different or end.not_as_found(desired, site.placed, before, after, fallback)
    if different:
        return Outcome("not as found", "; ".join(different))
    if status is not MachineStatus.FAILED_DEPLOYMENT and not expected.untold:
        return Outcome("unknown", str(status))
    if left:
        return Outcome("secret or rest left", "; ".join(left))
    if expected.must_deploy:
        return Outcome("valid, but failed", _reason(site))
    return Outcome("Failed rightly, as found" if expected.invalid else "Failed with an excuse, as found")


def _reason(site: RandomSite) -> str:
    path = site.bank / "esxforge.log"
    lines = path.read_text().splitlines() if path.exists() else []
    found = [line for line in lines if "FAILED" in line]
    return found[0][:400] if found else "no reason in the log"


def _second_run(site: RandomSite, cfg: str) -> Outcome | None:
    """The agent once more, on what it has finished."""
    count = len(site.fake.commands)
    before = site.state()
    site.maas.machine.status = MachineStatus.DEPLOYING
    (site.bank / "boot.cfg").write_text(cfg)
    site.rewrite_module()
    quietly(site.live)
    after = site.state()
    ran = [" ".join(command) for command in site.fake.commands[count:] if not is_question(command)]
    changed = [command for command in ran if not any(one in command for one in _PASSING)]
    if _boot_moved_default(before):
        changed = [command for command in changed if not _ASKS_AGAIN.match(command)]
    if changed:
        return Outcome("second run changes", "; ".join(changed[:5]))
    if site.status is not MachineStatus.DEPLOYED:
        return Outcome("second run changes", f"MAAS says {site.status}")
    different = end.unlike(end.without_leases(before.running), end.without_leases(after.running))
    return Outcome("second run changes", different) if different else None


def _boot_moved_default(before: machine.Machine) -> bool:
    """Whether the boot gave the default route to another lease than that of vmk0, which brings one, too: which comes
    last then is ESXi's to say, and asking again until it is vmk0's is right.
    """
    leases = {vmk["name"]: vmk["ipv4"].get("lease") or {} for vmk in before.vmks if vmk["ipv4"]["type"] == "dhcp"}
    owners = [one["interface"] for one in before.routes if one["network"] == end.EVERYTHING[4]]
    return bool(leases.get("vmk0", {}).get("router")) and bool(owners) and owners[0] in set(leases) - {"vmk0"}


# -- many hosts -----------------------------------------------------------------------------------------------------


def _one(task: tuple[dict[str, str], int, bool]) -> tuple[dict[str, str], int, Outcome]:
    chosen, seed, twice = task
    return chosen, seed, checked_case(chosen, seed, twice)


def checked_case(chosen: dict[str, str], seed: int, twice: bool) -> Outcome:
    """As ``run_case``. A StopIteration would end a pool's chunk without a word, and a PowerLost its process."""
    try:
        return run_case(make_case(chosen, seed), twice)
    except (StopIteration, PowerLost) as error:
        raise RuntimeError(f"host {seed} cannot be judged: {error!r}") from error


def plan_tasks(count: int, seed: int) -> list[tuple[dict[str, str], int, bool]]:
    """So many hosts. The first ones are chosen so that every pair of settings occurs; the rest is drawn."""
    rng = random.Random(seed)  # noqa: S311  the same hosts each time
    return [(chosen, seed * 1_000_000 + number, number % 4 == 0) for number, chosen in enumerate(covering(rng, count))]


def main(arguments: list[str] | None = None) -> int:
    """Run random hosts and print what came of them; 1 if anything came out wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, help="stop after so long, and say how many hosts were run")
    parser.add_argument("--show", type=int, default=5, help="classes of each wrong outcome")
    parser.add_argument("--only", type=int, help="the host of this number alone, with the agent's log")
    parser.add_argument("settings", nargs="*", help="NAME=SETTING: one host, plain but for these, with the agent's log")
    given = parser.parse_args(arguments)
    if given.settings:
        chosen = {name: settings[0] for name, settings in SETTINGS.items()}
        chosen.update(one.split("=", 1) for one in given.settings)
        return _show_one((chosen, given.seed, True))
    tasks = plan_tasks(given.count, given.seed)
    if given.only is not None:
        return _show_one(tasks[given.only])
    started = time.monotonic()
    counts: collections.Counter[str] = collections.Counter()
    examples: dict[str, list[tuple[int, Outcome, dict[str, str]]]] = {}
    with multiprocessing.Pool(given.processes) as pool:
        for chosen, seed, outcome in pool.imap(_one, tasks, chunksize=4):
            counts[outcome.kind] += 1
            if not outcome.is_right:
                examples.setdefault(outcome.kind, []).append((seed % 1_000_000, outcome, chosen))
                print(f"host {seed % 1_000_000}: {outcome.kind}: {outcome.why[:200]}", file=sys.stderr, flush=True)
            if given.minutes and time.monotonic() - started > given.minutes * 60:
                tasks = tasks[: sum(counts.values())]
                pool.terminate()
                break
    assert sum(counts.values()) == len(tasks), "some hosts are missing"
    missing = every_pair() - set().union(*(pairs_of(chosen) for chosen, _, _ in tasks))
    for kind in [*RIGHT, *WRONG]:
        if counts[kind] or kind in WRONG[:3]:
            print(f"{kind:<36}{counts[kind]:>7}")
    print(f"{'all':<36}{sum(counts.values()):>7}")
    print(f"pairs of settings: {len(every_pair())}, of which {len(missing)} did not occur")
    for kind, found in examples.items():
        print(f"\n{kind}: {len(found)}")
        classes: dict[str, list[tuple[int, Outcome, dict[str, str]]]] = {}
        for one in found:
            classes.setdefault(_class_of(one[1].why), []).append(one)
        for alike in sorted(classes.values(), key=len, reverse=True)[: given.show]:
            number, outcome, chosen = min(alike, key=lambda one: len(_unusual(one[2])))
            print(f"  {len(alike)} like host {number}: {outcome.why}\n      {_unusual(chosen)}")
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    return 1 if examples else 0


def _class_of(why: str) -> str:
    """The same for sentences that differ in names, numbers and addresses only."""
    return re.sub(r"[0-9a-f]*[0-9][0-9a-f:.-]*|T[0-9:]+Z", "#", why)[:160]


def _unusual(chosen: dict[str, str]) -> str:
    return ", ".join(f"{name}={setting}" for name, setting in chosen.items() if setting != SETTINGS[name][0])


def _show_one(task: tuple[dict[str, str], int, bool]) -> int:
    chosen, seed, twice = task
    log: list[str] = []
    case = make_case(chosen, seed)
    outcome = run_case(case, twice, log)
    print(_unusual(chosen))
    print(*log, sep="\n")
    print(f"{outcome.kind}: {outcome.why}")
    return 0 if outcome.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
