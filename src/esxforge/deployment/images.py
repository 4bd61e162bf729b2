"""The ESXi image that MAAS would deploy, and what is known of it there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from esxforge import __version__
from esxforge.deployment.findings import Finding, Findings
from esxforge.image.maas_title import TitleMarks, read_title
from esxforge.maas.boot_resources import BootResource

PREFIX = "esxi/"
_RELEASE = re.compile(r"(?<![\d.])([5-9]|1\d)\.(\d)(?:\.(\d)|U(\d))?")


@dataclass(frozen=True)
class Image:
    """``name`` as ``distro_series`` takes it, such as esxi/8.0.3. ``release`` and ``marks`` are None where unknown.

    ``number``, ``version`` and ``digests`` identify the bytes: MAAS's id, the newest set, and its files' sha256.
    """

    name: str
    title: str
    complete: bool
    release: str | None
    marks: TitleMarks | None
    number: int | None = None
    version: str | None = None
    digests: tuple[str, ...] = ()


def choose(
    images: Sequence[BootResource] | None, name: str | None, architecture: str, findings: Findings
) -> Image | None:
    """The image of ``name``, or the only one for this architecture. What is wrong goes to ``findings``."""
    if images is None:
        findings.not_known.append("which images MAAS has")
        return None
    fitting = [one for one in images if one.name.startswith(PREFIX) and _same_system(one.architecture, architecture)]
    if name is not None:
        fitting = [one for one in fitting if one.name == name]
    if not fitting:
        what = f"no image {name}" if name is not None else f"no image {PREFIX}…"
        there = ", ".join(sorted(one.name for one in images if one.name.startswith(PREFIX))) or "none"
        hint = f"Upload one: esxforge upload IMAGE. MAAS has: {there}."
        findings.reasons.append(Finding(f"MAAS has {what} for {architecture.split('/', maxsplit=1)[0]}.", hint))
        return None
    if len(fitting) > 1:
        listed = ", ".join(sorted(one.name for one in fitting))
        findings.reasons.append(Finding(f"MAAS has several ESXi images: {listed}.", "Choose one with --image."))
        return None
    image = _facts(fitting[0])
    if not image.complete:
        hint = "Upload it again: esxforge upload goes on where it stopped."
        findings.reasons.append(Finding(f"The image {image.name} in MAAS is incomplete.", hint))
    _judge_marks(image, findings)
    return image


def _same_system(one: str, other: str) -> bool:
    return one.split("/", maxsplit=1)[0] == other.split("/", maxsplit=1)[0]


def _facts(resource: BootResource) -> Image:
    title = resource.title or ""
    newest = resource.newest
    return Image(
        resource.name,
        title,
        complete=newest is not None and newest.complete,
        release=release_of(title) or release_of(resource.name.removeprefix(PREFIX)),
        marks=read_title(title),
        number=resource.id,
        version=newest.version if newest is not None else None,
        digests=tuple(sorted(file.sha256 for file in newest.files.values())) if newest is not None else (),
    )


def release_of(text: str) -> str | None:
    """``8.0.3`` of “VMware ESXi 8.0U3e” and of “8.0.3”."""
    found = _RELEASE.search(text)
    if found is None:
        return None
    update = found[3] or found[4]
    return f"{found[1]}.{found[2]}" + (f".{update}" if update else "")


def _judge_marks(image: Image, findings: Findings) -> None:
    if image.marks is None:
        findings.not_known.append(f"which version of esxforge built {image.name}, if any: its title does not say")
    elif image.marks.version != __version__:
        findings.warnings.append(
            Finding(
                f"{image.name} was built by esxforge {image.marks.version}, this plan is by {__version__}: the host "
                "runs the image's code and may do otherwise.",
                "Build and upload it again for the same plan.",
            )
        )
