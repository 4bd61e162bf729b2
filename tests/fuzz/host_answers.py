"""Answers of the stand-in for ESXi, recorded and played again."""

from __future__ import annotations

import functools
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from esxforge_target.inventory.disk_identities import DeviceDirectory
from esxforge_target.inventory.model import Inventory
from esxforge_target.inventory.read import read
from esxforge_target.runtime.commands import Result, Runner
from standin.esxi import FakeEsxi

_DIRECTORY = tempfile.TemporaryDirectory(prefix="esxforge-fuzz-")  # gone with the process


class Replay(Runner):
    """What a host answered, with some answers changed."""

    def __init__(self, answers: dict[str, str]) -> None:
        self._answers = answers

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        line = " ".join(arguments)
        text = self._answers.get(line)
        if text is None and line.replace("=json", "=keyvalue") in self._answers:
            return Result(0, "")  # an old host's
        return Result(1, "", "no answer") if text is None else Result(0, text)


_VOLUME = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_REST = "0b2d7c7d-3b5d-0e7c6f1d1b0a"


class _Recorder(Runner):
    """A host whose answers are kept. Without ``json`` it has none of JSON that can be read."""

    def __init__(self, runner: Runner, *, json: bool) -> None:
        self._runner = runner
        self._json = json
        self.answers: dict[str, Any] = {}

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        if "--formatter=json" in arguments and not self._json:
            return Result(0, "")
        result = self._runner.run(arguments, timeout, stdin)
        if result.status == 0:
            try:
                self.answers[" ".join(arguments)] = json.loads(result.stdout)
            except ValueError:
                self.answers[" ".join(arguments)] = result.stdout
        return result


@functools.cache
def recorded_answers() -> list[bytes]:
    """JSON objects: the answers by command line."""
    found = []
    for release, is_json in (("6.7.0", True), ("8.0.3", True), ("8.0.3", False)):
        fake = FakeEsxi.create(str(Path(_DIRECTORY.name, f"{release}-{is_json}")), "sas-12-nics", release)
        recorder = _Recorder(fake, json=is_json)
        read(recorder, DeviceDirectory(fake.devices))
        found.append(_numbered(json.dumps(recorder.answers)).encode())
    return [*found, _with_more(json.loads(found[1]))]


def _numbered(text: str) -> str:
    """Volumes have random UUIDs; here they are numbers, so that the inputs are the same in each run."""
    number: dict[str, str] = {}
    return _VOLUME.sub(lambda match: number.setdefault(match[0], f"{len(number):08x}-{_REST}"), text)


def _with_more(answers: dict[str, Any]) -> bytes:
    """A port group of somebody's, and no IPv6."""
    standard = "esxcli --formatter=json network vswitch standard portgroup "
    answers[standard + "list"].append({"Name": "eno2", "VLANID": "5", "VirtualSwitch": "vSwitch0"})
    failover = answers[standard + "policy failover get -p VM Network"]
    answers[standard + "policy failover get -p eno2"] = failover
    security = ("AllowPromiscuous", "AllowMACAddressChange", "AllowForgedTransmits")
    policy = {prefix + name: "true" for prefix in ("", "OverrideVswitch") for name in security}
    answers[standard + "policy security get -p eno2"] = [policy]
    answers["esxcli --formatter=json network ip interface ipv6 get"] = []
    answers["esxcli --formatter=json network ip interface ipv6 address list"] = []
    answers["esxcli --formatter=json network ip get"] = [{"IPv6Enabled": "false"}]
    return json.dumps(answers).encode()


def texts_of(answers: dict[str, Any]) -> dict[str, str]:
    """The answers as the host wrote them."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in answers.items()}


def inventories() -> list[Inventory]:
    """What is read from the recorded answers."""
    return [
        read(Replay(texts_of(json.loads(seed))), DeviceDirectory(str(Path(_DIRECTORY.name, "none"))))
        for seed in recorded_answers()
    ]
