"""Readers of documents and texts: what people, MAAS, vCenter and hosts send."""

from __future__ import annotations

import json
import tempfile
import zlib
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import yaml
from pydantic import TypeAdapter

from esxforge.formats.kickstart_findings import Use
from esxforge.formats.kickstart_rules import check_kickstart
from esxforge.formats.release_name import version_of
from esxforge.maas.boot_resources import BootResource
from esxforge.maas.checked import checked
from esxforge.media.profile import parse_profile
from esxforge.media.release import release_of
from esxforge.preview.assumed import assumed_inventory, stamped
from esxforge.preview.curtin_yaml import load_config
from esxforge.preview.html import page
from esxforge.preview.report import document, make_report
from esxforge.recipe.load import load_recipe
from esxforge.recipe.public_key import read_public_key
from esxforge.vm.deployed import deployed_host
from esxforge.vm.hardware import Accelerator, Disk, Ovmf, SeaBios
from esxforge.vm.libvirt import domain_xml
from esxforge_target.cloud_data.plans import plan_user_data, plan_vendor_data
from esxforge_target.contract.added_module import AddedModule
from esxforge_target.contract.desired_document import desired_host_from_json, desired_host_to_json
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.golden_record import GoldenRecord
from esxforge_target.contract.host_record import HostRecord, SecretsExtent, VcenterOptions
from esxforge_target.contract.image_settings import ImageSettings
from esxforge_target.contract.install_record import InstallRecord
from esxforge_target.contract.secrets import Secrets
from esxforge_target.contract.token import Token
from esxforge_target.curtin_config.parse import desired_host_from_config, token_from_config
from esxforge_target.esxi.banks import parse_query
from esxforge_target.formats.boot_cfg import BootCfg, installer_kernelopt
from esxforge_target.formats.kickstart import Kickstart
from esxforge_target.inventory.disk_identities import DeviceDirectory
from esxforge_target.inventory.document import inventory_from_json, inventory_to_json
from esxforge_target.inventory.read import read
from esxforge_target.inventory.storage import parse_table
from esxforge_target.metadata.client import MetadataClient, Patience
from esxforge_target.metadata.exchange import MetadataResponse
from esxforge_target.metadata.public_keys import parse_public_keys
from esxforge_target.plan.planner import make_plan
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.strict_json import load_json
from esxforge_target.vcenter.desired import parse_document
from esxforge_target.vcenter.reasons import explain
from fuzz import curtin_seeds, document_seeds, host_answers, seeds, words
from fuzz.mutate import mutate_bytes, mutate_json, mutate_lines, mutate_value
from fuzz.target import DATA, Target, read_all
from target.plan.configs import sample

KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqfF8yhWS7bkMmIsUxEcVTlDYTE3GfhtYC2tq8Jk3Vn me@example\n"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


_DIRECTORY = tempfile.TemporaryDirectory(prefix="esxforge-fuzz-")  # gone with the process


def _scratch() -> Path:
    return Path(_DIRECTORY.name)


def _file(name: str, data: bytes) -> Path:
    path = _scratch() / name
    path.write_bytes(data)
    return path


def _boot_cfg(data: bytes) -> None:
    """The input decides what is put in: names that are there, its own words, and how much room is kept."""
    cfg = BootCfg.parse(data)
    cfg.files("/")
    cfg.bootstate, cfg.updated, cfg.quickboot, cfg.build, cfg.end_of("bootstate")
    text, number = _text(data), zlib.crc32(data)
    word = (text.split() or ["x"])[-1]
    names = ("esxforge.tgz", text[-20:], word, cfg.modules[0].name if cfg.modules else "x")
    name, other = names[number % 4], names[number // 4 % 4]
    read_all(
        lambda: cfg.with_module(name).without_module(other).to_bytes(),
        lambda: cfg.with_kernelopt(["a=b"]).with_value("title", text[-20:]).to_bytes(),
        lambda: cfg.with_reserved_kernelopt((20, 500)[number % 2]).fill_reserved_kernelopt([word, "a=b" * 10]),
        lambda: cfg.fill_reserved_kernelopt([word]),
        lambda: installer_kernelopt(cfg),
        lambda: cfg.resolve(name, "/EFI/BOOT"),
    )
    assert BootCfg.parse(cfg.to_bytes()).to_bytes() == cfg.to_bytes()


def _kickstart(data: bytes) -> str:
    Kickstart.parse(data)
    check_kickstart(data, Use(release=(6, 5), standalone=True))
    return " ".join(finding.message for finding in check_kickstart(data, Use()))


@cache
def _host() -> DesiredHost:
    return stamped(desired_host_from_config(sample("vmfs7-bond")))


def _inventory(data: bytes) -> None:
    found = inventory_from_json(data)
    assert inventory_from_json(inventory_to_json(found)) == found
    desired = _host()
    make_plan(desired, found)
    report = make_report(desired, found, assumed=False)
    json.dumps(document(report))
    page(report)


def _curtin(data: bytes) -> None:
    """JSON as it reaches the hook, or else YAML as people have it."""
    is_json = data.startswith(b"{")
    config = load_json(data, "The configuration") if is_json else load_config(_file("curtin.yaml", data))
    read_all(lambda: token_from_config(config), lambda: _planned(config))


def _planned(config: Any) -> None:
    desired = desired_host_from_config(config)
    assert desired_host_from_json(desired_host_to_json(desired)) == desired
    desired = stamped(desired)
    make_plan(desired, assumed_inventory(desired, "8.0"))


# libyaml's are ten times as fast; the readers have the slow ones.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _mutate_yaml(random: Random, data: bytes) -> bytes:
    if random.random() < 0.4:
        return mutate_lines(random, data)
    try:
        document = mutate_value(random, yaml.load(data, _Loader))  # noqa: S506  a safe one
        return yaml.dump(document, Dumper=_Dumper, allow_unicode=True).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, KeyError, AttributeError, IndexError):
        return mutate_lines(random, data)


