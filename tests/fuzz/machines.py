"""Readers of what programs and machines say: MAAS and its CLI, the firmware, Linux, QEMU, consoles, and the hosts."""

from __future__ import annotations

import functools
import json
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from esxforge.deployment import follow
from esxforge.deployment.answers import answers_of
from esxforge.deployment.ask import read_answers, read_state
from esxforge.deployment.assessment import Wishes, assess, assessment_document
from esxforge.deployment.event_log import EventLog, Ordered
from esxforge.deployment.find import find_machine
from esxforge.deployment.progress import Progress
from esxforge.deployment.saved import load, reduced, save
from esxforge.deployment.text import against, heading, remarks
from esxforge.errors import ProcessError
from esxforge.maas.auth import ApiKey
from esxforge.maas.boot_resources import BootResources
from esxforge.maas.client import Client, MaasResponse
from esxforge.maas.connection import Connection
from esxforge.maas.credentials import ConnectionOptions, find_connection, names_one
from esxforge.maas.failures import RefusedError
from esxforge.maas.region import ask
from esxforge.maas.upload_state import upload_state
from esxforge.selftest.claims import judge
from esxforge.selftest.evidence import Asked
from esxforge.selftest.service import Service
from esxforge.vm import serial
from esxforge.vm.diagnosis import Ending, FailureEvidence, diagnose, error_box
from esxforge.vm.firmware import FirmwarePlaces, find_ovmf
from esxforge.vm.phases import Phase, phase_of
from esxforge.vm.screen import png_from_ppm
from esxforge_target.agent import journal
from esxforge_target.agent.certificate import common_name
from esxforge_target.contract.desired_host import Disk
from esxforge_target.hook.disks import Disks
from esxforge_target.hook.machine import LinuxHost
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.strict_json import load_json
from fuzz import maas_seeds, seeds, words
from fuzz.mutate import mutate_bytes, mutate_json, mutate_lines, mutate_value
from fuzz.target import Target, read_all
from unit.selftest import made_up

_DIRECTORY = tempfile.TemporaryDirectory(prefix="esxforge-fuzz-")  # gone with the process
_Result = TypeVar("_Result")


def _scratch(name: str) -> Path:
    path = Path(_DIRECTORY.name, name)
    path.mkdir(exist_ok=True)
    return path


def _texts(data: bytes) -> dict[str, str]:
    """A JSON object of texts: several files in one input."""
    with suppress(ValueError, RecursionError):
        found = json.loads(data)
        if isinstance(found, dict):
            return {str(key): value for key, value in found.items() if isinstance(value, str)}
    return {}


def _mutate_texts(random: Random, data: bytes) -> bytes:
    """One of the texts changes, now and then the names of them."""
    texts = _texts(data)
    if not texts or random.random() < 0.05:
        return mutate_json(random, data)
    key = random.choice(sorted(texts))
    changed = mutate_lines(random, texts[key].encode("latin-1", "replace"))
    return json.dumps({**texts, key: changed.decode("latin-1")}).encode()


# -- MAAS -----------------------------------------------------------------------------------------------------------


class _Replies(Client):
    """MAAS, as far as an input has its answers: by the path of the request, or else one for every request."""

    def __init__(self, answers: Callable[[str, Any], Any]) -> None:
        self._answers = answers
        self.connection = Connection("http://maas.example:5240/MAAS", ApiKey("a", "b", "c"))

    def json(self, method: str, path: str, **arguments: Any) -> Any:
        return self._answers(path, arguments.get("query"))

    def request(self, method: str, path: str, **arguments: Any) -> MaasResponse:
        return MaasResponse(200, json.dumps(self.json(method, path, **arguments)))

    def patiently(self, call: Callable[[], _Result]) -> _Result:
        return call()

    def clean(self, text: str) -> str:
        return text


_WISHES = (
    Wishes(image="esxi/8.0.3", release="6.7", golden=True, owner="admin"), Wishes(boot_nic="eth0", release="8.0"),
    Wishes(boot_nic="eth9"), Wishes(image="esxi/7.0", golden=False), Wishes(release="8.0.3", golden=False),
)  # fmt: skip


def _answers(data: bytes) -> str:
    """The input decides which wishes there are besides none."""
    documents = load_json(data, "The answers", most_bytes=1 << 25)
    if not isinstance(documents, dict):
        return "none"
    shown = ""
    number = zlib.crc32(data)
    reread = _saved(documents) if number % 16 == 0 else reduced(documents)
    for some, wishes in ((documents, Wishes()), (reread, _WISHES[number % len(_WISHES)])):
        found = assess(answers_of(some), wishes)
        json.dumps(assessment_document(found))
        shown += heading(found) + " ".join(remarks(found)) + " ".join(one.sentence for one in against(found))
    return shown


