"""Good inputs, and bad ones of every kind that a reader names: the more of its branches they take, the further changes
of them lead."""

from __future__ import annotations

import base64
import functools
import gzip
import json
from typing import Any

from fuzz.target import DATA
from unit.deployment.pairs import PATHS, pair


def _key(kind: str, *fields: bytes) -> bytes:
    blob = b"".join(len(field).to_bytes(4, "big") + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()} me@example\n".encode()


_CURVE = b"nistp256"
PUBLIC_KEYS = [
    _key("ssh-ed25519", bytes(32)), _key("ssh-ed25519", bytes(31)), _key("ssh-rsa", b"\1\0\1", b"\0\xff" + bytes(255)),
    _key("ssh-rsa", b"\1\0\1", b"\xff" * 64), _key("ecdsa-sha2-nistp256", _CURVE, b"\4" + bytes(64)),
    _key("ecdsa-sha2-nistp256", b"nistp384", b"\4" + bytes(64)), _key("ssh-ed25519"), b"ssh-dss AAAA\n", b"x y\n",
    _key("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:"), b"ssh-rsa\n", b"ssh-rsa !\n", b"ssh-rsa AAAA\n",
    b"# a comment\n\n" + _key("ssh-ed25519", bytes(32)) * 2, b"ssh-rsa " + b"A" * 20_000 + b"\n", b"ssh-rsa A\7\n",
    b"-----BEGIN OPENSSH PRIVATE KEY-----\n", b"\xff\xfe",
]  # fmt: skip

_ENTRIES: list[Any] = [
    {"path": "/etc/a", "content": "x", "owner": "bin", "permissions": "4755", "append": True, "defer": True},
    {"path": "/etc/b", "content": base64.b64encode(gzip.compress(b"x", mtime=0)).decode(), "encoding": "gz+b64"},
    {"path": "/etc/c", "content": "!", "encoding": "b64"}, {"path": "/etc/c", "content": "x", "encoding": "rot13"},
    {"path": "etc/d"}, {"path": "/etc/../d"}, {"path": "/dev/d", "content": ""}, {"path": "/etc/d/"}, 5,
    {"path": 5}, {"path": "/etc/\7"}, {"path": "/e", "content": 5}, {"path": "/e", "append": "x"},
    {"path": "/e", "permissions": "9"},
    {"path": "/e", "permissions": 0o644}, {"path": "/e", "permissions": [1]},
    {"path": "/etc/esxforge/vcenter.yaml", "content": "vcenter_server: x"}, {"path": "/store/x", "permissions": "0755"},
]  # fmt: skip
_CONFIGS: list[dict[str, Any]] = [
    {"write_files": _ENTRIES}, {"write_files": [{"path": "/e", "content": "x" * 300_000}]},
    {"write_files": {}}, {"ntp": {"enabled": False}}, {"ntp": []}, {"ntp": {"servers": "x"}},
    {"ntp": {"servers": [f"s{n}" for n in range(9)], "pools": ["p"]}}, {"ntp": {"servers": ["a b"]}}, {"ntp": {}},
    {"hostname": "a b"}, {"hostname": "a.example.com", "fqdn": "b.example.com", "apt": {}, "users": ["default"]},
    {"ssh_authorized_keys": PUBLIC_KEYS[0].decode(), "ssh_pwauth": True}, {"ssh_authorized_keys": [5]},
    {"chpasswd": {"list": "root:$6$a$" + "b" * 86, "expire": True}}, {"chpasswd": {"list": ["root:x", "a b:c"]}},
    {"chpasswd": {"list": [5]}}, {"chpasswd": {"users": [{"name": "r", "password": "x", "type": "text"}]}},
    {"chpasswd": {"users": ["x"]}}, {"chpasswd": {}}, {"chpasswd": []}, {"runcmd": []}, {"runcmd": [5]},
    {"runcmd": ["a", ["b", 5, "c'd"], None]}, {"runcmd": ["\0"]}, {"bootcmd": ["x"], "packages": ["y"]},
    {"cloud-init": "#cloud-config\nntp: {}\n"}, {"manage_etc_hosts": True, "power_state": {"mode": "reboot"}},
]  # fmt: skip
_SCRIPTS = [
    b"#!/bin/sh\ntrue\n", b"#!/usr/bin/env -S python3 -u\nprint(1)\n", b"#!/usr/bin/python2\n", b"#!/usr/bin/perl\n",
    b"#!/usr/bin/env\n", b"#!\xff\n", b"#!/bin/sh\n\0", b"#include http://x\n", b"## template: jinja\n#cloud-config\n",
    b"#cloud-boothook\n", b"#upstart-job\n", b"", b"plain text\n", gzip.compress(b"#cloud-config\n{}\n", mtime=0),
]  # fmt: skip
CLOUD_DATA = [*(b"#cloud-config\n" + json.dumps(one).encode() for one in _CONFIGS), *_SCRIPTS]