def _mutate_vcenter(random: Random, data: bytes) -> bytes:
    return mutate_json(random, data, words.VCENTER) if data.startswith(b"{") else _mutate_yaml(random, data)


def _mutate_curtin(random: Random, data: bytes) -> bytes:
    """Mostly JSON: the reader of YAML is slow, and the targets ``cloud-data`` and ``vcenter`` have it, too."""
    if random.random() < 0.05:
        return _mutate_yaml(random, data)
    if not data.startswith(b"{"):
        try:
            data = json.dumps(yaml.load(data, _Loader), default=str).encode()  # noqa: S506  a safe one
        except (yaml.YAMLError, ValueError, RecursionError, TypeError, LookupError, AttributeError):
            return _mutate_yaml(random, data)
    return mutate_json(random, data, words.CURTIN)


_FLAGS: tuple[dict[str, Any], ...] = (
    {}, {}, {"install": {"accept_eula": True}, "root_password": {"random": True}},
    {"files": [], "maas": {"title": "t"}}, {"image": {"kind": "golden"}, "add": ["a.vib"]},
)  # fmt: skip


def _maas(data: bytes) -> None:
    answer = load_json(data, "The answer")
    read_all(
        lambda: checked(TypeAdapter(BootResource), answer, "it").newest,
        lambda: [resource.newest for resource in checked(TypeAdapter(list[BootResource]), answer, "it")],
    )


class _Answering(MetadataClient):
    """Every request gets the same answer."""

    answer = b""

    def _once(self, method: str, path: str, body: Any, limit: int, timeout: float) -> MetadataResponse:
        if path.endswith("instance-id"):
            return MetadataResponse(200, {}, b"abc123")
        return MetadataResponse(200, {}, self.answer)


def _metadata(data: bytes) -> None:
    endpoint = parse_endpoint("http://10.0.0.2:5248/MAAS/metadata/status/abc123")
    client = _Answering(endpoint, Token("a", "b", "c"), Patience(total=1.0))
    client.answer = data
    read_all(client.public_keys, client.hostname)


def _endpoint(data: bytes) -> None:
    endpoint = parse_endpoint(_text(data))
    assert parse_endpoint(endpoint.url) == endpoint


def _cloud(data: bytes) -> str:
    plans = [plan(data, release) for plan in (plan_user_data, plan_vendor_data) for release in ((6, 7), (8, 0))]
    return " ".join(text for plan in plans for text in plan.problems + plan.notices)


def _vcenter(data: bytes) -> None:
    try:
        answer = load_json(data, "The answer")
    except ForgeError:
        answer = None
    for status in (401, 500):
        explain(status, answer, "adding", "vCenter", ["secret", ""])
    parse_document(data)


def _keys(data: bytes) -> None:
    read_all(lambda: parse_public_keys(_text(data)), lambda: read_public_key(data, "the key"))


def _profile(data: bytes) -> None:
    """A comment at the end is the build that boot.cfg names."""
    build = _text(data[-40:]).rpartition("<!--")[2].partition("-->")[0]
    read_all(
        lambda: release_of(
            metadata=None,
            profile=parse_profile(data, "x"),
            builds=[("BOOT.CFG", build)],
            title="",
            names=("TBOOT.B00",) if zlib.crc32(data) % 4 == 0 else (),
            volume_id=_text(data[:30]),
        ),
        lambda: release_of(metadata=data, profile=None, builds=[], title="", names=(), volume_id=""),
    )