def _saved(documents: dict[str, Any]) -> dict[str, Any]:
    """What comes back from the disk: not each time, for that has to wait for the disk."""
    directory = _scratch("answers") / "saved"
    save(documents, directory)
    try:
        return load(directory)
    finally:
        shutil.rmtree(directory)


def _asking(data: bytes) -> None:
    """Each request gets the answer of its path, or all the same: what asks for it must say what is wrong with it."""
    answer = load_json(data, "The answer", most_bytes=1 << 25)

    def reply(path: str, query: Any) -> Any:
        if not (isinstance(answer, dict) and isinstance(answer.get("paths"), dict)):
            return answer
        paths = answer["paths"]
        found = paths.get(f"{path}?{query['op']}" if query and "op" in query else path, paths.get(path))
        if isinstance(found, int) and not isinstance(found, bool) and 400 <= found < 600:
            raise RefusedError("MAAS refused.", status=found, answer="")
        return found

    client = _Replies(reply)
    read_all(
        lambda: ask(client).capabilities,
        lambda: find_machine(client, "node1"),
        lambda: find_machine(client, "node1.maas"),
        lambda: find_machine(client, "abc123"),
        lambda: find_machine(client, "no name"),
        lambda: read_answers(client, "abc123"),
        lambda: read_state(client, "abc123"),
        lambda: BootResources(client).list(),
        lambda: _uploaded(client),
        lambda: follow._read(client, "abc123"),
        lambda: follow._log_lines(client, "abc123"),
    )


def _uploaded(client: Client) -> None:
    resource = BootResources(client).get(46)
    if resource is not None:
        upload_state(resource, "0" * 64, 3)
        newest = resource.newest
        read_all(*(lambda file=file: file.upload_path for file in (newest.files.values() if newest else ())))


def _events(data: bytes) -> str:
    answer = load_json(data, "The answer")
    pages = [answer]
    log = EventLog(_Replies(lambda _path, _query: pages.pop() if pages else {"events": []}), "abc123")
    log.skip()
    pages.append(answer)
    log.rewind()
    pages.append(answer)
    ordered, progress = Ordered(), Progress(status=(None, 4, 6, 9, 11)[zlib.crc32(data) % 5])
    events = log.new()
    half = len(events) // 2
    taken = [*ordered.take(events[:half], 0.0), *ordered.take(events[half:], 90.0), *ordered.rest()]
    shown = [progress.take(event) for event in taken]
    return f"{shown} {progress.outcome} {progress.times(ended=True)} {progress.reason()}"


def _cli(data: bytes) -> None:
    home = _scratch("home")
    (home / ".maascli.db").write_bytes(data)
    read_all(
        lambda: names_one(ConnectionOptions(), {}, home),
        lambda: find_connection(ConnectionOptions(), {}, home),
        lambda: find_connection(ConnectionOptions(profile="admin"), {}, home),
    )


def _cli_database(rows: list[tuple[Any, Any]]) -> bytes:
    path = _scratch("made") / "maascli.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        # Nothing here has to survive a power cut.
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA journal_mode = MEMORY")
        database.execute("CREATE TABLE profiles (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, data BLOB)")
        database.executemany("INSERT INTO profiles (name, data) VALUES (?, ?)", rows)
        database.commit()
    return path.read_bytes()


_PROFILE: dict[str, Any] = {
    "name": "admin", "url": "http://maas.example:5240/MAAS/api/2.0/", "credentials": ["a", "b", "c"], "cacerts": None,
    "description": {"resources": []},
}  # fmt: skip


def _mutate_cli(random: Random, data: bytes) -> bytes:
    if random.random() < 0.3:
        return mutate_bytes(random, data)
    profile = json.dumps(mutate_value(random, _PROFILE))
    values: list[Any] = [profile, profile, profile.encode("utf-8", "surrogatepass"), "{", None, 5, b"\xff", ""]
    try:
        return _cli_database([("admin", random.choice(values)), *([("b", profile)] if random.random() < 0.2 else [])])
    except (sqlite3.Error, UnicodeEncodeError, OverflowError):
        return data


# -- this computer, and machines in it --------------------------------------------------------------------------------


# Inputs name this directory; the true one has another name in each run.
_FIRMWARE = "/FIRMWARE"


def _firmware(data: bytes) -> str:
    directory = _scratch("firmware")
    (directory / "50-edk2.json").write_bytes(data.replace(_FIRMWARE.encode(), str(directory).encode()))
    for name in ("code.fd", "vars.fd"):
        (directory / name).touch()
    try:
        known = (directory / "code.fd", directory / "absent.fd")
        found = find_ovmf(places=FirmwarePlaces((directory, directory / "absent"), (known,)))
    except ProcessError:
        return "none"
    return f"{found.code.name} {found.code_format}"


