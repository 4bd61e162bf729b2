"""Good documents of every kind, with which the fuzzer begins."""

from __future__ import annotations

import json
from typing import Any

from fuzz import seeds
from fuzz.target import DATA

_MAAS: dict[str, Any] = {
    "id": 46, "type": "Uploaded", "name": "esxi/8.0.3", "architecture": "amd64/generic", "title": "VMware ESXi 8.0U3e",
    "sets": {"20261123": {"version": "20261123", "size": 5, "complete": False, "progress": 50.0, "files": {
        "root-dd.gz": {"filename": "root-dd.gz", "filetype": "root-dd.gz", "sha256": "0" * 64, "size": 5,
                       "complete": False, "upload_uri": "/MAAS/api/2.0/boot-resources/46/upload/7/"}}}},
}  # fmt: skip
IMAGES = [*(json.dumps(one).encode() for one in (_MAAS, [_MAAS])), b"[1e999]", b"[" * 40 + b"]" * 40, b"\xff", b"{}",
          b'[{"a": "\\ud800"}]', b"[9223372036854775808]", b'{"a": 1, "a": 2}', b"[NaN]"]  # fmt: skip
_CLOUD = b"""#cloud-config
hostname: esx01
ntp: {servers: [10.0.0.1]}
ssh_authorized_keys: [ssh-ed25519 AAAA]
chpasswd: {users: [{name: root, password: $6$a$b}]}
write_files:
- {path: /etc/motd, content: aGVsbG8=, encoding: b64, permissions: '0644'}
runcmd:
- [echo, hello]
- reboot
"""
_MIME = b"""Content-Type: multipart/mixed; boundary="x"
MIME-Version: 1.0

--x
Content-Type: text/cloud-config

#cloud-config
hostname: a
--x
Content-Type: text/x-shellscript

#!/bin/sh
true
--x--
"""
CLOUD = [_CLOUD, _MIME, b"cloud-init: |\n  #cloud-config\n  ntp: {}\n"]
_VCENTER = b"vcenter_server: vc.example.com\nvcenter_username: u\nvcenter_password: p\nvcenter_datacenter: DC1/Racks\n"
_SERVERS = (b"https://vc/ui", b"vc:8443", b"ftp://vc", b"vc:99999", b"u@vc", b"a b", b"vc/x")
_ANSWERS: list[Any] = [
    {"error_type": "NOT_FOUND", "messages": [{"default_message": "m"}]},
    {"type": "com.vmware.vapi.std.errors.unauthorized", "value": {"messages": [{"id": "vim.fault.NoHost"}, 5]}},
    {"error_type": "X", "messages": ["secret", {"default_message": "the secret is out", "id": "x"}]},
]
VCENTER = [
    _VCENTER, *(_VCENTER.replace(b"vc.example.com", server) for server in _SERVERS),
    _VCENTER.replace(b"DC1/Racks", b"DC1/host/Racks"), _VCENTER.replace(b"DC1/Racks", b"[a]"),
    *(json.dumps(one).encode() for one in _ANSWERS),
]  # fmt: skip
RECIPE = b"""[image]
kind = "golden"
sector_size = 512
[install]
accept_eula = true
kernel_options = ["allowLegacyCPU=true"]
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqfF8yhWS7bkMmIsUxEcVTlDYTE3GfhtYC2tq8Jk3Vn me@example"]
[root_password]
random = true
[golden]
disk_size = 32
memory = 8192
[[files]]
source = "/dev/null"
path = "driver.vib"
[[add]]
file = "/dev/null"
vibs = ["net-driver"]
[maas]
name = "esxi/8.0.3"
title = "VMware ESXi 8.0U3e"
[vcenter]
server = "vc.example.com"
datacenter = "DC1"
thumbprint = "THUMBPRINT"
"""
_GOOD = RECIPE.replace(b"THUMBPRINT", b":".join([b"AB"] * 32)).replace(b"/dev/null", b".")
RECIPES = [
    RECIPE, RECIPE.replace(b"THUMBPRINT", b":".join([b"AB"] * 32)), _GOOD.replace(b"DC1", b""), *seeds.RECIPES,
    b'[vcenter]\nserver = "v"\ndatacenter = "D"\n', b'[vcenter]\nserver = ""\ndatacenter = ""\n',
    b'[install]\nkernel_options = ["' + b"x" * 256 + b'"]\n', b'[install]\nkernel_options = ["runweasel"]\n',
    b'[install]\nssh_keys = ["ssh-ed25519 AAAA"]\n', b'[image.kind]\nnonsense = 1\n', b"install = 5\n",
    b"[[install]]\nx = 1\n", b'[[add]]\nfile = "a"\nvib = "x"\n', b'add = ["a.vib", 5]\n',
]  # fmt: skip
KICKSTART = b"""vmaccepteula
rootpw --iscrypted $6$abc$def
install --firstdisk=local --overwritevmfs
network --bootproto=static --ip=10.0.0.5 --netmask=255.255.255.0 --gateway=10.0.0.1 --hostname=a
keyboard "US Default"
%pre --interpreter=busybox
echo hello
%firstboot --interpreter=python
print(1)
"""
_SPANNED = b"""vfat-0.04 (Raw Major Version: 0) file system spanning 1 partitions.
Capacity 262127616 (63996 file blocks * 4096), 262098944 (63989 blocks) avail, max supported file size 0
UUID: dce124d8-0b2d7c7d-3b5d-0e7c6f1d1b0a
Partitions spanned (on "disks"):
\tnaa.61866da06831a30030a6d34907c62a3a:5
"""


def partition_tables() -> list[bytes]:
    """One answer of partedUtil each, and one of vmkfstools."""
    text = (DATA / "esxi" / "partedUtil-getptbl.txt").read_bytes()
    found = [one for one in text.split(b"\n\n") if b"255 63" in one]
    return [
        *found,
        *(one + b"\n34 2343043038" for one in found[:2]),
        _SPANNED,
        b"gpt\n0 0 0 0\n",
        b"gpt\n1 2 3 4\n1 x\n",
    ]
