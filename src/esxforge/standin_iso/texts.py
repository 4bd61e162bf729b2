"""The small text files of a stand-in ISO: boot.cfg, isolinux.cfg, and the XML that names release and VIBs."""

from __future__ import annotations

from xml.sax.saxutils import escape

from esxforge.standin_iso.profiles import ReleaseProfile

# Modules that belong to the VIB esx-base; each of the others is a VIB of its own here.
_BASE = frozenset((
    "b", "tboot", "jumpstrt", "useropts", "features", "k", "chardevs", "user", "procfs", "uc_intel", "uc_amd",
    "uc_hygon", "vim", "sb", "s",
))  # fmt: skip
# By this a report can say that it was not VMware's ISO.
MARK = "Stand-in made by esxforge"
_NO_VIB = frozenset(("imgdb", "imgpayld", "basemisc", "resvibs", "esxiodpt"))


def boot_cfg(
    release: ReleaseProfile, *, title: str, kernelopt: str, modules: tuple[str, ...], leading_slashes: bool
) -> bytes:
    """The boot.cfg of an installer ISO; root and EFI directory hold the same one."""
    slash = "/" if leading_slashes else ""
    lines = [
        "bootstate=0",
        f"title={title}",
        "timeout=5",
        "prefix=",
        f"kernel={slash}{release.kernel}",
        f"kernelopt={kernelopt}",
        "modules=" + " --- ".join(slash + module for module in modules),
        f"build={release.boot_cfg_build}",
        "updated=0",
    ]
    return ("\n".join(lines) + "\n").encode()


def isolinux_cfg(release: ReleaseProfile) -> bytes:
    """The menu of ISOLINUX: boot the installer, or the local disk."""
    lines = [
        "DEFAULT menu.c32",
        f"MENU TITLE ESXi-{release.version}-{release.build}-standard Boot Menu",
        "NOHALT 1",
        "PROMPT 0",
        "TIMEOUT 80",
        "LABEL install",
        "  KERNEL mboot.c32",
        "  APPEND -c boot.cfg",
        f"  MENU LABEL ESXi-{release.version}-{release.build}-standard ^Installer",
        "LABEL hddboot",
        "  LOCALBOOT 0x80",
        "  MENU LABEL ^Boot from local disk",
    ]
    return ("\n".join(lines) + "\n").encode()


def metadata_xml(release: ReleaseProfile) -> bytes:
    """UPGRADE/METADATA.XML: what vSphere's update manager reads of an ISO."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<vum>\n  <product>\n    <name>VMware ESXi</name>\n'
        f"    <esxVersion>{release.version}</esxVersion>\n    <build>{release.build}</build>\n"
        "  </product>\n</vum>\n"
    ).encode()


def profile_xml(release: ReleaseProfile, *, name: str, vendor: str, modules: tuple[str, ...]) -> bytes:
    """UPGRADE/PROFILE.XML: the image profile with its VIBs."""
    vibs: dict[str, list[str]] = {"VMware_bootbank_esx-base_" + release.base_version: [release.kernel]}
    base = next(iter(vibs))
    for module in modules:
        stem = module.partition(".")[0]
        if stem in _BASE:
            vibs[base].append(module)
        elif stem not in _NO_VIB:
            kind = "locker" if stem == "tools" else "bootbank"
            serial = int("".join(filter(str.isdigit, module.partition(".")[2])) or 0)
            suffix = f"-{serial}" if serial else ""
            vibs[f"VMW_{kind}_{stem.strip('_').replace('_', '-')}{suffix}_1.0.{serial}-1vmw.{release.build}"] = [module]
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<imageprofile><name>{escape(name)}</name><creator>{escape(vendor)}</creator>",
        "<creationtime>2020-01-01T00:00:00</creationtime><acceptancelevel>partner</acceptancelevel>",
        f"<description>{MARK}; it installs nothing.</description><viblist>",
    ]
    for vib_id, files in vibs.items():
        payloads = "".join(
            f'<payload payload-name="{escape(file.partition(".")[0])}">{escape(file)}</payload>' for file in files
        )
        parts.append(f"<vib><vib-id>{escape(vib_id)}</vib-id><payloads>{payloads}</payloads></vib>")
    parts.append("</viblist></imageprofile>")
    return ("\n".join(parts) + "\n").encode()
