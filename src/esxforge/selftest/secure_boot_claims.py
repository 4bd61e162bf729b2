"""Claims about Secure Boot: what VMware's loader was seen to do, what is documented, and what is open."""

from __future__ import annotations

from esxforge.selftest import judge_secure_boot
from esxforge.selftest.claim import DOCS, LOADER, Area, Claim, Part, by_hand

_OPEN = "nothing yet: open"

SECURE_BOOT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "secure-loader", judge_secure_boot.loader, Area.SECURE_BOOT,
        "With Secure Boot on, VMware's loader hands an unsigned module, and `ks=`, to the kernel: it checks "
        "ELF files and the names `s`, `sb`, `esxcore`, `esxupdt` only",
        LOADER, "the kernel starts, under firmware with Microsoft's keys", Part.SECURE_BOOT,
    ),
    Claim(
        "secure-installer", judge_secure_boot.installer, Area.SECURE_BOOT,
        "VMware's installer then starts with that module, and installs",
        "nothing yet: open. A VMware employee wrote of 6.5 that modules are validated strictly there",
        "ESXi is on the disk; a picture of the screen", Part.SECURE_BOOT,
    ),
    Claim(
        "secure-bank", judge_secure_boot.bank, Area.SECURE_BOOT,
        "The installed ESXi starts with our module in its boot bank",
        _OPEN, "it answers, or the agent is heard of; a picture of the screen", Part.SECURE_BOOT,
    ),
    Claim(
        "secure-script", judge_secure_boot.script, Area.SECURE_BOOT,
        "A script in `/etc/rc.local.d` that a module brings is run, so that the agent starts",
        _OPEN, "the agent speaks to MAAS", Part.SECURE_BOOT,
    ),
    Claim(
        "secure-readiness", judge_secure_boot.readiness, Area.SECURE_BOOT,
        "On a host deployed with Secure Boot off, `secureBoot.py -c` says whether it can be switched on",
        DOCS, "the agent's log has its answer, given while boot.cfg still names our module",
    ),
    Claim(
        "secure-afterwards", by_hand, Area.SECURE_BOOT,
        "A host that was deployed with Secure Boot off starts with it on, once the check says that it can",
        _OPEN, "switch it on at a deployed machine, and start it", Part.BY_HAND,
    ),
    Claim(
        "secure-local-sh", by_hand, Area.SECURE_BOOT,
        "`%firstboot` and `local.sh` are not run with Secure Boot on; `%pre` and `%post` are",
        DOCS, "a kickstart with a script in each, each of which leaves a file", Part.BY_HAND,
    ),
    Claim(
        "secure-chain", by_hand, Area.SECURE_BOOT,
        "MAAS's own shim and GRUB start VMware's loader from the boot disk with Secure Boot on",
        _OPEN, "deploy a machine to spare, and watch its console: [by hand](#secure-boot-by-hand)", Part.BY_HAND,
    ),
)  # fmt: skip
