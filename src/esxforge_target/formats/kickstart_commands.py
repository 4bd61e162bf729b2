"""The commands and options of ESXi kickstarts, and what becomes of each beside esxforge's own: one table.

A command or option of a new release is a change of this file alone: the checks of a build, the merge in the hook and
the last look at included files in ESXi's installer all read it.

Sources: VMware's and Broadcom's pages "Installation and Upgrade Script Commands" for 5.5 to 9.1, and the behaviour of
the 6.7 installer. ``since`` is the first release whose pages have a command or option, ``until`` the first whose pages
have it no more.
"""

from typing import Dict, Optional, Sequence, Tuple

from esxforge_target.runtime.values import Value

Release = Tuple[int, int]
RELEASES = ((6, 5), (6, 7), (7, 0), (8, 0), (9, 0), (9, 1))  # type: Tuple[Release, ...]
NOTHING, OPTIONAL, REQUIRED = "no value", "an optional value", "a value"
# What becomes of a command: it goes to the installer; one of esxforge's stands instead; a comment stands instead; or
# the kickstart cannot be used at all.
KEPT, REPLACED, LEFT_OUT, REFUSED = "kept", "replaced", "left out", "refused"


class Option(Value):
    """One option: whether it takes a value, a pattern for it, from which release on, what it cannot stand beside.

    ``stops``: the 6.7 installer stops at a value that does not fit; else it warns and ignores the option. Of a command
    that is replaced, ``stays`` says that the option is handed on to the line that stands instead, and ``loss`` what a
    person loses with it (empty: nothing).
    """

    __slots__ = ("value", "pattern", "since", "excludes", "stops", "stays", "loss")

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        value: str = NOTHING,
        pattern: str = "",
        since: Release = (6, 5),
        excludes: "Tuple[str, ...]" = (),
        stops: bool = False,
        stays: bool = False,
        loss: str = "",
    ) -> None:
        self.value = value
        self.pattern = pattern
        self.since = since
        self.excludes = excludes
        self.stops = stops
        self.stays = stays
        self.loss = loss


class CommandRule(Value):
    """One command: its options, how many bare words it takes, whether it may stand more than once, other names.

    ``fate``: what becomes of it beside esxforge's own commands, and ``reason`` why, as a clause. ``until`` None: it
    still exists; ``gone`` says what replaces it in later releases.
    """

    __slots__ = (
        "options", "arguments", "repeatable", "aliases", "since", "until", "gone", "fate", "reason",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        options: "Optional[Dict[str, Option]]" = None,
        arguments: int = 0,
        repeatable: bool = False,
        aliases: "Sequence[str]" = (),
        since: Release = (6, 5),
        until: "Optional[Release]" = None,
        gone: str = "",
        fate: str = KEPT,
        reason: str = "",
    ) -> None:
        self.options = options or {}
        self.arguments = arguments
        self.repeatable = repeatable
        self.aliases = tuple(aliases)
        self.since = since
        self.until = until
        self.gone = gone
        self.fate = fate
        self.reason = reason


_DISK = {
    "--disk": Option(REQUIRED, excludes=("--firstdisk", "--drive")),
    "--drive": Option(REQUIRED, excludes=("--firstdisk", "--disk")),
    "--firstdisk": Option(OPTIONAL, excludes=("--disk", "--drive")),
    "--ignoreprereqwarnings": Option(stays=True),
    "--ignoreprereqerrors": Option(stays=True),
    "--forceunsupportedinstall": Option(since=(7, 0), stays=True),
}
_OVERWRITE_VSAN = Option(
    loss="the image has replaced what a vSAN had on the boot disk, and the installer stops at the option then"
)
_FORCE_MIGRATE = Option(loss="nothing is upgraded, so nothing is migrated")
_WHOLE_DISK = "ESXi's system stays on the boot disk that MAAS chose"
_BOOT_DISK = "esxforge installs to the boot disk that MAAS chose"
_INTERPRETER = {"--interpreter": Option(REQUIRED, "python|busybox", stops=True)}
_NUMBERS = r"\d{1,3}(\.\d{1,3}){3}"
_TRUTH = "[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]"

