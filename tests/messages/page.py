"""The page docs/messages.md: every sentence, by where a person meets it, each with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from messages.collect import Message


@dataclass(frozen=True, slots=True)
class Area:
    """Where a person meets a sentence. ``hint`` is what to do where a sentence has no hint of its own.

    Only one of a list of problems may be without, whose hint is told for all of them; or, in a ``general`` area, what
    is told inside another sentence or says what is wrong in a document that a person wrote.
    """

    title: str
    text: str
    paths: tuple[str, ...]
    hint: str
    general: bool = False


_RECIPE = "Fix the problems above and build again; `esxforge recipe example` shows every key."
_MAAS = "Change the machine's configuration in MAAS and deploy again."
_BAD_BYTES = "The file is damaged, or not what it should be: see the message around this one."
# The first area with a fitting path takes a sentence.
AREAS = (
    Area(
        "Building: the ISO",
        "An ISO is read completely before anything is written. Several problems are reported at once.",
        ("esxforge/media/", "esxforge/image/boot_volume", "esxforge_target/formats/boot_cfg"),
        "Use the installer ISO as VMware or the server's vendor ships it; compare its checksum.",
    ),
    Area(
        "Building: recipe and password",
        "Each follows its place, such as `root_password.file:`.",
        ("esxforge/recipe/", "esxforge/image/host_settings", "esxforge/formats/password_rules"),
        _RECIPE,
        general=True,
    ),
    Area(
        "Building: kickstart",
        "Each follows its line number. `esxforge kickstart check` says the same beforehand.",
        ("esxforge/formats/kickstart", "esxforge_target/formats/kickstart"),
        "Change that line.",
    ),
    Area(
        "Building: added drivers",
        "Each follows its file and VIB. [Drivers](drivers.md) has the rules.",
        ("esxforge/addons/", "esxforge/image/add_ons"),
        "Use the vendor's file for this release of ESXi; if it is damaged, download it again and compare its checksum.",
        general=True,
    ),
    Area(
        "Golden images and captured disks",
        "",
        ("esxforge/image/golden", "esxforge/image/capture", "esxforge/image/installed", "esxforge/cli/capture"),
        "Build again, or capture the disk again from a machine that is switched off.",
    ),
    Area(
        "Building: output and this computer",
        "",
        ("esxforge/local/", "esxforge/image/build", "esxforge/image/stream", "esxforge/image/target_code"),
        "Run the same command again once what is named is mended.",
    ),
    Area(
        "verify and inspect",
        "",
        ("esxforge/image/",),
        "Build it again, or copy it again from an intact copy.",
    ),
    Area(
        "Upload, and all that asks MAAS",
        "More in [maas-upload.md](maas-upload.md).",
        ("esxforge/maas/", "esxforge/cli/images", "esxforge/cli/upload"),
        "Run the same command again: it goes on where it stopped.",
    ),
    Area(
        "Before, at and during a deployment",
        "By `plan --machine`, `deploy` and `follow`; more in [deploying.md](deploying.md).",
        ("esxforge/deployment/", "esxforge/cli/deploy", "esxforge/cli/following"),
        "Nothing was changed in MAAS: run the same command again.",
    ),
    Area(
        "Configurations that ESXi cannot have",
        "By `esxforge plan`, and by the hook in MAAS's log of the installation. All reasons are listed at once, each "
        "behind its place, such as `network bond0:`. The hook refuses before any disk but the image's own is touched.",
        (
            "esxforge_target/curtin_config/",
            "esxforge_target/esxi/limits",
            "esxforge_target/plan/layout",
            "esxforge_target/plan/storage",
            "esxforge/preview/",
        ),
        _MAAS,
    ),
    Area(
        "The hook, in MAAS's log",
        "Under “this host was NOT prepared:”. The machine ends as “Failed deployment”.",
        (
            "esxforge_target/hook/",
            "esxforge_target/contract/",
            "esxforge_target/esxi/media_size",
            "esxforge_target/esxi/release",
        ),
        "Fix the problems above and redeploy.",
    ),
    Area(
        "The installer step, on the machine's console",
        "Also in MAAS where the installer has a network, and in `/var/log/esxforge-installer.log` there.",
        ("esxforge_target/installer/", "esxforge_target/esxi/banks"),
        "Deploy the machine again; if it stops at the same place, replace or check the boot disk.",
    ),
    Area(
        "What the agent reads back",
        "Behind “The host is not as MAAS asked:”. The agent then rolls everything back.",
        ("esxforge_target/plan/differences",),
        "ESXi took the command and shows something else: deploy again. If it repeats, report it with `esxforge.log`.",
    ),
    Area(
        "The agent, in MAAS's event log and in `esxforge.log`",
        "How to get at the log: [troubleshooting.md](troubleshooting.md#where-each-log-is).",
        (
            "esxforge_target/agent/",
            "esxforge_target/esxi/esxcli",
            "esxforge_target/inventory/",
            "esxforge_target/plan/",
        ),
        "Fix the problems above and redeploy; `esxforge.log` has each command and ESXi's answer.",
    ),
    Area(
        "The host and MAAS's metadata service",
        "From the agent and the installer step, after “MAAS has not been notified yet” or as the reason of a failure.",
        ("esxforge_target/metadata/", "esxforge_target/runtime/http_limits"),
        "The network works; look at MAAS's services and at what is in between (proxy, firewall).",
    ),
    Area(
        "vendor-data and user-data",
        "These change no status: the machine stays Deployed. They are in MAAS's event log and in `esxforge.log`.",
        ("esxforge_target/cloud_data/",),
        "Correct it there. For this host do it by hand, or deploy again.",
        general=True,
    ),
    Area(
        "Joining vCenter",
        "These change no status either.",
        ("esxforge_target/vcenter/",),
        "Join the host by hand; vCenter's own log (vpxd) may say more.",
    ),
    Area(
        "Virtual machines: run, golden builds, selftest, doctor",
        "The report of a failed machine also has QEMU's command line, the end of its serial log and a screenshot.",
        ("esxforge/vm/", "esxforge/checks/", "esxforge/selftest/", "esxforge/cli/selftest"),
        "`esxforge doctor --kind golden` checks what QEMU needs.",
    ),
    Area(
        "The command line, and stand-ins",
        "A wrong command line ends with exit status 2.",
        ("esxforge/cli/", "esxforge/standin_iso/"),
        "`esxforge VERB --help` has every option.",
        general=True,
    ),
    Area(
        "Reading and writing disks and formats",
        "Mostly seen inside another sentence, which says what to do.",
        ("esxforge/formats/", "esxforge_target/formats/", "esxforge_target/runtime/"),
        _BAD_BYTES,
        general=True,
    ),
)
_HEAD = """# Every message, and what to do

