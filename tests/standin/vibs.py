"""VIBs and offline bundles, made by other programs than the one under test: binutils' ar, Python's tarfile and zipfile.

The documents have the form that public builders of VIBs give them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

SIGNATURE = b"-----BEGIN PKCS7-----\nnobody can verify this one\n-----END PKCS7-----\n"


def tgz(files: Mapping[str, bytes]) -> bytes:
    """A payload: a tar in gzip, the same bytes each time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)


DRIVER = tgz({"usr/lib/vmware/vmkmod/netdrv": b"\x7fELF stand-in driver" * 50})


@dataclass(frozen=True)
class NewPayload:
    """A payload; ``told`` replaces what the descriptor says of it: size, sha256, unzipped."""

    name: str = "netdrv"
    data: bytes = DRIVER
    kind: str = "vgz"
    told: Mapping[str, str] = field(default_factory=dict)

    def xml(self) -> str:
        """Its element in the descriptor."""
        try:
            unzipped = gzip.decompress(self.data)
        except (OSError, EOFError):
            unzipped = b""
        told = {
            "size": str(len(self.data)),
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "unzipped": hashlib.sha256(unzipped).hexdigest(),
            **self.told,
        }
        sha1 = hashlib.sha1(unzipped).hexdigest()  # noqa: S324  the format's
        return (
            f'<payload name={quoteattr(self.name)} type={quoteattr(self.kind)} size="{told["size"]}">'
            f'<checksum checksum-type="sha-256">{told["sha256"]}</checksum>'
            f'<checksum checksum-type="sha-256" verify-process="gunzip">{told["unzipped"]}</checksum>'
            f'<checksum checksum-type="sha-1" verify-process="gunzip">{sha1}</checksum></payload>'
        )


@dataclass(frozen=True)
class NewVib:
    """A VIB to be made. Constraints are "NAME" or "NAME RELATION VERSION"."""

    name: str = "net-drv"
    version: str = "1.2.0-1vmw.800.1.0.1"
    vendor: str = "ACME"
    kind: str = "bootbank"
    level: str = "partner"
    signature: bytes = SIGNATURE
    platforms: Sequence[str] = ("embeddedEsx 8.*",)
    depends: Sequence[str] = ()
    conflicts: Sequence[str] = ()
    replaces: Sequence[str] = ()
    provides: Sequence[str] = ()
    payloads: Sequence[NewPayload] = (NewPayload(),)
    more: str = ""
    hardware: str = ""

    def but(self, **changes: object) -> NewVib:
        """The same with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def descriptor(self, tail: str = "") -> str:
        """descriptor.xml; ``tail`` stands at its end."""
        platforms = "".join(
            f'<softwarePlatform locale="" productLineID="{line}" version="{version}"/>'
            for line, _, version in (one.partition(" ") for one in self.platforms)
        )
        relations = "".join(
            f"<{name}>{''.join(map(_provide if name == 'provides' else _constraint, getattr(self, name)))}</{name}>"
            for name in ("depends", "conflicts", "replaces", "provides")
        )
        return (
            f'<vib version="5.0"><type>{self.kind}</type><name>{escape(self.name)}</name>'
            f"<version>{escape(self.version)}</version><vendor>{escape(self.vendor)}</vendor>"
            "<summary>A driver of the stand-in</summary><description>For tests.</description>"
            "<release-date>2026-01-01T00:00:00.000000+00:00</release-date><urls/>"
            f"<relationships>{relations}</relationships><software-tags/>"
            f"<system-requires><maintenance-mode>true</maintenance-mode>{platforms}{self.hardware}</system-requires>"
            f"<file-list/><acceptance-level>{self.level}</acceptance-level>"
            "<live-install-allowed>false</live-install-allowed><live-remove-allowed>false</live-remove-allowed>"
            f"<cimom-restart>false</cimom-restart><overlay>false</overlay>{self.more}"
            f"<payloads>{''.join(payload.xml() for payload in self.payloads)}</payloads>{tail}</vib>"
        )

    def to_bytes(self) -> bytes:
        """The VIB, packed by ar."""
        members = {"descriptor.xml": self.descriptor().encode(), "sig.pkcs7": self.signature}
        return packed({**members, **{payload.name: payload.data for payload in self.payloads}})

    def write(self, directory: Path) -> Path:
        """The VIB as a file called as VMware calls them."""
        path = directory / f"{self.vendor}_{self.kind}_{self.name}_{self.version}.vib"
        path.write_bytes(self.to_bytes())
        return path


def _constraint(text: str) -> str:
    name, _, rest = text.partition(" ")
    relation, _, version = rest.partition(" ")
    more = f" relation={quoteattr(relation)} version={quoteattr(version)}" if rest else ""
    return f"<constraint name={quoteattr(name)}{more}/>"


def _provide(text: str) -> str:
    name, _, version = text.partition(" = ")
    return f"<provide name={quoteattr(name)}" + (f" version={quoteattr(version)}/>" if version else "/>")


def packed(members: Mapping[str, bytes], *options: str) -> bytes:
    """An archive by binutils' ar: D leaves times and owners out, q adds each, even twice; S makes no index."""
    with tempfile.TemporaryDirectory() as directory:
        for name, data in members.items():
            Path(directory, name).write_bytes(data)
        subprocess.run(["ar", "qcDS", *options, "out.a", *members], cwd=directory, check=True, capture_output=True)
        return Path(directory, "out.a").read_bytes()


def bundle(
    vibs: Sequence[NewVib],
    *,
    method: int = zipfile.ZIP_STORED,
    files: Mapping[str, bytes | None] | None = None,
    tails: Mapping[str, str] | None = None,
) -> bytes:
    """An offline bundle. ``files`` add to its files, replace them or (None) leave them out; ``tails`` replace what the
    metadata say of a VIB besides its descriptor, by its name."""
    made = {f"vib20/{vib.name}/{vib.vendor}_{vib.kind}_{vib.name}_{vib.version}.vib": vib for vib in vibs}
    inner: dict[str, bytes] = {"vendor-index.xml": _VENDOR_INDEX, "vmware.xml": b"<metadataResponse/>"}
    outer: dict[str, bytes | None] = {"index.xml": _INDEX, "vendor-index.xml": _VENDOR_INDEX}
    for number, (path, vib) in enumerate(made.items()):
        data = vib.to_bytes()
        outer[path] = data
        tail = (
            f"<relative-path>{path}</relative-path><packed-size>{len(data)}</packed-size>"
            f'<checksum checksum-type="sha-256">{hashlib.sha256(data).hexdigest()}</checksum>'
        )
        inner[f"vibs/{vib.name}-{number}.xml"] = vib.descriptor((tails or {}).get(vib.name, tail)).encode()
        inner[f"bulletins/{vib.name}.xml"] = b"<bulletin/>"
    outer["metadata.zip"] = zipped(inner, zipfile.ZIP_DEFLATED)
    outer.update(files or {})
    return zipped({path: data for path, data in outer.items() if data is not None}, method)


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP archive without times."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data, method)
    return out.getvalue()


_INDEX = (
    b"<vendorList><vendor><name>ACME</name><code>acm</code><indexfile>vendor-index.xml</indexfile><patchUrl/>"
    b"<relativePath/><content><name>VMware ESX</name><type>http://www.vmware.com/depotmanagement/esx</type></content>"
    b"</vendor></vendorList>"
)
_VENDOR_INDEX = (
    b"<metaList><metadata><productId>embeddedEsx</productId><version>8.*</version><locale/><patchUrl/>"
    b"<url>metadata.zip</url><channelName>default</channelName></metadata></metaList>"
)