RECIPES = [
    b'[root_password]\nhash = "$6$abc$' + b"x" * 86 + b'"\n[install]\naccept_eula = true\n',
    b'[root_password]\nhash = "x"\nfile = "/dev/null"\npublic_key = "k"\n',
    b'[root_password]\nfile = "~/p"\nrandom = true\n', b'[root_password]\nfile = "a"\npublic_key = "k"\n',
    b'[install]\nkernel_options = ["a b", "", "ks=x", "\xc3\xa4"]\nssh_keys = ["PRIVATE", "x"]\n',
    b'[install]\nkickstart = "ks.cfg"\naccept_eula = true\nallow_power_off = true\nsystem_media_size = "min"\n',
    b'[install]\nkickstart = "~nobody-of-this-name/ks.cfg"\n[image]\nkind = "golden"\n',
    b'[[files]]\nsource = "a"\npath = "x.vib"\n[[files]]\nsource = "b"\npath = "X.VIB"\n',
    b'[[files]]\nsource = "a"\npath = "../x"\n[[files]]\nsource = "a"\npath = "EFI/BOOT/BOOTX64.EFI"\n',
    b'[maas]\nname = "ubuntu"\ntitle = "\\u001b[31m"\n[vcenter]\nserver = "a b"\ndatacenter = "\\u0007"\n',
    b'[vcenter]\nserver = "v"\ndatacenter = "D"\nca_file = "c"\nthumbprint = "x"\n', b'[nonsense]\nx = 1\n', b"x", b"",
    b'[vcenter]\nserver = "v"\ndatacenter = "D"\nthumbprint = "' + b"AB:" * 31 + b'AB"\n',
    b'[vcenter]\nserver = "v:70000"\ndatacenter = "D"\n[golden]\ndisk_size = 0\nmemory = 1\ntimeout = -1\n',
]  # fmt: skip

KICKSTARTS = [path.read_bytes() for path in sorted(DATA.glob("kickstart/*.cfg"))] + [
    b"vmaccepteula\nrootpw " + word + b"\ninstall --firstdisk\n"
    for word in (b"password1", b"Qwerty12345!", b"short", b"x" * 60, b"\xc3\xa4bc", b"aaaaaaaaa", b"Good-Enough-7x",
                 b"--iscrypted $5$a$b", b"--iscrypted x", b"--iscrypted $1$abcdefgh$" + b"a" * 22, b"")
]  # fmt: skip

BOOT_CFGS = [
    b"kernel=k\nkernelopt=ks=usb ks=x ks=http://u:p@h/x ip=10.0.0.5 netdevice=vmnic0 runweasel\nmodules=a\n",
    b"kernel=http://h/k\nmodules=ftp://h//a --- b-\nprefix=http://h/x\n", b"kernel=k\n", b"kernel=k\nmodules=\nx",
    b"kernel=k\nkernelopt=" + b"x" * 400 + b"\nmodules=" + b" --- ".join([b"m"] * 247) + b" --- name\n",
    b"bootstate=0\nkernel=b.b00\nmodules=a.b00 --- b.b00\nbuild=8.0.3-1\nupdated=1\n",
    b"title=x\ntimeout=x\nprefix=/a\nkernel=/k\nkernelopt=a b=c\nmodules=/x\nnorts=1\nquirks=1\nacpitables=a --- b\n",
    b"bootstate=99999999999\nupdated=-1\nbuild=\nmodules=\nquickboot=1\n", b"# comment\n\n=\nx\nkernel\n\xff\n\0\n",
    b"kernel=a\nkernel=b\nmodules=a\nmodules=b\n" + b"kernelopt=" + b"x" * 5000 + b"\n", b"\r\nkernel=a\r\n", b"",
    b"kernel=a arg\nmodules=a arg --- b.gz arg2 arg3 --- --- c\nbootstate= 1\nupdated=0x10\n",
]  # fmt: skip


