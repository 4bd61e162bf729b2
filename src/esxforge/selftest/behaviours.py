"""Behaviours of ESXi that no public source settles, each with its plausible settings: claims that ask instead of state.

The fake ESXi of the tests has a dial for each of them (tests/standin/esxi/dials.py; a test compares the two lists), and
what runs on a host comes out right under every setting. Where a run of the self-test can see which setting is real
ESXi's, ``look`` says it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from esxforge.selftest import judge_behaviours as look
from esxforge.selftest.claim import Area, Claim, Part, by_hand
from esxforge.selftest.evidence import Evidence
from esxforge.selftest.verdicts import Verdict, contradicted, not_seen, seen

NOTHING = "nothing public says"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``settings``: name → meaning; the first is the fake ESXi's. ``known``: what sources say, as far as they go.

    ``how``: what shows it; empty where only hardware or a network that no run has would. ``look`` gives a setting's
    name, or None where the evidence does not show it; a behaviour without it is looked at by hand.
    """

    id: str
    question: str
    settings: Mapping[str, str]
    known: str = NOTHING
    how: str = ""
    look: Callable[[Evidence], str | None] | None = field(default=None, compare=False)


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour(
        "default-lease", "Which DHCP lease brings the default route where several interfaces of one stack ask?",
        {
            "newest": "the lease that came last",
            "first": "the lease that came first, as long as its route exists",
            "lowest": "that of the interface with the lowest number",
        },
        "one default gateway a stack (vSphere Networking); which, is not said",
        "two interfaces that ask DHCP on the self-test's second network, then `route ipv4 list`",
    ),
    Behaviour(
        "stale-lease-route", "Does a leased default route go when its interface stops asking DHCP?",
        {"gone": "at once", "stays": "it stays while its gateway is on a network of the host"},
        how="`route ipv4 list` after `ipv4 set -t static`",
    ),
    Behaviour(
        "remove-leased-route", "Does `route ipv4 remove` take away a route that a lease brought?",
        {"works": "as any other", "refused": "only routes set by hand can be removed"},
        how="the command, on a host with a lease",
    ),
    Behaviour(
        "set-dhcp-again", "Does `ipv4 set -t dhcp` on an interface that uses DHCP already ask again?",
        {"asks": "it takes a new lease", "nothing": "nothing changes, so nothing is done"},
        how="the DHCP server's log of the self-test's network",
    ),
    Behaviour(
        "no-lease", "What address does an interface show that no DHCP server answers?",
        {"169.254": "one of 169.254.0.0/16", "none": "0.0.0.0"},  # noqa: S104
        "169.254 in VMware's documents and transcripts; for how long there is none before, is not said",
        "an interface on a network without DHCP server", look=look.no_lease,
    ),
    Behaviour(
        "lease-gateway-shown", "Does `ipv4 get` show the router of a lease as Gateway?",
        {"yes": "the lease's router", "no": "0.0.0.0: the column is for the gateway override alone"},
        "transcripts show a gateway for static and for leased addresses, not which of the two it is",
        "`ipv4 get` after the installation", look=look.lease_gateway_shown,
    ),
    Behaviour(
        "orphan-routes", "Do routes go with the address that made their gateway reachable?",
        {"gone": "as in FreeBSD, which ESXi's stack is made from", "stay": "they stay, and lead nowhere"},
        how="a route, then `ipv4 set -t none` on its interface", look=look.orphan_routes,
    ),
    Behaviour(
        "stale-advertised-route", "Does a router's IPv6 default route go when the interface no longer listens?",
        {"gone": "at once", "stays": "until a boot"}, how="a router that advertises on the self-test's network",
    ),
    Behaviour(
        "leased-dns", "Do name servers that a lease brought go when the interface stops asking?",
        {"gone": "at once", "stay": "until they are removed by hand"},
        how="`dns server list` after `ipv4 set -t static`",
    ),
    Behaviour(
        "default-route-name", "How do lists of routes name the default one?",
        {"default": "default", "zeros": "0.0.0.0 and ::"}, "`default` in all transcripts of 6.x to 8.0",
        "`route ipv4 list`", look=look.default_route_name,
    ),
    Behaviour(
        "static-route-source", "What source do lists show for a route set by hand?",
        {"MANUAL": "MANUAL", "STATIC": "STATIC"}, "MANUAL in transcripts of 5.5 to 8.0", "`route ipv4 list`",
        look=look.static_route_source,
    ),
    Behaviour(
        "new-uplink", "What is a further uplink of a vSwitch, before a policy names it?",
        {"unused": "unused", "active": "active", "standby": "standby"},
        "in the API a NIC that the order does not name is unused; what esxcli adds to the order is not said",
        "`policy failover get` after `uplink add` on a vSwitch that has one",
    ),
    Behaviour(
        "set-mtu", "Does `standard set -m` take the links of the uplinks down for a moment?",
        {"keeps": "no", "bounces": "for some seconds; who asks DHCP then, waits"},
        "many drivers reset their NIC for another MTU; which, depends on the driver",
        "carrier changes of the virtual NIC; says little of other drivers",
    ),
    Behaviour(
        "management-team", "Does the installer's Management Network follow its vSwitch's team?",
        {"follows": "yes", "overrides": "it has an order of its own, with the installer's uplink alone"},
        "installations with either are described", "`portgroup policy failover get` after the installation",
        look=look.management_team,
    ),
    Behaviour(
        "fresh-uplink", "Which NIC has vSwitch0 after an unattended installation?",
        {"booted": "the one of `network --device`", "first": "the first with a driver"},
        "`network --device` takes a NIC (documented); whether vSwitch0 follows on every release, is not",
        "the uplink of vSwitch0 on a host with two NICs",
    ),
    Behaviour(
        "uplink-order", "In which order does `standard list` name uplinks?",
        {"reversed": "the newest first", "added": "as they were added"}, "reversed in one sample", "`standard list`",
    ),
    Behaviour(
        "vmk0-mac", "Which MAC has vmk0 after the installation?", {"nic": "its NIC's", "own": "one of VMware's"},
        "its NIC's where /Net/FollowHardwareMac is on, the default", "`ip interface list`", look=look.vmk0_mac,
    ),
    Behaviour(
        "new-vmk-ipv4", "Which IPv4 mode does a new VMkernel interface have?",
        {"none": "none", "dhcp": "it asks DHCP"}, how="`ipv4 get` after `ip interface add`", look=look.new_vmk_ipv4,
    ),
    Behaviour(
        "new-vmk-advertisements", "Does a new VMkernel interface listen to router advertisements?",
        {"no": "no", "yes": "yes"}, how="`ipv6 get` after `ip interface add`", look=look.new_vmk_advertisements,
    ),
    Behaviour(
        "fresh-advertisements", "Does vmk0 listen to router advertisements after the installation?",
        {"yes": "yes", "no": "no"}, how="`ipv6 get` after the installation", look=look.fresh_advertisements,
    ),
    Behaviour(
        "ipv6-detection", "When does a duplicate IPv6 address show as such?",
        {"at once": "in the first list", "2 s": "TENTATIVE until then"}, "RFC 4862: after one second or more",
        "`ipv6 address list` after adding an address that the self-test's network has",
    ),
    Behaviour(
        "already-there", "What does a command say that adds what is there already?",
        {"refused": "Already exists, status 1", "silent": "nothing, status 0"},
        "`Already exists` in transcripts for vSwitches and port groups; for others nothing", "each command twice",
        look=look.already_there,
    ),
    Behaviour(
        "not-there", "What does a command say that removes what is not there?",
        {"refused": "an error, status 1", "silent": "nothing, status 0"},
        how="each command for a name that is not there", look=look.not_there,
    ),
    Behaviour(
        "list-lag", "Do lists of the network lag behind changes?",
        {"none": "no", "2 s": "2 seconds", "8 s": "8 seconds, where hostd is busy"},
        "esxcli asks hostd, which keeps a copy of its own", "a list right after a change", look=look.list_lag,
    ),
    Behaviour(
        "extent-lag", "Does `vmfs extent list` lag behind `filesystem list` after a datastore was made or renamed?",
        {"none": "no", "4 s": "4 seconds", "60 s": "a minute"}, how="both lists right after `vmkfstools -C`",
    ),
    Behaviour(
        "renamed-key", "Does a release give a key of an answer another name?",
        {"none": "no", **{name: "{1} of {0} is {2}".format(*look.RENAMED[name]) for name in sorted(look.RENAMED)}},
        "keys differ in blanks between releases; none was seen renamed",
        "the questionnaire's answers hold every key", look=look.renamed_key,
    ),
    Behaviour(
        "no-value", "How does JSON show a missing value?",
        {"empty": "as an empty text", "N/A": "as N/A", "null": "as null"}, "samples have empty strings and N/A",
        "the questionnaire's answers", look=look.no_value,
    ),
    Behaviour(
        "empty-list", "What does a list print in JSON that has no row?",
        {"brackets": "[]", "nothing": "nothing at all"}, how="`vmfs extent list` on a host without datastore",
        look=look.empty_list,
    ),
    Behaviour(
        "hostd", "How does hostd behave?",
        {
            "prompt": "it answers",
            "late": "it refuses for a minute after a boot",
            "slow": "each command takes 3 seconds",
            "unsteady": "it refuses one command in eleven",
        },
        "late and slow after a boot in many reports", "the times of each phase", look=look.hostd,
    ),
    Behaviour(
        "host-name", "What does `hostname set --fqdn` set?",
        {
            "both": "host and domain",
            "domain": "the domain; the host part stays as it is",
            "host": "the host part; the domain stays as it is",
        },
        "both in VMware's documents; one public script says that 9 leaves the host part alone",
        "`hostname get` after it",
    ),
    Behaviour(
        "secure-boot-check", "What does `secureBoot.py -c` say?",
        {
            "can": "it can be enabled",
            "cannot": "it cannot, and why",
            "missing": "there is no such program",
            "hangs": "nothing, for as long as anybody waits",
        },
        "both sentences are in VMware's documents", "the agent's event", look=look.secure_boot_check,
    ),
    Behaviour(
        "firewall", "Is the firewall on after the installation?",
        {"closed": "yes, and what no rule set lets out is dropped", "open": "it is off"},
        "on by default (documented); images of others may switch it off", "`firewall get`", look=look.firewall,
    ),
    Behaviour(
        "rule-file", "Does `firewall refresh` take a rule file in /etc/vmware/firewall?",
        {"taken": "yes", "refused": "an error", "ignored": "status 0, and no rule set"},
        "Broadcom KB 2008226 for up to 6.x; not said for later ones", "the rule set after the agent's first start",
        look=look.rule_file,
    ),
    Behaviour(
        "late-disk", "Are all disks there when the agent starts?",
        {"none": "yes", "10 s": "data disks come 10 seconds after the start", "60 s": "60 seconds"},
        "SAS expanders and SANs are scanned in the background",
    ),
    Behaviour(
        "boot-device", "Does `device list` call the boot disk a boot device?",
        {"shown": "yes", "not shown": "of no disk it says so"},
        "true in samples of SAS and NVMe disks; false was reported for some USB media", "`device list`",
        look=look.boot_device,
    ),
)  # fmt: skip


def _claim_of(one: Behaviour) -> Claim:
    """The claim that asks where real ESXi stands: the settings are its possible answers."""

    def check(evidence: Evidence) -> Verdict:
        setting = one.look(evidence) if one.look else None
        if setting is None:
            return not_seen("Nothing in this run shows it.")
        if setting not in one.settings:
            return contradicted(f"None of the settings that are tried: {setting}.")
        return seen(f"{setting}: {one.settings[setting]}.")

    answers = "; ".join(f"{name}: {meaning}" for name, meaning in one.settings.items())
    return Claim(
        f"esxi-{one.id}",
        check if one.look else by_hand,
        Area.BEHAVIOUR,
        f"{one.question} {answers[0].upper()}{answers[1:]}",
        one.known,
        one.how or "no run has the hardware or the network that shows it",
        Part.ALWAYS if one.look else Part.BY_HAND,
    )


BEHAVIOUR_CLAIMS = tuple(_claim_of(one) for one in BEHAVIOURS)
