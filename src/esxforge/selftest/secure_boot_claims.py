"""Claims about Secure Boot: what VMware's loader was seen to do, what is documented, and what is open."""

from __future__ import annotations

from esxforge.selftest.claim import DOCS, LOADER, Area, Claim, Part, by_hand

_OPEN = "nothing yet: open"

SECURE_BOOT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "secure-loader", by_hand, Area.SECURE_BOOT,
        "With Secure Boot on, VMware's loader hands an unsigned module, and `ks=`, to the kernel: it checks "
        "ELF files and the names `s`, `sb`, `esxcore`, `esxupdt` only",
        LOADER, "deploy a machine to spare with Secure Boot on and `secure_boot = \"try\"`", Part.BY_HAND,
    ),
    Claim(
        "secure-installer", by_hand, Area.SECURE_BOOT,
        "VMware's installer then starts with that module, and installs",
        "nothing yet: open. A VMware employee wrote of 6.5 that modules are validated strictly there",
        "as above: the installer starts, or a screen says why not", Part.BY_HAND,
    ),
    Claim(
        "secure-bank", by_hand, Area.SECURE_BOOT,
        "The installed ESXi starts with our module in its boot bank",
        _OPEN, "as above, after the installation", Part.BY_HAND,
    ),
    Claim(
        "secure-script", by_hand, Area.SECURE_BOOT,
        "A script in `/etc/rc.local.d` that a module brings is run, so that the agent starts",
        _OPEN, "as above: the agent is heard of", Part.BY_HAND,
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