_IMAGE = {
    "id": 46, "type": "Uploaded", "name": "esxi/8.0.3", "architecture": "amd64/generic", "title": "VMware ESXi 8.0U3e",
    "sets": {"20261123": {"version": "20261123", "size": 600, "complete": True, "progress": 100.0, "files": {
        "root-dd.gz": {"filename": "f", "filetype": "root-dd.gz", "sha256": "0" * 64, "size": 600, "complete": True,
                       "upload_uri": "/MAAS/api/2.0/boot-resources/46/upload/7/", "progress": 100.0}}}},
}  # fmt: skip


@functools.cache
def deployment_answers() -> list[bytes]:
    """Recorded machines, some with what MAAS tells besides, and in other states."""
    documents = [pair(path).documents for path in PATHS]
    seeds = [json.dumps(one).encode() for one in documents]
    more: list[dict[str, Any]] = [
        {"boot-resources": [_IMAGE], "version": {"version": "3.7.3"}},
        {"boot-resources": [_IMAGE, {**_IMAGE, "name": "esxi/7.0", "title": "ESXi (golden, esxforge 0.1.0)"}]},
        {"boot-resources": [{**_IMAGE, "sets": {}}], "account": {"username": "admin", "is_superuser": True}},
        {"account": {"username": "me", "is_superuser": False, "ssh_keys": 0}, "version": {"version": "3.3.1"}},
        {"reservedips": [{"ip": "10.0.0.9", "mac_address": "52:54:00:00:00:01", "subnet": {"id": 1}}]},
        {"boot-resources": [], "config": {"use_rack_proxy": "HTTP 403", "node_timeout": 5}},
        {"boot-resources": [{**_IMAGE, "title": "VMware ESXi 8.0U3e (esxforge 0.1.0, SSH key needed)"}],
         "account": {"username": "me", "is_superuser": True, "ssh_keys": 0}},
        {"boot-resources": [{**_IMAGE, "title": "VMware ESXi 8.0U3e (esxforge 9, 4Kn disks, SSH key needed)"}]},
        {"blockdevices": []}, {"config": {"use_rack_proxy": False, "node_timeout": 30}, "vmfs-datastores": []},
        {"account": {"username": "me@example.com", "is_superuser": False, "ssh_keys": 1}},
    ]  # fmt: skip
    states: list[dict[str, Any]] = [
        {"status": 4, "status_name": "Ready", "owner": None},
        {"status": 10, "owner": "me", "status_name": "Allocated"},
        {"status": 6, "status_name": "Deployed", "osystem": "esxi", "distro_series": "8.0.3", "owner": "me"},
        {"status": 8, "status_name": "Broken", "locked": True},
        {"architecture": "arm64/generic", "bios_boot_method": None},
        {"bios_boot_method": "pxe", "power_type": "manual"}, {"boot_disk": None, "boot_interface": None},
        {"osystem": "ubuntu", "distro_series": "jammy", "status": 6}, {"owner": "me@example.com"},
        {"osystem": "esxi", "distro_series": "custom", "status": 6},
    ]  # fmt: skip
    for number, document in enumerate(documents[::4]):
        machine = {**document["machine"], **states[number % len(states)]}
        config = {"curtin": pair(PATHS[4 * number]).curtin} if number % 3 == 0 else {}
        changed = {**document, **more[number % len(more)], "machine": machine, **config}
        seeds.append(json.dumps(changed).encode())
    return [*seeds, *_other_disks()]