Generated from the source by `tests/messages`, and kept equal to it by a test. Search for some words of the message; “…”
replaces what differs each time. By symptom instead: [troubleshooting.md](troubleshooting.md).
"""


def page(messages: Iterable[Message]) -> str:
    """The whole page."""
    by_area: dict[str, list[Message]] = {area.title: [] for area in AREAS}
    for message in messages:
        by_area[area_of(message).title].append(message)
    parts = [_HEAD]
    for area in AREAS:
        rows = _rows(area, by_area[area.title])
        if rows:
            text = f"{area.text}\n\n" if area.text else ""
            parts.append(f"## {area.title}\n\n{text}| Message | What to do |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def area_of(message: Message) -> Area:
    """The area of a message. KeyError where there is none: a new package needs a place in ``AREAS``."""
    for area in AREAS:
        if message.path.removeprefix("src/").startswith(area.paths):
            return area
    raise KeyError(message.path)


def _rows(area: Area, messages: Iterable[Message]) -> list[str]:
    hints: dict[str, list[str]] = {}
    for message in messages:
        said = hints.setdefault(message.sentence, [])
        if message.hint and message.hint not in said:
            said.append(message.hint)
    return [
        f"| {_cell(sentence)} | {' / '.join(_cell(one) for one in said) or area.hint} |"
        for sentence, said in sorted(hints.items(), key=lambda item: _key(item[0]))
    ]


def _key(sentence: str) -> str:
    """By its first words."""
    return re.sub(r"[^a-z0-9 ]", "", sentence.casefold()).strip() + sentence


def _cell(text: str) -> str:
    return re.sub(r"([\\|*<>$`\[\]])", r"\\\1", text)
