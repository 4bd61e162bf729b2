"""Dials: behaviours of ESXi that no public source settles, each with its plausible settings.

A program for ESXi must come out right under every setting. ``FakeEsxi.create(…, dials={"new-uplink": "active"})`` turns
them; what is not turned stands at its default, which is the behaviour that the fake had before anybody asked.
``python -m standin.esxi.dials`` prints the table.
"""

from typing import Dict, List, Tuple

# Seconds that stand behind the settings.
LIST_LAG = {"none": 0.0, "2 s": 2.0, "8 s": 8.0}
EXTENT_LAG = {"none": 0.0, "4 s": 4.0, "60 s": 60.0}
DISK_DELAY = {"none": 0.0, "10 s": 10.0, "60 s": 60.0}
DETECTION = {"at once": 0.0, "2 s": 2.0}
HOSTD_LATE = 60.0
HOSTD_SLOW = 3.0
HOSTD_UNSTEADY = 11  # every so-manieth command is refused
LINK_BOUNCE = 3.0

# Settings of renamed-key: the structure, its field, and the name that another release might give it.
RENAMED: Dict[str, Tuple[str, str, str]] = {
    "ipv4-type": ("IPv4Interface", "Address Type", "Configuration"),
    "ipv4-address": ("IPv4Interface", "IPv4 Address", "Current Address"),
    "vmk-group": ("VMKernelNetworkInterface", "Portgroup", "Connected To"),
    "vmk-mac": ("VMKernelNetworkInterface", "MAC Address", "Hardware Address"),
    "ipv6-advertisements": ("IPv6Interface", "Router Adv Enabled", "Autoconfiguration"),
    "switch-uplinks": ("VirtualSwitch", "Uplinks", "Connected NICs"),
    "team-active": ("FailoverPolicy", "Active Adapters", "In Use"),
    "group-vlan": ("PortGroup", "VLAN ID", "Tag"),
    "nic-mac": ("NIC", "MAC Address", "Hardware Address"),
    "route-gateway": ("IPv4Route", "Gateway", "Next Hop"),
    "dns-servers": ("DNSServer", "DNSServers", "Name Servers"),
    "host-fqdn": ("HostnameInfo", "Fully Qualified Domain Name", "Full Name"),
    "disk-boot": ("ScsiDevice", "Is Boot Device", "Boots"),
    "extent-device": ("VmfsExtent", "Device Name", "Disk"),
    "firewall-enabled": ("FirewallStatus", "Enabled", "On"),
    "ruleset-name": ("FirewallRuleset", "Name", "Identifier"),
}

NOTHING = "nothing public says"


class Dial:
    """One behaviour. ``settings``: name → what it means; the first is the default.

    ``known``: what sources say, as far as they go. ``observed``: how the self-test could see where real ESXi stands;
    empty: only hardware or a network that it does not have would show it. ``unreadable``: a program may give up, with
    nothing changed, under any setting but the default.
    """

    def __init__(
        self,
        name: str,
        question: str,
        settings: Dict[str, str],
        known: str = NOTHING,
        observed: str = "",
        unreadable: bool = False,
    ) -> None:
        self.name = name
        self.question = question
        self.settings = settings
        self.known = known
        self.observed = observed
        self.unreadable = unreadable

    @property
    def default(self) -> str:
        return next(iter(self.settings))