def _firmware_seeds() -> list[bytes]:
    place = {name: {"filename": f"{_FIRMWARE}/{file}.fd", "format": "raw"}
             for name, file in (("executable", "code"), ("nvram-template", "vars"))}  # fmt: skip
    return [
        json.dumps({
            "description": "UEFI", "interface-types": ["uefi"], "features": ["acpi-s3"], "tags": [],
            "mapping": {"device": "flash", "mode": "split", **place},
            "targets": [{"architecture": "x86_64", "machines": ["pc-i440fx-*", "pc-q35-*"]}],
        }).encode()
    ]  # fmt: skip


def _console(data: bytes) -> str:
    path = _scratch("console") / "serial.log"
    path.write_bytes(data)
    text = serial.read(path)
    serial.last_lines(text)
    reached = max(phase_of(text, 0), min(phase_of(text, 1 << 30), Phase.WRITING))
    causes = {
        diagnose(FailureEvidence(ending, serial=text, qemu_output=text, exit_status=1, phase=Phase.KERNEL)).cause.value
        for ending in Ending
    }
    return f"{reached.name} {'; '.join(sorted(causes))} {error_box(text)}"


def _console_seeds() -> list[bytes]:
    return [
        (
            b"BdsDxe: failed to load Boot0001\r\nLoading /b.b00\r\nShutting down firmware services...\r\n"
            b"Relocating modules and starting up the kernel...\r\n2026-11-23T10:00:00.123Z cpu0:131072)VMB: 61: x\r\n"
            b"\x1b[31mWelcome to the VMware ESXi 8.0 Installation\x1b[0m\r\nweasel: ks.cfg line 3: error\r\n"
            b"esxforge: ESXi was NOT installed: no disk\r\n  more\r\nPress Enter to Continue\r\n"
            b"PSOD @BlueScreen: #PF\r\n"
        ),
        b"Fatal error: 8 (Out of resources)\r\nNo bootable device.\r\n\x1b[2JThe system has found a problem\r\n",
    ]


def _screen(data: bytes) -> str:
    return str(len(png_from_ppm(data)))


# -- under Linux, in curtin -----------------------------------------------------------------------------------------

_EFI = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
# What firmware and disks say; the rest of /sys is the kernel's own word.
_LINUX = {
    f"sys/firmware/efi/efivars/SecureBoot-{_EFI}": "\6\0\0\0\1",
    f"sys/firmware/efi/efivars/BootOrder-{_EFI}": "\7\0\0\0\3\0\1\0\0\0",
    "proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/nfs BOOTIF=01-52-54-00-65-73-78 ro quiet",
    "run/udev/data/b8:0": "S:disk/by-id/x\nE:ID_SERIAL=QEMU_HARDDISK_S1\nE:ID_SERIAL_SHORT=S1\nE:ID_WWN=0x5000c500\n",
    "sys/block/sda/device/vpd_pg80": "\0\x80\0\2S1",
    "sys/block/sda/device/wwid": "naa.5000c500",
    "sys/block/sda/device/serial": "S1",
    "sys/block/sda/device/model": "QEMU HARDDISK",
}


def _linux(data: bytes) -> str:
    root = _scratch("linux")
    kernel = {"sys/block/sda/size": "8000000", "sys/block/sda/dev": "8:0", "sys/block/sda/device/type": "0"}
    for name, text in {**dict.fromkeys(_LINUX, ""), **_texts(data), **kernel}.items():
        if name in _LINUX or name in kernel:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("latin-1", "replace"))
    host = LinuxHost(str(root))
    disks = Disks(host)
    said = f"{host.is_uefi()} {host.secure_boot()} {host.boot_order()} {host.boot_mac()}"
    for number, wwn in (("S1", "0x5000c500"), ("S1", ""), ("", "5000c500"), ("", "")):
        for device in ("", "/dev/sda"):
            with suppress(ForgeError):
                said += disks.matching(Disk("sda", serial=number, wwn=wwn, path=device)).label
    return said


# -- on ESXi --------------------------------------------------------------------------------------------------------

_RECORDS = (
    {"kind": "boot", "number": 1}, {"kind": "found", "inventory": "{}", "ssh": True},
    {"kind": "change", "number": 2, "about": "vmk0", "commands": [["esxcli", "network"]],
     "files": [{"path": "/etc/x", "content": "eA=="}]},
    {"kind": "committed", "numbers": [2]}, {"kind": "outcome", "save": True, "text": "done"},
)  # fmt: skip


def _journal_line(text: bytes) -> bytes:
    return b"%08x " % zlib.crc32(text) + text + b"\n"


def _journal(data: bytes) -> str:
    return str([journal._parse(line) for line in data.split(b"\n")])