def _recipe(data: bytes) -> None:
    """The input decides which flags lie over it."""
    load_recipe(_file("esxforge.toml", data), _FLAGS[zlib.crc32(data) % len(_FLAGS)])


def _contract(data: bytes) -> None:
    text = _text(data)
    read_all(
        lambda: repr(desired_host_from_json(text).boot_disk),
        lambda: HostRecord.from_json(text),
        lambda: InstallRecord.from_json(text),
        lambda: GoldenRecord.from_json(text),
        lambda: ImageSettings.from_json(text),
        lambda: Secrets.from_bytes(text.encode("utf-8", "replace")),
    )


def _esxcli(data: bytes) -> None:
    try:
        answers = json.loads(_text(data))
    except (ValueError, RecursionError):
        return
    if not isinstance(answers, dict):
        return
    found = read(host_answers.Replay(host_answers.texts_of(answers)), DeviceDirectory(str(_scratch() / "none")))
    text = inventory_to_json(found)
    if found.release.major >= 6:  # an agent that starts again must be able to read what it noted
        assert inventory_from_json(text) == found


def _mutate_esxcli(random: Random, data: bytes) -> bytes:
    try:
        answers = json.loads(data)
    except ValueError:
        return mutate_bytes(random, data)
    if not isinstance(answers, dict):
        return data
    for key in random.sample(sorted(answers), min(len(answers), random.choice((1, 1, 2, 4)))):
        value = answers[key]
        if isinstance(value, str):
            answers[key] = _text(mutate_lines(random, value.encode("utf-8", "replace")))
        elif random.random() < 0.05:
            answers[key] = _text(mutate_bytes(random, json.dumps(value).encode()))
        else:
            answers[key] = mutate_value(random, value, words.ESXCLI)
    try:
        return json.dumps(answers).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return data


def _partedutil(data: bytes) -> str:
    """The last line is the answer about usable sectors, too."""
    text = _text(data)
    usable = text.splitlines()[-1] if text else ""
    return f"{parse_table(text, usable, 1 << 40)} {parse_query(text)}"


def _release_name(data: bytes) -> None:
    version_of(_text(data))


def _libvirt(data: bytes) -> None:
    name = _text(data).replace("\0", "")[:200]
    path = Path("/" + name.replace("/", ""))
    for firmware, index in ((SeaBios(), 0), (Ovmf(path, path), None)):
        machine = deployed_host("8.0", Disk(path, boot_index=index), firmware, Accelerator.TCG)
        ElementTree.fromstring(domain_xml(machine))  # noqa: S314  our own


def _contract_seeds() -> list[bytes]:
    host = _host()
    record = HostRecord(
        "installer", ["0001"], False, ["--novmfsondisk"], [_text(KEY).strip()], VcenterOptions("vc", "DC"), "",
        SecretsExtent(4096, 4096), modules=[AddedModule("netdrv.v00", "net-drv 1.0-1", "0" * 64, 10240)],
    )  # fmt: skip
    documents = [
        desired_host_to_json(host),
        record.to_json(),
        InstallRecord("naa.1", "", "8.0.3").to_json(),
        ImageSettings("installer", "8.0.3", True, "rootpw x\n", "hash", "$6$salt$hash").to_json(),
        Secrets(Token("a", "b", "c"), "rootpw --iscrypted $6$a$b").to_bytes().decode("ascii"),
    ]
    return [b"[]", *(text.encode() for text in documents)]


def _data(*patterns: str) -> list[bytes]:
    return [path.read_bytes() for pattern in patterns for path in sorted(DATA.glob(pattern))]


def _inventory_seeds() -> list[bytes]:
    host = _host()
    assumed = [assumed_inventory(host, release) for release in ("6.7", "8.0")]
    return [inventory_to_json(one).encode() for one in (*assumed, *host_answers.inventories())]


def _profile_seeds() -> list[bytes]:
    from esxforge.standin_iso.profiles import RELEASES
    from esxforge.standin_iso.texts import metadata_xml, profile_xml

    release = RELEASES["8.0"]
    xml = profile_xml(release, name="ESXi-8.0U3e-24674464-standard", vendor="VMware", modules=("sb.v00", "tpm.v00"))
    names = (b"ESXi-7.0U3d-1", b"ESXi-8.0-update3", b"ESXi-6.7.0-20220304001-standard", b"ESXi-9.0.0.0100-1", b"x")
    found = [xml, metadata_xml(release), *(xml.replace(b"ESXi-8.0U3e-24674464-standard", name) for name in names)]
    plain = b"<imageprofile><name>ESXi-8d</name><vib/><vib><vib-id>x</vib-id></vib></imageprofile>"
    found += [plain, plain + b"<!--8.0.3-0.35.24280767-->", plain + b"<!--6.5.0-->"]
    deep = b"<a>" * 80 + b"</a>" * 80
    bad = [
        deep, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<a>", b"", b"<a/>", xml.replace(b"esx-base", b"esx-bas"),
        b"<metadata><esxVersion>8.0.3</esxVersion></metadata>", b" " * (1 << 20),
    ]  # fmt: skip
    return [*found, *bad]


