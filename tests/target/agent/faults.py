"""Every fault at every step of the agent, and what became of host and machine: the table of ``make faults``.

A *step* is a command, a write to the boot bank, or a request to MAAS, in the order of a deployment that goes well.
Each case is a new host on which one fault strikes at one step; the host is booted again until the agent has left. Then
it is judged here, not by the agent's own words: by what the fake ESXi has, what MAAS heard, and every byte left.
"""

from __future__ import annotations

import collections
import contextlib
import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standin.esxi import PowerLost
from standin.maas_metadata import FakeMetadataService, Fault, MachineStatus, VirtualClock
from target.agent.site import Away, Outage, Site
from target.agent.wrong_answers import Twist, is_question, wrong_answers

# What the host is in the end, and what MAAS says of it. Deployed goes with the desired host only.
OUTCOMES = (
    "desired, Deployed", "desired, Failed", "found, Failed", "DHCP, Failed", "desired, untold", "found, untold",
)  # fmt: skip

# ESXi has no question whose answer would show whether this did what it says.
NOT_TO_BE_ASKED = ("vim-cmd hostsvc/enable_ssh",)
FIREWALL = "esxcli network firewall "
# A command late in a deployment: when it fails for good, all before it is put back.
LATE = "vim-cmd hostsvc/start_ssh"
MINUTE = 60.0


@dataclass(frozen=True)
class Verdict:
    """``outcome`` is one of those above; ``wrongs`` says in sentences what must never be."""

    outcome: str
    wrongs: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A fault at step ``number`` (0: not at one step). ``prepare`` arms it.

    ``shown``: if MAAS is not notified, the machine's console has these words instead.
    """

    fault: str
    number: int
    step: str
    prepare: Callable[[Site], None]
    may_be_untold: bool = False
    fallback: bool = False
    shown: str = ""


@contextlib.contextmanager
def host(config: str = "simple-static", **more: Any) -> Iterator[Site]:
    """A freshly installed host, in memory where the machine has room for that."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    clock = VirtualClock()
    with tempfile.TemporaryDirectory(prefix="esxforge-faults-", dir=memory) as directory:
        with FakeMetadataService(clock=clock.true_time) as maas:
            maas.machine.user_data = b"#cloud-config\nwrite_files: [{path: /vmfs/volumes/x, content: y}]\n"
            yield Site(Path(directory), maas, clock, config, "6.7.0" if "67" in config else "8.0.3", **more)


def judge(site: Site, before: dict[str, Any], may_be_untold: bool = False) -> Verdict:
    """What became of it, after one more power cut and boot: what is not saved does not count."""
    site.outages.clear()
    site.pass_time()
    now = settings(site)
    before_boot = site.reaches_maas()
    if site.fake.is_on:
        site.fake.power_cut()
    site.boot()
    wrongs = [f"left behind: {one}" for one in site.leftovers()] + [f"secret: {one}" for one in site.leaks()]
    if settings(site) != now:
        wrongs.append("what stands is not what was saved: " + unlike(now, settings(site)))
    different = site.differences()
    state = "desired" if not different else "found" if now == before else "DHCP"
    told = {MachineStatus.DEPLOYED: "Deployed", MachineStatus.FAILED_DEPLOYMENT: "Failed"}.get(site.status, "untold")
    if told == "Deployed" and different:
        wrongs.append("silent failure: MAAS says Deployed, but " + " ".join(different))
    if told == "untold" and not may_be_untold:
        wrongs.append("silent failure: MAAS was not told")
    if state == "DHCP" and not site.expects_fallback:
        wrongs.append("neither desired nor as found: " + unlike(before, now))
    if not site.reaches_maas():
        wrongs.append("stranded: the host does not reach MAAS")
    elif not before_boot:
        wrongs.append("stranded: the host does not reach MAAS until it is booted")
    return Verdict(f"{state}, {told}", tuple(wrongs))


def settings(site: Site) -> dict[str, Any]:
    """What the agent may change, without what leases bring."""
    running = site.fake.running
    interfaces = {}
    for name, vmk in running["interfaces"].items():
        kept = {key: vmk[key] for key in ("portgroup", "mac", "mtu", "enabled", "tags")}
        kept["ipv4"] = {key: vmk["ipv4"][key] for key in ("type", "peer_dns")}
        if vmk["ipv4"]["type"] == "static":
            kept["ipv4"].update(address=vmk["ipv4"]["address"], netmask=vmk["ipv4"]["netmask"])
        kept["ipv6"] = {key: value for key, value in vmk["ipv6"].items() if isinstance(value, bool)}
        interfaces[name] = kept
    stacks = {}
    for name, stack in running["netstacks"].items():
        stacks[name] = sorted(
            (route["network"], route["gateway"]) for route in stack["routes"] if route.get("source") == "MANUAL"
        )
    keys = Path(site.fake.path("/etc/ssh/keys-root/authorized_keys"))
    return {
        "name": (running["hostname"], running["domain"]),
        "vswitches": running["vswitches"],
        "portgroups": {key: (one["vswitch"], one["vlan"]) for key, one in running["portgroups"].items()},
        "interfaces": interfaces,
        "routes": stacks,
        "services": running["services"],
        "rulesets": {key: (one["enabled"], one["allow_all"]) for key, one in running["firewall"]["rulesets"].items()},
        "keys": keys.read_text() if keys.exists() else "",
        "extents": [repr(one) for one in site.inventory().extents],
    }