def _mutate_journal(random: Random, data: bytes) -> bytes:
    """Records with other values and right checksums; now and then bytes."""
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    _, _, text = lines[at].partition(b" ")
    if random.random() < 0.2 or not text:
        return mutate_bytes(random, data)
    lines[at] = _journal_line(mutate_json(random, text))[:-1]
    return b"\n".join(lines)


def _told(data: bytes) -> str:
    """What a host answers to the self-test, from its request to the verdicts."""
    service = _service()
    service.told = None
    reply = service._intake("POST", service._path, data)
    if service.told is None:
        judge(replace(made_up.good(), told=None))
        return f"refused {reply is not None and reply.status}"
    evidence = replace(made_up.good(), told=service.told, asked=Asked(golden=True, maas=True))
    verdicts = judge(evidence).items()
    return " ".join(f"{name}={verdict.status.value}" for name, verdict in verdicts if verdict.status.value != "seen")


@functools.cache
def _service() -> Service:
    from esxforge.selftest.order import GuestToken

    return Service(GuestToken())


def _certificate(data: bytes) -> str:
    return common_name(data)


def _certificate_seeds() -> list[bytes]:
    import ssl
    from datetime import datetime, timezone

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "esx01.example.com")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 5, datetime(2026, 1, 1, tzinfo=timezone.utc),
                                   datetime(2030, 1, 1, tzinfo=timezone.utc)).sign(key, None)  # fmt: skip
    assert ssl.PEM_HEADER.encode() in made.public_bytes(Encoding.PEM)
    return [made.public_bytes(Encoding.PEM)]


def _mutate_certificate(random: Random, data: bytes) -> bytes:
    """The DER within, mostly."""
    import ssl

    with suppress(ValueError):
        if random.random() < 0.9:
            der = ssl.PEM_cert_to_DER_cert(data.decode("ascii"))
            return ssl.DER_cert_to_PEM_cert(mutate_bytes(random, der)).encode()
    return mutate_bytes(random, data)


_T, _E = "esxforge_target/", "esxforge/"
TARGETS = (
    Target("deployment-answers", _answers, seeds.deployment_answers, partial(mutate_json, words=words.MAAS),
           tuple(_E + f"deployment/{name}.py" for name in (
               "answers", "assessment", "auto_addresses", "checks", "connectivity", "gateways", "images",
               "name_servers", "network", "prediction", "saved", "state", "storage")), "json"),
    Target("maas-asking", _asking, maas_seeds.asking, partial(mutate_json, words=words.MAAS),
           (_E + "deployment/ask.py", _E + "deployment/find.py", _E + "maas/boot_resources.py:ResourceFile.upload_path,"
             "BootResource.newest,BootResources.get,version_order,_with_sets", _E + "maas/region.py",
            _E + "maas/upload_state.py", _E + "maas/versions.py"), "json"),
    Target("events", _events, maas_seeds.events, partial(mutate_json, words=words.MAAS),
           (_E + "deployment/event_log.py:_event,_time,EventLog._ask,_first_of_last,Ordered.take,Ordered._ready",
            _E + "deployment/progress.py"), "json"),
    Target("maas-cli", _cli, lambda: [_cli_database([("admin", json.dumps(_PROFILE))])], _mutate_cli,
           (_E + "maas/credentials.py:_from_profile,_profiles,_read_profiles",), "db"),
    Target("firmware", _firmware, _firmware_seeds, mutate_json,
           (_E + "vm/firmware.py:find_ovmf,_is_file,_descriptors,_read_json,_from_descriptor,_serves",), "json"),
    Target("console", _console, _console_seeds, mutate_lines,
           (_E + "vm/serial.py", _E + "vm/phases.py", _E + "vm/diagnosis.py"), "log"),
    Target("screen", _screen, lambda: [b"P6\n2 2\n255\n" + bytes(12)], mutate_bytes,
           (_E + "vm/screen.py:png_from_ppm",), "ppm"),
    Target("linux", _linux, lambda: [json.dumps(_LINUX).encode()], _mutate_texts,
           (_T + "hook/machine.py:LinuxHost.efi_variable,LinuxHost.secure_boot,LinuxHost.boot_order,"
             "LinuxHost.boot_mac",
            _T + "hook/disks.py:Disks._candidates,Disks._names,Disks._udev,_unit_serial,_normal_wwn,_once"), "json"),
    Target("journal", _journal, lambda: [b"".join(_journal_line(json.dumps(one).encode()) for one in _RECORDS)],
           _mutate_journal, (_T + "agent/journal.py:_parse",), "jnl"),
    Target("told", _told, lambda: [json.dumps(made_up.told()).encode()], mutate_json,
           (_E + "selftest/judge_host.py:records,network,_datastore,_boot_device,identity,time,"
            "boot_order",), "json"),
    Target("certificate", _certificate, _certificate_seeds, _mutate_certificate, (_T + "agent/certificate.py",), "pem"),
)  # fmt: skip