def _other_disks() -> list[bytes]:
    """Recorded machines with disks as none of them had: alike, small, with an MBR, in a RAID."""

    def of(name: str, *changes: dict[str, Any], **more: Any) -> bytes:
        documents = pair(DATA / "maas-pairs" / "3.7.3" / f"{name}.json").documents
        disks = [{**disk, **(changes[number] if number < len(changes) else {})}
                 for number, disk in enumerate(documents["blockdevices"])]  # fmt: skip
        return json.dumps({**documents, "blockdevices": [*disks, *more.pop("devices", [])], **more}).encode()

    alike = {"model": "M", "serial": "S"}
    paths = ({**alike, "id_path": "/dev/disk/by-id/a"}, {**alike, "id_path": "/dev/disk/by-id/b"})
    documents = pair(DATA / "maas-pairs" / "3.7.3" / "no_layout.json").documents
    members = [{"id": disk["id"], "type": "physical"} for disk in documents["blockdevices"]]
    raid = {"name": "md0", "level": "raid-1", "devices": members, "spare_devices": [], "virtual_device": {"id": 99}}
    device = {**documents["blockdevices"][0], "id": 99, "name": "md0", "type": "virtual", "path": "/dev/md0"}
    with_raid = {"raids": [raid], "machine": {**documents["machine"], "raids": [{"id": 1}]}, "devices": [device]}
    newer = {"version": {"version": "3.8.0"}}
    return [
        of("hwraid_serial", alike, alike), of("hwraid_serial", alike, alike, **newer),
        of("hwraid_serial", *paths, **newer), of("vmfs6", {"partition_table_type": "MBR"}),
        of("vmfs6", {"size": 1 << 30}), of("vmfs7", {"size": 20 << 30}),
        of("vmfs7", {"partition_table_type": "X"}), of("no_layout", **with_raid),
    ]  # fmt: skip


_NODE = "nodes/abc123/"
_PATHS = {
    "machine": "machines/abc123/", "interfaces": _NODE + "interfaces/", "blockdevices": _NODE + "blockdevices/",
    "vmfs-datastores": _NODE + "vmfs-datastores/", "raids": _NODE + "raids/", "bcaches": _NODE + "bcaches/",
    "volume-groups": _NODE + "volume-groups/", "rackcontrollers": "rackcontrollers/", "subnets": "subnets/",
    "static-routes": "static-routes/", "fabrics": "fabrics/", "domains": "domains/",
}  # fmt: skip
_FOUND = {"system_id": "node1", "fqdn": "node1.maas", "hostname": "node1"}
_LOG = {"name": "/tmp/install.log", "output": "ZXN4Zm9yZ2U6IHdoeQo="}


@functools.cache
def maas_by_path() -> list[bytes]:
    """Answers by the path of the request; a number is the status of a refusal."""
    common = {
        "version/": {"version": "3.7.3"}, "users/": {"username": "me", "is_superuser": False},
        "account/prefs/sshkeys/": [{}], "maas/": True, "boot-resources/": [_IMAGE], "boot-resources/46/": _IMAGE,
        "machines/": [_FOUND], "reservedips/": 404, _NODE + "results/current-installation/": {"results": [_LOG]},
    }  # fmt: skip
    seeds: list[dict[str, Any]] = []
    for path in PATHS[::8]:
        documents = pair(path).documents
        answers = {_PATHS[name]: answer for name, answer in documents.items() if name in _PATHS}
        seeds.append({**common, **answers})
    one = seeds[0]
    refusals = ("version/", "machines/abc123/", "users/", "boot-resources/", "boot-resources/46/", "domains/", "maas/")
    seeds += [{**one, path: status} for path in refusals for status in (403, 404, 500)]
    deploying = {**one["machines/abc123/"], "status": 9} if "machines/abc123/" in one else {}
    configurations: list[Any] = [403, 500, {"network": {}}, "x"]
    seeds += [{**one, "machines/abc123/": deploying, "machines/abc123/?get_curtin_config": answer}
              for answer in configurations]  # fmt: skip
    auto = pair(DATA / "maas-pairs" / "3.7.3" / "auto4.json").documents
    free = {f"subnets/{subnet['id']}/": [{"start": "10.0.0.5", "end": "10.0.0.9", "num_addresses": 5}]
            for subnet in auto["subnets"]}  # fmt: skip
    seeds.append({**common, **{_PATHS[name]: answer for name, answer in auto.items() if name in _PATHS}, **free})
    seeds.append({**one, "machines/": [{**_FOUND, "system_id": "abc123", "fqdn": "b.maas"}, _FOUND]})
    seeds += [
        {**one, "version/": {"version": version}, "regioncontrollers/": [{}, {}]} for version in ("3.2", "x", "3.6")
    ]
    seeds += [{**one, "machines/": [], "machines/abc123/": status} for status in (403, 404, 500)]
    return [json.dumps({"paths": answers}).encode() for answers in seeds]