_TABLE: List[Dial] = [
    # -- DHCP and routes
    Dial(
        "default-lease",
        "Which DHCP lease brings the default route where several interfaces of one stack ask?",
        {
            "newest": "the lease that came last",
            "first": "the lease that came first, as long as its route exists",
            "lowest": "that of the interface with the lowest number",
        },
        "one default gateway a stack (vSphere Networking); which, is not said",
        "two interfaces that ask DHCP on the self-test's second network, then `route ipv4 list`",
    ),
    Dial(
        "stale-lease-route",
        "Does a leased default route go when its interface stops asking DHCP?",
        {"gone": "at once", "stays": "it stays while its gateway is on a network of the host"},
        observed="`route ipv4 list` after `ipv4 set -t static`",
    ),
    Dial(
        "remove-leased-route",
        "Does `route ipv4 remove` take away a route that a lease brought?",
        {"works": "as any other", "refused": "only routes set by hand can be removed"},
        observed="the command, on a host with a lease",
    ),
    Dial(
        "set-dhcp-again",
        "Does `ipv4 set -t dhcp` on an interface that uses DHCP already ask again?",
        {"asks": "it takes a new lease", "nothing": "nothing changes, so nothing is done"},
        observed="the DHCP server's log of the self-test's network",
    ),
    Dial(
        "no-lease",
        "What address does an interface show that no DHCP server answers?",
        {"169.254": "one of 169.254.0.0/16", "none": "0.0.0.0"},
        "169.254 in VMware's documents and transcripts; for how long there is none before, is not said",
        "an interface on a network without DHCP server",
    ),
    Dial(
        "lease-gateway-shown",
        "Does `ipv4 get` show the router of a lease as Gateway?",
        {"yes": "the lease's router", "no": "0.0.0.0: the column is for the gateway override alone"},
        "transcripts show a gateway for static and for leased addresses, not which of the two it is",
        "`ipv4 get` after the installation",
    ),
    Dial(
        "orphan-routes",
        "Do routes go with the address that made their gateway reachable?",
        {"gone": "as in FreeBSD, which ESXi's stack is made from", "stay": "they stay, and lead nowhere"},
        observed="a route, then `ipv4 set -t none` on its interface",
    ),
    Dial(
        "stale-advertised-route",
        "Does a router's IPv6 default route go when the interface no longer listens?",
        {"gone": "at once", "stays": "until a boot"},
        observed="a router that advertises on the self-test's network",
    ),
    Dial(
        "leased-dns",
        "Do name servers that a lease brought go when the interface stops asking?",
        {"gone": "at once", "stay": "until they are removed by hand"},
        observed="`dns server list` after `ipv4 set -t static`",
    ),
    Dial(
        "default-route-name",
        "How do lists of routes name the default one?",
        {"default": "default", "zeros": "0.0.0.0 and ::"},
        "`default` in all transcripts of 6.x to 8.0",
        "`route ipv4 list`",
    ),
    Dial(
        "static-route-source",
        "What source do lists show for a route set by hand?",
        {"MANUAL": "MANUAL", "STATIC": "STATIC"},
        "MANUAL in transcripts of 5.5 to 8.0",
        "`route ipv4 list`",
    ),
    # -- vSwitches, teams, links
    Dial(
        "new-uplink",
        "What is a further uplink of a vSwitch, before a policy names it?",
        {"unused": "unused", "active": "active", "standby": "standby"},
        "in the API a NIC that the order does not name is unused; what esxcli adds to the order is not said",
        "`policy failover get` after `uplink add` on a vSwitch that has one",
    ),
    Dial(
        "set-mtu",
        "Does `standard set -m` take the links of the uplinks down for a moment?",
        {"keeps": "no", "bounces": "for some seconds; who asks DHCP then, waits"},
        "many drivers reset their NIC for another MTU; which, depends on the driver",
        "carrier changes of the virtual NIC; says little of other drivers",
    ),
    Dial(
        "management-team",
        "Does the installer's Management Network follow its vSwitch's team?",
        {"follows": "yes", "overrides": "it has an order of its own, with the installer's uplink alone"},
        "installations with either are described",
        "`portgroup policy failover get` after the installation",
    ),
    Dial(
        "fresh-uplink",
        "Which NIC has vSwitch0 after an unattended installation?",
        {"booted": "the one of `network --device`", "first": "the first with a driver"},
        "`network --device` takes a NIC (documented); whether vSwitch0 follows on every release, is not",
        "the uplink of vSwitch0 on a host with two NICs",
    ),
    Dial(
        "uplink-order",
        "In which order does `standard list` name uplinks?",
        {"reversed": "the newest first", "added": "as they were added"},
        "reversed in one sample",
        "`standard list`",
    ),
    # -- interfaces
    Dial(
        "vmk0-mac",
        "Which MAC has vmk0 after the installation?",
        {"nic": "its NIC's", "own": "one of VMware's"},
        "its NIC's where /Net/FollowHardwareMac is on, the default",
        "`ip interface list`",
    ),
    Dial(
        "new-vmk-ipv4",
        "Which IPv4 mode does a new VMkernel interface have?",
        {"none": "none", "dhcp": "it asks DHCP"},
        observed="`ipv4 get` after `ip interface add`",
    ),
    Dial(
        "new-vmk-advertisements",
        "Does a new VMkernel interface listen to router advertisements?",
        {"no": "no", "yes": "yes"},
        observed="`ipv6 get` after `ip interface add`",
    ),
    Dial(
        "fresh-advertisements",
        "Does vmk0 listen to router advertisements after the installation?",
        {"yes": "yes", "no": "no"},
        observed="`ipv6 get` after the installation",
    ),
    Dial(
        "ipv6-detection",
        "When does a duplicate IPv6 address show as such?",
        {"at once": "in the first list", "2 s": "TENTATIVE until then"},
        "RFC 4862: after one second or more",
        "`ipv6 address list` after adding an address that the self-test's network has",
    ),
    # -- what is there already
    Dial(
        "already-there",
        "What does a command say that adds what is there already?",
        {"refused": "Already exists, status 1", "silent": "nothing, status 0"},
        "`Already exists` in transcripts for vSwitches and port groups; for others nothing",
        "each command twice",
    ),
    Dial(
        "not-there",
        "What does a command say that removes what is not there?",
        {"refused": "an error, status 1", "silent": "nothing, status 0"},
        observed="each command for a name that is not there",
    ),
    # -- answers
    Dial(
        "list-lag",
        "Do lists of the network lag behind changes?",
        {"none": "no", "2 s": "2 seconds", "8 s": "8 seconds, where hostd is busy"},
        "esxcli asks hostd, which keeps a copy of its own",
        "a list right after a change",
    ),
    Dial(
        "extent-lag",
        "Does `vmfs extent list` lag behind `filesystem list` after a datastore was made or renamed?",
        {"none": "no", "4 s": "4 seconds", "60 s": "a minute"},
        observed="both lists right after `vmkfstools -C`",
    ),
    Dial(
        "renamed-key",
        "Does a release give a key of an answer another name?",
        dict([("none", "no")] + [(name, "{1} of {0} is {2}".format(*RENAMED[name])) for name in sorted(RENAMED)]),
        "keys differ in blanks between releases; none was seen renamed",
        "the questionnaire's answers hold every key",
        unreadable=True,
    ),
    Dial(
        "no-value",
        "How does JSON show a missing value?",
        {"empty": "as an empty text", "N/A": "as N/A", "null": "as null"},
        "samples have empty strings and N/A",
        "the questionnaire's answers",
    ),
    Dial(
        "empty-list",
        "What does a list print in JSON that has no row?",
        {"brackets": "[]", "nothing": "nothing at all"},
        observed="`vmfs extent list` on a host without datastore",
    ),
    # -- the management service
    Dial(
        "hostd",
        "How does hostd behave?",
        {
            "prompt": "it answers",
            "late": "it refuses for a minute after a boot",
            "slow": "each command takes 3 seconds",
            "unsteady": "it refuses one command in eleven",
        },
        "late and slow after a boot in many reports",
        "the times of each phase",
    ),
    Dial(
        "host-name",
        "What does `hostname set --fqdn` set?",
        {
            "both": "host and domain",
            "domain": "the domain; the host part stays as it is",
            "host": "the host part; the domain stays as it is",
        },
        "both in VMware's documents; one public script says that 9 leaves the host part alone",
        "`hostname get` after it",
    ),
    # -- Secure Boot
    Dial(
        "secure-boot-check",
        "What does `secureBoot.py -c` say?",
        {
            "can": "it can be enabled",
            "cannot": "it cannot, and why",
            "missing": "there is no such program",
            "hangs": "nothing, for as long as anybody waits",
        },
        "both sentences are in VMware's documents",
        "the agent's event",
    ),
    # -- firewall
    Dial(
        "firewall",
        "Is the firewall on after the installation?",
        {"closed": "yes, and what no rule set lets out is dropped", "open": "it is off"},
        "on by default (documented); images of others may switch it off",
        "`firewall get`",
    ),
    Dial(
        "rule-file",
        "Does `firewall refresh` take a rule file in /etc/vmware/firewall?",
        {"taken": "yes", "refused": "an error", "ignored": "status 0, and no rule set"},
        "Broadcom KB 2008226 for up to 6.x; not said for later ones",
        "the rule set after the agent's first start",
        unreadable=True,
    ),
    # -- disks
    Dial(
        "late-disk",
        "Are all disks there when the agent starts?",
        {"none": "yes", "10 s": "data disks come 10 seconds after the start", "60 s": "60 seconds"},
        "SAS expanders and SANs are scanned in the background",
    ),
    Dial(
        "boot-device",
        "Does `device list` call the boot disk a boot device?",
        {"shown": "yes", "not shown": "of no disk it says so"},
        "true in samples of SAS and NVMe disks; false was reported for some USB media",
        "`device list`",
    ),
]
DIALS: Dict[str, Dial] = {dial.name: dial for dial in _TABLE}


def checked(settings: Dict[str, str]) -> Dict[str, str]:
    """The same settings. Raises ValueError for a dial or a setting that there is not."""
    for name, setting in settings.items():
        if name not in DIALS:
            raise ValueError(f"no dial {name}; there are {', '.join(DIALS)}")
        if setting not in DIALS[name].settings:
            raise ValueError(f"dial {name} has no setting {setting}; it has {', '.join(DIALS[name].settings)}")
    return dict(settings)


def main() -> None:
    """Print the table."""
    for dial in _TABLE:
        print(f"{dial.name}: {dial.question}")
        for setting, meaning in dial.settings.items():
            print(f"    {setting + ('' if setting != dial.default else ' (default)'):<24} {meaning}")
        print(f"    known: {dial.known}")
        print(f"    self-test: {dial.observed or 'cannot see it'}")


if __name__ == "__main__":
    main()
