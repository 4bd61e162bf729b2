"""The commands and options of ESXi kickstarts, as a table.

Sources: VMware's and Broadcom's pages "Installation and Upgrade Script Commands" for 5.5 to 9.0, and the behaviour of
the 6.7 installer. ``since`` names the first release whose pages have an option; earlier ones ignore it with a warning.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Release = tuple[int, int]
NOTHING, OPTIONAL, REQUIRED = "no value", "an optional value", "a value"


@dataclass(frozen=True, slots=True)
class Option:
    """One option: whether it takes a value, a pattern for it, from which release on, what it cannot stand beside."""

    value: str = NOTHING
    pattern: str = ""
    since: Release = (6, 5)
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandRule:
    """One command: its options, how many bare words it takes, and whether it may stand more than once."""

    options: dict[str, Option] = field(default_factory=dict)
    fewest_arguments: int = 0
    most_arguments: int = 0
    repeatable: bool = False


_DISK = {
    "--disk": Option(REQUIRED, excludes=("--firstdisk", "--drive")),
    "--drive": Option(REQUIRED, excludes=("--firstdisk", "--disk")),
    "--firstdisk": Option(OPTIONAL, excludes=("--disk", "--drive")),
    "--ignoreprereqwarnings": Option(),
    "--ignoreprereqerrors": Option(),
    "--forceunsupportedinstall": Option(since=(7, 0)),
}
_INTERPRETER = {"--interpreter": Option(REQUIRED, "python|busybox")}
_NUMBERS = r"\d{1,3}(\.\d{1,3}){3}"

COMMANDS: dict[str, CommandRule] = {
    "vmaccepteula": CommandRule(),
    "rootpw": CommandRule({"--iscrypted": Option()}, 1, 1),
    "install": CommandRule(
        {
            **_DISK,
            "--overwritevmfs": Option(excludes=("--preservevmfs",)),
            "--preservevmfs": Option(excludes=("--overwritevmfs", "--novmfsondisk")),
            "--novmfsondisk": Option(excludes=("--preservevmfs",)),
            "--ignoressd": Option(excludes=("--disk", "--drive")),
            "--overwritevsan": Option(),
            "--dpuPciSlots": Option(REQUIRED, since=(8, 0)),
            "--systemDisk": Option(REQUIRED, since=(7, 0)),
            "--repartitionsystemdisk": Option(since=(7, 0)),
        }
    ),
    "installorupgrade": CommandRule(
        {**_DISK, "--overwritevmfs": Option(), "--overwritevsan": Option(), "--forcemigrate": Option()}
    ),
    "upgrade": CommandRule(
        {
            **_DISK,
            "--overwritevmfs": Option(),
            "--forcemigrate": Option(),
            "--diskBootedFrom": Option(excludes=("--disk", "--drive", "--firstdisk")),
            "--savebootbank": Option(REQUIRED),
            "--bootDiskMarker": Option(REQUIRED),
            "--deletecosvmdk": Option(),
        }
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
    ),
    "part": CommandRule(
        {
            "--ondisk": Option(REQUIRED, excludes=("--onfirstdisk", "--ondrive")),
            "--ondrive": Option(REQUIRED, excludes=("--onfirstdisk", "--ondisk")),
            "--onfirstdisk": Option(OPTIONAL, excludes=("--ondisk", "--ondrive")),
        },
        1,
        1,
        repeatable=True,
    ),
    "partitionembed": CommandRule(),
    "network": CommandRule(
        {
            "--bootproto": Option(REQUIRED, "static|dhcp"),
            "--device": Option(REQUIRED, r"vmnic\d+|[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}"),
            "--ip": Option(REQUIRED, _NUMBERS),
            "--netmask": Option(REQUIRED, _NUMBERS),
            "--gateway": Option(REQUIRED, _NUMBERS),
            "--nameserver": Option(REQUIRED, r"[0-9A-Fa-f.:]+(, *[0-9A-Fa-f.:]+)?"),
            "--nodns": Option(),
            "--hostname": Option(REQUIRED, r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"),
            "--vlanid": Option(REQUIRED, r"\d{1,3}|[1-3]\d{3}|40[0-8]\d|409[0-6]"),
            "--addvmportgroup": Option(REQUIRED, "0|1|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]"),
        }
    ),
    "keyboard": CommandRule({}, 1, 1),
    "vmserialnum": CommandRule({"--esx": Option(REQUIRED, r"[A-Za-z0-9]{5}(-[A-Za-z0-9]{5}){4}")}),
    "reboot": CommandRule({"--noeject": Option()}),
    "dryrun": CommandRule(),
    "paranoid": CommandRule(),
    "%include": CommandRule({}, 1, 1, repeatable=True),
}

SECTION_OPTIONS: dict[str, dict[str, Option]] = {
    "%pre": _INTERPRETER,
    "%post": {
        **_INTERPRETER,
        "--timeout": Option(REQUIRED, r"\d+"),
        "--ignorefailure": Option(REQUIRED, "[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]"),
    },
    "%firstboot": _INTERPRETER,
}

# ESX 4 and Red Hat's kickstart had them; the installer ignores each with a warning.
IGNORED_COMMANDS = frozenset(
    [
        "auth",
        "authconfig",
        "autopart",
        "autostep",
        "bootloader",
        "cmdline",
        "device",
        "deviceprobe",
        "esxlocation",
        "firewall",
        "firewallport",
        "firstboot",
        "harddrive",
        "ignoredisk",
        "interactive",
        "lang",
        "langsupport",
        "lilo",
        "lilocheck",
        "logvol",
        "mouse",
        "raid",
        "skipx",
        "text",
        "timezone",
        "virtualdisk",
        "vnc",
        "volgroup",
        "xconfig",
        "xdisplay",
        "vmlicense",
        "zerombr",
        "%packages",
        "%vmlicense_text",
    ]
)

KEYBOARDS = frozenset(
    """Belgian,Brazilian,Croatian,Czechoslovakian,Danish,Default,Estonian,Finnish,French,German,Greek,Hungarian,
Icelandic,Italian,Japanese,Latin American,Norwegian,Polish,Portuguese,Russian,Slovenian,Spanish,Swedish,Swiss French,
Swiss German,Turkish,Ukrainian,United Kingdom,US Default,US Dvorak""".replace("\n", "").split(",")
)
