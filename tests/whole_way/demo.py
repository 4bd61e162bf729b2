"""``make demo``: the whole way on one computer, without an ISO, MAAS, KVM or root, told step by step.

    PYTHONPATH=tests .venv/bin/python -m whole_way.demo [--watch] [--simple]

Everything but the stand-ins is what a person runs: esxforge's own commands, its hook in curtin's place, its step in the
installer, its agent on the host.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from esxforge.errors import ForgeError
from esxforge.local.interrupts import termination_as_interrupt
from esxforge.local.workspace import work_directory
from esxforge.vm import serial
from esxforge.vm.machine import RunningMachine
from esxforge.vm.watch import WatchPage, watch_page
from standin.maas_metadata import MachineStatus
from standin.system.iso import make_bootable_iso
from whole_way import order
from whole_way.deployer import make_deployer
from whole_way.host import HostError
from whole_way.laboratory import AGENT_IS_DONE, Laboratory, laboratory
from whole_way.maas import Maas
from whole_way.summary import summary

_PASSWORD = "Demo-1-password"
# MAAS's last events may be a minute late, which “esxforge deploy” waits for.
_FOLLOWS_ON = 150
_STARTED = time.monotonic()


def main() -> int:
    """0 when the host came up as ordered."""
    parser = argparse.ArgumentParser(prog="make demo", description="The whole way, from an ISO to a deployed host.")
    parser.add_argument("--watch", action="store_true", help="show the machine's screen on a local web page")
    parser.add_argument("--simple", action="store_true", help="one NIC with DHCP instead of bond, VLAN, IPv6")
    arguments = parser.parse_args()
    try:
        with termination_as_interrupt():
            return _demo(order.dhcp() if arguments.simple else order.everything(), watch=arguments.watch)
    except ForgeError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
    except HostError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return 1


def _demo(desired: order.Order, *, watch: bool) -> int:
    # Logs outlive the run; the machine's disks and the image do not.
    logs = Path(tempfile.mkdtemp(prefix="esxforge-demo-"))
    with ExitStack() as stack:
        directory = stack.enter_context(work_directory())
        lab = stack.enter_context(laboratory(desired, logs, on_segment=2))
        if watch:
            page = stack.enter_context(watch_page("esxforge demo"))
            lab.host.look = _shower(page)
            say(f"Watch the machine's screen at {page.address}")
        the_whole_way(lab, directory)
        step("What is on the machine's disks, its power cut")
        good = _conclude(lab)
        say(f"Serial logs and MAAS's story: {logs}")
        minutes, seconds = divmod(int(time.monotonic() - _STARTED), 60)
        say(f"From the ISO to the host: {minutes} min {seconds} s")
        return 0 if good else 1


def the_whole_way(lab: Laboratory, directory: Path, while_it_runs: Callable[[], None] = lambda: None) -> None:
    """From an ISO to a host on which the agent has done its work, told step by step; its power is cut at the end.

    Raises ForgeError for what esxforge refuses, HostError for what the machine does not do.
    """
    iso, image, password = directory / "esxi.iso", directory / "vmware-esxi.dd.gz", directory / "password"
    password.write_text(_PASSWORD + "\n")
    step("An installer ISO (a stand-in: VMware's own is not free to pass on)")
    print(f"$ python -m standin.system.iso {iso}", flush=True)
    make_bootable_iso(iso, release="8.0")
    step("The image: the ISO's files on one FAT volume, with room for what each host needs")
    _esxforge("build", str(iso), "-o", str(image), "--accept-eula", "--root-password-file", str(password))
    step("The upload to MAAS (a stand-in that answers as MAAS 3.6.5)")
    _esxforge("upload", str(image), **lab.maas.variables)
    lab.maas.serve_image(lab.maas.region.content("esxi/8.0.3"))
    step("The plan, from MAAS's answers, before anything happens")
    _esxforge("plan", "--machine", lab.order.hostname, "--summary", **lab.maas.variables)
    deployer = make_deployer(directory)
    step("MAAS deploys the machine: Linux starts from the network, writes the image as curtin does, runs its hook")
    with _deploying(lab):
        with _telling(lab.maas):
            deployed = lab.deploy(deployer)
        _quote(lab.maas.installation_log, "esxforge: ")
        if not deployed:
            raise HostError("curtin failed:\n" + lab.maas.installation_log)
        step("The machine starts from its disk: ESXi's installer (stand-in), then ESXi (stand-in) with the agent")
        with _telling(lab.maas), lab.host.powered_on("esxi") as boot, _milestones(boot.log):
            boot.wait_for_text(AGENT_IS_DONE, 1200)
            while_it_runs()


@contextmanager
def _deploying(lab: Laboratory) -> Iterator[None]:
    """``esxforge deploy`` asks for the deployment and follows it while the block runs; it ends with the host Deployed.

    Raises HostError where it does not ask, or ends otherwise.
    """
    arguments = ["deploy", lab.order.hostname, "--yes"]
    print(f"$ {shlex.join(['esxforge', *arguments])}", flush=True)
    command = [sys.executable, "-m", "esxforge", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **lab.maas.variables}
    ) as process:

        def tell(_ended: threading.Event) -> None:
            for line in process.stdout or ():
                print(f"  deploy: {line}", end="", flush=True)

        with _in_background(tell):
            try:
                while not lab.maas.node.deploy_requests and process.poll() is None:
                    time.sleep(0.1)
                if not lab.maas.node.deploy_requests:
                    raise HostError("esxforge deploy did not ask MAAS for the deployment.")
                yield
                process.wait(_FOLLOWS_ON)
            finally:
                process.terminate()
    if process.returncode:
        raise HostError(f"esxforge deploy ended with status {process.returncode}.")


def _esxforge(*arguments: str, **variables: str) -> None:
    print(f"$ {shlex.join(['esxforge', *arguments])}", flush=True)
    command = [sys.executable, "-m", "esxforge", *arguments]
    done = subprocess.run(command, check=False, env={**os.environ, **variables})
    if done.returncode:
        raise ForgeError(f"esxforge {arguments[0]} failed.", "Its output is above.")


def _conclude(lab: Laboratory) -> bool:
    """Tell what became of it; whether that is what was desired."""
    say(summary(lab))
    found = lab.leaks()
    say("\nMAAS's token stands nowhere on its disks, packed files included." if not found else f"\nLeft: {found}")
    say(f"MAAS shows the machine as: {lab.maas.status.value}")
    return not found and lab.maas.status is MachineStatus.DEPLOYED


def step(title: str) -> None:
    """A heading."""
    print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n== {title}", flush=True)


def say(text: str) -> None:
    """A line of our own."""
    print(text, flush=True)


def _quote(text: str, mark: str) -> None:
    for line in text.splitlines():
        if line.startswith(mark):
            print(textwrap.indent(textwrap.fill(line[len(mark) :], 110), "    "))


@contextmanager
def _telling(maas: Maas) -> Iterator[None]:
    """What MAAS hears, as it comes."""
    known = len(maas.story())

    def tell(ended: threading.Event) -> None:
        nonlocal known
        while True:
            last = ended.wait(0.5)
            lines = maas.story()
            for line in lines[known:]:
                print(f"  MAAS <- {line.splitlines()[0]}", flush=True)
            known = len(lines)
            if last:
                return

    with _in_background(tell):
        yield


@contextmanager
def _milestones(log: Path) -> Iterator[None]:
    """What the machine says on its serial port, as it comes."""

    def tell(ended: threading.Event) -> None:
        shown = 0
        while True:
            last = ended.wait(0.5)
            lines = [line for line in serial.read(log).splitlines() if line.strip()]
            for line in lines[shown : len(lines) - (not last)]:
                print(f"  | {line}", flush=True)
                shown += 1
            if last:
                return

    with _in_background(tell):
        yield


@contextmanager
def _in_background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    ended = threading.Event()
    thread = threading.Thread(target=work, args=(ended,))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _shower(page: WatchPage) -> Callable[[RunningMachine, str], None]:
    def show(running: RunningMachine, sentence: str) -> None:
        with suppress(ForgeError, OSError):
            page.show(f"Waiting: {sentence}.", "", running.screenshot())

    return show


if __name__ == "__main__":
    sys.exit(main())