def unlike(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Which parts differ, and how."""
    return "; ".join(f"{key}: {one[key]} / {other[key]}" for key in one if one[key] != other[key])


# -- the faults -----------------------------------------------------------------------------------------------------


def _cut_before(number: int) -> Callable[[Site], None]:
    return lambda site: site.moment.before.update({number: site.cut})


def _cut_after(number: int) -> Callable[[Site], None]:
    return lambda site: site.moment.after.update({number: site.cut})


def _saved_and_cut(number: int) -> Callable[[Site], None]:
    def arm(site: Site) -> None:
        def strike() -> None:
            site.fake.hourly_backup()
            site.cut()

        site.moment.after[number] = strike

    return arm


def _fail(number: int, how: str) -> Callable[[Site], None]:
    return lambda site: site.moment.fail.update({number: how})


def _fail_always(step: str, how: str) -> Callable[[Site], None]:
    return lambda site: site.moment.fail_always.update({step: how})


def steps_of(config: str) -> list[str]:
    """The steps of a deployment that goes well."""
    with host(config) as site:
        quietly(site.live)
        assert site.status is MachineStatus.DEPLOYED
        return list(site.moment.log)


def is_command(step: str) -> bool:
    """Whether a step is a command (and no write, no request)."""
    return step.split(maxsplit=1)[0] not in ("append", "fill", "move", "overwrite", "remove", "GET", "POST")


def cases(config: str) -> list[Case]:
    """Every fault at every step."""
    steps = steps_of(config)
    found: list[Case] = []
    for number, step in enumerate(steps, 1):
        found.append(Case("power cut before", number, step, _cut_before(number)))
        found.append(Case("power cut after", number, step, _cut_after(number)))
        found.append(Case("hourly save, power cut", number, step, _saved_and_cut(number)))
        if is_command(step):
            found.append(Case("fails once", number, step, _fail(number, "fail")))
            found.append(Case("hangs once", number, step, _fail(number, "hang")))
            found.append(Case("works, but hangs", number, step, _fail(number, "late")))
            if step not in NOT_TO_BE_ASKED:
                found.append(Case("says it worked", number, step, _fail(number, "ignore")))
        elif step.split(maxsplit=1)[0] in ("append", "fill", "move", "overwrite"):
            found.append(Case("fails once", number, step, _fail(number, "fail")))
    for number, step in enumerate(dict.fromkeys(steps), 1):
        if is_command(step):
            shut = step.startswith(FIREWALL)  # nothing gets out to MAAS then
            shown = "the firewall was not opened" if shut else ""
            found.append(Case("always fails", number, step, _fail_always(step, "fail"), shut, shown=shown))
            if step not in NOT_TO_BE_ASKED:
                always = _fail_always(step, "ignore")
                found.append(Case("says it worked, always", number, step, always, shut, shown=shown))
    return found


def failing(config: str) -> list[Case]:
    """Power cuts at every step of a deployment that fails late and is put back."""
    with host(config) as site:
        site.moment.fail_always[LATE] = "fail"
        quietly(site.live)
        steps = list(site.moment.log)

    def both(arm: Callable[[Site], None]) -> Callable[[Site], None]:
        def prepare(site: Site) -> None:
            site.moment.fail_always[LATE] = "fail"
            arm(site)

        return prepare

    found = []
    for number, step in enumerate(steps, 1):
        found.append(Case("put back: power cut after", number, step, both(_cut_after(number))))
        found.append(Case("put back: hourly save, power cut", number, step, both(_saved_and_cut(number))))
    return found


def answers(config: str) -> list[Case]:
    """Every answer wrong in every way, from the first one on."""
    with host(config) as site:
        heard: list[tuple[str, str]] = []
        site.moment.heard = heard
        quietly(site.live)
    asked = [(line, answer) for line, answer in heard if is_question(line)]
    return [Case(one.fault, number, one.where, _twist(one.make)) for number, one in enumerate(wrong_answers(asked), 1)]


def _twist(make: Callable[[], Twist]) -> Callable[[Site], None]:
    def arm(site: Site) -> None:
        site.moment.twist = make()

    return arm


def outages() -> list[Case]:
    """MAAS, its gateway and its answers out of order, for a while or for good."""
    found = []
    for when, moment in (("from the start", ""), ("when the network changes", "esxcli network ip interface ipv4 set"),
                         ("when all is saved", "/sbin/auto-backup.sh")):  # fmt: skip
        for minutes in (1, 5, 20):
            for what in ((Away.MAAS,), (Away.GATEWAY,), (Away.MAAS, Away.GATEWAY), (Fault.UNAVAILABLE,),
                         (Fault.RESET,), (Away.MAAS, Away.GATEWAY, Away.DHCP)):  # fmt: skip
                spans = [Outage(one, 0, minutes * MINUTE) for one in what]
                names = " and ".join(one.value for one in what)
                found.append(
                    Case(f"{minutes} min without {names}" if isinstance(what[0], Away) else f"{minutes} min: {names}",
                         0, when, _out(spans, moment), may_be_untold=minutes == 20)
                )  # fmt: skip
    return found


def _out(spans: list[Outage], moment: str) -> Callable[[Site], None]:
    """From now on, or from a moment that begins with these words."""

    def arm(site: Site) -> None:
        if moment:
            site.moment.at[moment] = lambda: begin(site)
        else:
            begin(site)

    def begin(site: Site) -> None:
        now = site.clock.elapsed
        site.outages += [Outage(one.what, now + one.start, now + one.end) for one in spans]

    return arm


# -- running --------------------------------------------------------------------------------------------------------


def quietly(action: Callable[[], Any]) -> Any:
    """Run it without the agent's log on our output."""
    with contextlib.redirect_stdout(io.StringIO()):
        return action()


def run_case(case: Case, config: str) -> Verdict:
    """One host, one fault, until the agent has left."""
    with host(config) as site:
        before = settings(site)
        site.expects_fallback = case.fallback
        case.prepare(site)
        try:
            quietly(site.live)
        except PowerLost as lost:
            return Verdict("?", (f"the power went where nobody expected it: {lost}",))
        except AssertionError as error:
            return Verdict("?", (str(error),))
        verdict = judge(site, before, case.may_be_untold)
        if (
            case.shown
            and verdict.outcome.endswith("untold")
            and case.shown not in Path(site.fake.path("/dev/console")).read_text()
        ):
            return Verdict(verdict.outcome, (*verdict.wrongs, f"the console does not say: {case.shown}"))
        return verdict


def all_cases(config: str) -> list[Case]:
    """Every case of a configuration, in the order of the table."""
    return cases(config) + failing(config) + outages() + answers(config)


_CASES: dict[str, list[Case]] = {}  # of this process: a case holds functions, so its number goes to a process instead


def _numbered(job: tuple[str, int]) -> Verdict:
    config, number = job
    if config not in _CASES:
        _CASES[config] = all_cases(config)
    return run_case(_CASES[config][number], config)


def main(config: str = "simple-static") -> int:
    """Run all cases of a configuration and print the table; 1 if anything happened that must never be."""
    started = time.monotonic()
    table: dict[str, collections.Counter[str]] = {}
    wrongs: list[str] = []
    chosen = all_cases(config)
    with multiprocessing.Pool() as pool:
        verdicts = pool.imap(_numbered, [(config, number) for number in range(len(chosen))], chunksize=4)
        for case, verdict in zip(chosen, verdicts, strict=True):
            table.setdefault(case.fault, collections.Counter())[verdict.outcome] += 1
            wrongs += [f"{case.fault} at step {case.number} ({case.step}): {wrong}" for wrong in verdict.wrongs]
    outcomes = [one for one in OUTCOMES if any(counts[one] for counts in table.values())]
    print(f"{'fault':<62}{'steps':>6}" + "".join(f"{one:>18}" for one in outcomes))
    for fault, counts in table.items():
        print(f"{fault:<62}{sum(counts.values()):>6}" + "".join(f"{counts[one] or '':>18}" for one in outcomes))
    totals = sum(table.values(), collections.Counter[str]())
    print(f"{'all':<62}{len(chosen):>6}" + "".join(f"{totals[one]:>18}" for one in outcomes))
    silent = len([wrong for wrong in wrongs if "silent failure" in wrong])
    stranded = len([wrong for wrong in wrongs if "stranded" in wrong])
    print(f"silent failures: {silent}; stranded hosts: {stranded}; other wrongs: {len(wrongs) - silent - stranded}")
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    for wrong in wrongs:
        print(wrong)
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