_T, _E = "esxforge_target/", "esxforge/"
TARGETS = (
    Target("boot-cfg", _boot_cfg, lambda: [*_data("boot-cfg/*.cfg"), *seeds.BOOT_CFGS], mutate_lines,
           (_T + "formats/boot_cfg.py", _T + "formats/boot_cfg_grammar.py"), "cfg"),
    Target("kickstart", _kickstart, lambda: [document_seeds.KICKSTART, *seeds.KICKSTARTS], mutate_lines,
           (_T + "formats/kickstart.py", _E + "formats/kickstart_rules.py", _E + "formats/password_rules.py"), "cfg"),
    Target("inventory", _inventory, _inventory_seeds, partial(mutate_json, words=words.INVENTORY),
           (_T + "inventory/document.py", _T + "inventory/addresses.py"), "json"),
    Target("curtin", _curtin, curtin_seeds.curtin_configs, _mutate_curtin,
           (_T + "curtin_config/network.py", _T + "curtin_config/storage.py", _T + "curtin_config/reader.py",
            _T + "curtin_config/network_checks.py", _T + "curtin_config/storage_checks.py"), "yaml"),
    Target("recipe", _recipe, lambda: document_seeds.RECIPES, mutate_lines,
           (_E + "recipe/load.py", _E + "recipe/model.py"), "toml"),
    Target("maas-answers", _maas, lambda: document_seeds.IMAGES, mutate_json,
           (_T + "runtime/strict_json.py",), "json"),
    Target("metadata-answers", _metadata, lambda: [KEY, b"esx01.maas\n", *seeds.PUBLIC_KEYS], mutate_lines,
           (_T + "metadata/public_keys.py",), "txt"),
    Target("endpoint", _endpoint, lambda: [b"http://10.0.0.2:5248/MAAS/metadata/status/abc",
           b"https://[2001:db8::1]/MAAS/metadata/status/abc"], mutate_bytes,
           (_T + "contract/endpoint.py", _T + "runtime/hosts.py"), "txt"),
    Target("cloud-data", _cloud, lambda: [*document_seeds.CLOUD, *seeds.CLOUD_DATA], _mutate_yaml,
           (_T + "cloud_data/plans.py", _T + "cloud_data/cloud_config.py", _T + "cloud_data/write_files.py",
            _T + "cloud_data/documents.py", _T + "cloud_data/scripts.py"), "yaml"),
    Target("vcenter", _vcenter, lambda: document_seeds.VCENTER, _mutate_vcenter,
           (_T + "vcenter/desired.py", _T + "vcenter/reasons.py"), "yaml"),
    Target("public-keys", _keys, lambda: [KEY, *seeds.PUBLIC_KEYS], mutate_lines,
           (_T + "metadata/public_keys.py",), "pub"),
    Target("profile-xml", _profile, _profile_seeds, mutate_bytes,
           (_E + "media/profile.py", _E + "media/xml.py", _E + "media/release.py"), "xml"),
    Target("contract", _contract, _contract_seeds, partial(mutate_json, words=words.CONTRACT),
           (_T + "contract/document.py", _T + "contract/coherence.py", _T + "contract/image_settings.py",
            _T + "runtime/documents.py"), "json"),
    Target("esxcli", _esxcli, host_answers.recorded_answers, _mutate_esxcli,
           (_T + "esxi/esxcli.py", _T + "inventory/network.py", _T + "inventory/storage.py"), "json"),
    Target("partedutil", _partedutil, document_seeds.partition_tables, mutate_lines,
           (_T + "inventory/storage.py:parse_table", _T + "esxi/banks.py:parse_query"), "txt"),
    Target("release-name", _release_name, lambda: [b"8.0U3e", b"ESXi 8.0 Update 3", b"8.0.3-0.35.24280767"],
           mutate_bytes, (_E + "formats/release_name.py",), "txt"),
    Target("libvirt", _libvirt, lambda: [b"esxi-8.0.raw"], mutate_bytes, (_E + "vm/libvirt.py",), "txt"),
)  # fmt: skip