COMMANDS = {
    "vmaccepteula": CommandRule(aliases=("accepteula",)),
    "rootpw": CommandRule(
        {"--iscrypted": Option()}, 1, fate=REPLACED, reason="root's password is the one that the build was given"
    ),
    "install": CommandRule(
        {
            **_DISK,
            "--overwritevmfs": Option(excludes=("--preservevmfs",)),
            "--preservevmfs": Option(
                excludes=("--overwritevmfs", "--novmfsondisk"),
                loss="the boot disk is wiped before it is installed to, so nothing on it is preserved",
            ),
            "--novmfsondisk": Option(
                excludes=("--preservevmfs",),
                stays=True,
                loss="it counts only where MAAS's storage layout has no datastore on the boot disk",
            ),
            "--ignoressd": Option(excludes=("--disk", "--drive"), loss="MAAS chose the boot disk, be it an SSD"),
            "--overwritevsan": _OVERWRITE_VSAN,
            "--dpuPciSlots": Option(REQUIRED, since=(8, 0), stays=True),
            "--systemDisk": Option(REQUIRED, since=(7, 0), loss=_WHOLE_DISK),
            "--repartitionsystemdisk": Option(since=(7, 0), loss=_WHOLE_DISK),
        },
        fate=REPLACED,
        reason=_BOOT_DISK,
    ),
    "installorupgrade": CommandRule(
        {
            **_DISK,
            "--overwritevmfs": Option(),
            "--overwritevsan": _OVERWRITE_VSAN,
            "--forcemigrate": _FORCE_MIGRATE,
        },
        fate=REPLACED,
        reason=_BOOT_DISK,
    ),
    "upgrade": CommandRule(
        {
            **_DISK,
            "--overwritevmfs": Option(),
            "--forcemigrate": _FORCE_MIGRATE,
            "--diskBootedFrom": Option(excludes=("--disk", "--drive", "--firstdisk")),
            "--savebootbank": Option(REQUIRED),
            "--bootDiskMarker": Option(REQUIRED),
            "--deletecosvmdk": Option(),
        },
        fate=REFUSED,
        reason="a machine that MAAS deploys is always installed afresh",
    ),
    "clearpart": CommandRule(
        {
            "--all": Option(),
            "--alldrives": Option(excludes=("--drives", "--firstdisk")),
            "--drives": Option(REQUIRED, excludes=("--alldrives", "--firstdisk", "--ignoredrives")),
            "--firstdisk": Option(OPTIONAL, excludes=("--alldrives", "--drives", "--ignoredrives")),
            "--ignoredrives": Option(REQUIRED, excludes=("--drives", "--firstdisk")),
            "--overwritevmfs": Option(),
        },
        repeatable=True,
        fate=LEFT_OUT,
        reason="MAAS's deployment wipes every disk that MAAS knows of the machine",
    ),
    "part": CommandRule(
        {
            "--ondisk": Option(REQUIRED, excludes=("--onfirstdisk", "--ondrive")),
            "--ondrive": Option(REQUIRED, excludes=("--onfirstdisk", "--ondisk")),
            "--onfirstdisk": Option(OPTIONAL, excludes=("--ondisk", "--ondrive")),
        },
        1,
        repeatable=True,
        aliases=("partition",),
        fate=LEFT_OUT,
        reason="MAAS's storage layout decides which datastores are made; this one is not, unless it is there",
    ),
    "partitionembed": CommandRule(fate=LEFT_OUT, reason="MAAS's storage layout decides how the boot disk is used"),
    "network": CommandRule(
        {
            "--bootproto": Option(REQUIRED, "static|dhcp"),
            "--device": Option(REQUIRED, r"vmnic\d+|vusb\d+|[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", stops=True),
            "--ip": Option(REQUIRED, _NUMBERS, stops=True),
            "--netmask": Option(REQUIRED, _NUMBERS, stops=True),
            "--gateway": Option(REQUIRED, _NUMBERS, stops=True),
            "--nameserver": Option(REQUIRED, r"[0-9A-Fa-f.:]+(, *[0-9A-Fa-f.:]+)?", stops=True),
            "--nodns": Option(),
            "--hostname": Option(REQUIRED, r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", stops=True),
            "--vlanid": Option(REQUIRED, r"\d{1,3}|[1-3]\d{3}|40[0-8]\d|409[0-6]", stops=True),
            "--addvmportgroup": Option(REQUIRED, "0|1|" + _TRUTH),
        },
        fate=REPLACED,
        reason="the network is the one that MAAS has for this machine",
    ),
    "keyboard": CommandRule({}, 1),
    "vmserialnum": CommandRule(
        {"--esx": Option(REQUIRED, r"[A-Za-z0-9]{5}(-[A-Za-z0-9]{5}){4}", stops=True)},
        aliases=("serialnum",),
        until=(9, 0),
        gone="vCenter licenses hosts",
    ),
    "reboot": CommandRule({"--noeject": Option()}),
    "dryrun": CommandRule(fate=REFUSED, reason="nothing would be installed, and MAAS would wait for it"),
    "paranoid": CommandRule(
        fate=LEFT_OUT,
        reason="the installer would stop at its own warnings, such as one of a network without a host name",
    ),
    "%include": CommandRule({}, 1, repeatable=True, aliases=("include",)),
}  # type: Dict[str, CommandRule]
INSTALL_COMMANDS = ("install", "installorupgrade", "upgrade")
ALIASES = {alias: name for name, rule in COMMANDS.items() for alias in rule.aliases}  # type: Dict[str, str]

SECTIONS = ("%pre", "%post", "%firstboot")
SECTION_OPTIONS = {
    "%pre": _INTERPRETER,
    "%post": {
        **_INTERPRETER,
        "--timeout": Option(REQUIRED, r"\d+"),
        "--ignorefailure": Option(REQUIRED, _TRUTH),
    },
    "%firstboot": _INTERPRETER,
}  # type: Dict[str, Dict[str, Option]]

# ESX 4 and Red Hat's kickstart had them; the installer ignores each with a warning.
IGNORED_COMMANDS = frozenset((
    "auth", "authconfig", "autopart", "autostep", "bootloader", "cmdline", "device", "deviceprobe", "esxlocation",
    "firewall", "firewallport", "firstboot", "harddrive", "ignoredisk", "interactive", "lang", "langsupport", "lilo",
    "lilocheck", "logvol", "mouse", "raid", "skipx", "text", "timezone", "virtualdisk", "vnc", "volgroup", "xconfig",
    "xdisplay", "vmlicense", "zerombr", "%packages", "%vmlicense_text",
))  # fmt: skip

KEYBOARDS = frozenset((
    "Belgian", "Brazilian", "Croatian", "Czechoslovakian", "Danish", "Default", "Estonian", "Finnish", "French",
    "German", "Greek", "Hungarian", "Icelandic", "Italian", "Japanese", "Latin American", "Norwegian", "Polish",
    "Portuguese", "Russian", "Slovenian", "Spanish", "Swedish", "Swiss French", "Swiss German", "Turkish", "Ukrainian",
    "United Kingdom", "US Default", "US Dvorak",
))  # fmt: skip


def option_of(rule: CommandRule, written: str) -> "Tuple[str, Optional[Option]]":
    """(name as the table has it, the option) for an option as a person wrote it, in whatever case; None: unknown."""
    for name, option in rule.options.items():
        if name.lower() == written.lower():
            return name, option
    return written, None
