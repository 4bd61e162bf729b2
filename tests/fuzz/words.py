"""Values that the formats know, by the names of their fields: keywords, limits and what lies beyond them."""

from __future__ import annotations

from fuzz.mutate import Words

_ANY = "0.0.0.0"  # noqa: S104
_ADDRESSES = (
    "", "10.0.0.5", "10.0.0.1", "10.0.0.0", "10.0.0.255", "10.0.0.5/24", "10.0.1.5/31", "10.0.0.5/0", "224.0.0.1",
    "224.0.0.1/24", "127.0.0.1/8", _ANY, "2001:db8::5", "2001:db8::5/64", "fe80::1", "fe80::1/64", "fe80::1%vmk0",
    "::", "ff02::1/64", "a", "10.0.0.5/33", "10.0.0/24",
)  # fmt: skip
_NETWORKS = ("default", "0.0.0.0/0", "::/0", "10.9.0.0/16", "10.9.0.1/16", "10.9.0.0", "2001:db8:9::/48", "10.9.0.0/x")
_NAMES = (
    "eno1", "eno2", "eno3", "bond0", "eno1.5", "eno1:1", "Management Network", "VM Network", "-x", "a/b", "50%", "a\tb",
    "x" * 79, "x" * 80, "OSDATA", "OSDATA-1", "LOCKER-1", "BOOTBANK1", " x", ".", "..", "é" * 42, "x" * 43, "sda",
    "sdb", "sda-part1", "sdb-part1", "datastore1", "vmk0", "vmk1", "vSwitch0", "vSwitch1", "vmnic0", "vmnic1",
)  # fmt: skip
_MACS = ("52:54:00:00:00:01", "52-54-00-00-00-02", "01:00:5e:00:00:01", "52:54:00:00:00", "52:54:00:00:00:03")
_SIZES = (0, 1, 1 << 20, 1395864370, 1395864371, 64 << 40, (64 << 40) + 1, 1 << 62, (1 << 62) + 1, -1,
          "5G", "5GiB", "65T", "5242880B", "9999999999999999999T", "5X")  # fmt: skip
_MTUS = (None, 0, 1279, 1280, 1500, 9000, 9001, "9000", "jumbo")

CURTIN: Words = {
    "type": (
        "physical", "bond", "vlan", "bridge", "route", "loopback", "nameserver", "infiniband", "manual", "static",
        "static6", "STATIC", "dhcp", "dhcp4", "dhcp6", "disk", "partition", "format", "mount", "vmfs6", "raid",
        "nvme_controller", "lvm_volgroup", "", "zfs",
    ),
    "id": _NAMES, "name": _NAMES, "device": _NAMES, "vlan_link": _NAMES, "volume": _NAMES, "bond-primary": _NAMES,
    "mac_address": _MACS, "mtu": _MTUS, "vlan_id": (0, 1, 5, 4094, 4095, -1, "5", None),
    "bond_interfaces": ([], ["eno1"], ["eno1", "eno2"], ["eno2", "eno2"], ["bond0"], ["eno1.5"], ["eno9"], "eno1 eno2"),
    "params": (None, {}, {"bond-mode": "802.3ad"}, {"bond_mode": 4, "bond_primary": "eno2"}, []),
    "bond-mode": ("", "balance-rr", "active-backup", "802.3ad", "balance-alb", "broadcast", 0, 1, 4, 6, "7", "x"),
    "bond-arp-interval": (0, 100), "bond-arp-ip-target": ("10.0.0.1",), "bond-miimon": (100,), "bond-new-key": (1,),
    "bridge_interfaces": ([], ["eno1"], "eno1"), "accept-ra": (True, False, "yes", 1),
    "subnets": ([], None, [{"type": "manual"}], [{"type": "dhcp4", "gateway": "10.0.0.1"}], [{"type": "dhcp6"}] * 2,
                [{"type": "static", "address": "10.0.0.5/24", "gateway": "10.0.0.1"}],
                [{"type": "static", "address": "10.0.0.6", "netmask": "255.255.255.0"}]),
    "address": (*_ADDRESSES, ["10.0.0.2"], ["8.8.8.8", "x"]), "gateway": _ADDRESSES,
    "netmask": ("", "255.255.255.0", "24", "64", "255.255.0.255"), "destination": _NETWORKS, "network": _NETWORKS,
    "dns_nameservers": (["10.0.0.2"], ["x"], "10.0.0.2 10.0.0.3", ["fe80::1%eth0"], ["", "10.0.0.2"]),
    "dns_search": (["maas"], ["a b"], ["x."], "a,b"), "search": (["maas"], ["-"]), "metric": (0, 1, 100, "x"),
    "routes": ([], [{"destination": "10.9.0.0/16", "gateway": "10.0.0.1", "metric": 5}],
               [{"network": "10.9.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.2"}] * 2),
    "version": (1, "1", 2, None), "config": ([], None), "devices": ([], ["sdb-part1"], ["sda-part1", "sdb-part1"]),
    "size": _SIZES, "offset": _SIZES, "number": (0, 1, 5, 128, 129, None, "5"), "grub_device": (True, False, "x"),
    "preserve": (True, False), "fstype": ("vmfs6", "vmfs", "ext4", ""), "serial": ("", "S1"), "wwn": ("", "0x5000c500"),
    "consumer_key": ("k",), "endpoint": ("http://10.0.0.2:5248/MAAS/metadata/status/a", "http://10.9.0.2/x"),
}  # fmt: skip

INVENTORY: Words = {
    "version": (1, 2, 3, True, "6.7.0", "8.0.3", "5.5.0", "x"), "ipv4": ("static", "dhcp", "none", "x", "STATIC"),
    "address": _ADDRESSES, "gateway": _ADDRESSES, "network": (*_NETWORKS, *_ADDRESSES),
    "prefix_length": (-1, 0, 24, 31, 32, 33, 64, 128, 129), "name": _NAMES, "port_group": _NAMES, "vswitch": _NAMES,
    "interface": _NAMES, "mtu": (0, 1280, 1500, 9000, 9001), "vlan_id": (0, 1, 4094, 4095), "kind": ("failover", "x"),
    "uplinks": ([], ["vmnic0"], ["vmnic1", "vmnic0"]), "active": ([], ["vmnic0"], ["vmnic9"]), "standby": (["vmnic1"],),
    "load_balancing": ("portid", "explicit", "iphash", "x"), "netstack": ("defaultTcpipStack", "vmotion"),
    "tags": ([], ["Management"], ["VSAN", "VMotion"]), "source": ("MANUAL", "DHCP", "ADV"), "overrides_team": (True, 1),
    "link_up": (None, True), "size": (0, 1 << 30, 1 << 40, 64 << 40), "boot": (True, False), "table": (None,),
    "disk_guids": ({}, [], {"sda": "x"}, {"sda": 5}, ["x"]), "label": ("gpt", "msdos", "unknown"),
    "sector_size": (0, 512, 4096), "number": (0, 1, 8, 128), "first": (0, 34, 1 << 40), "last": (0, 1 << 40),
    "ipv6_addresses": ([], [{"address": "2001:db8::5", "prefix_length": 64, "origin": "STATIC"}]),
    "status": ("", "preferred", "tentative"), "mac": _MACS, "routes": ([],), "devices": ([],),
    "inventory": ({}, None, []),
}  # fmt: skip

CONTRACT: Words = {
    "kind": ("nic", "bond", "vlan", "static", "dhcp4", "dhcp6", "installer", "golden", "x"), "name": _NAMES,
    "link": ("", *_NAMES), "members": ([], ["eno1"], ["eno1", "eno2"], ["eno9"]), "primary": ("", *_NAMES),
    "address": _ADDRESSES, "gateway": _ADDRESSES, "destination": _NETWORKS, "prefix_length": (-1, 0, 24, 33, 64, 129),
    "name_servers": ([], ["x"], ["10.0.0.2"], ["fe80::1%a"]), "addresses": ([], ["x"], ["10.0.0.2"]), "id": _NAMES,
    "boot": (True, False), "partitions": ([], ["sda-part8"], ["x"], ["sdb-part1"]), "disk": _NAMES, "disks": ([],),
    "version": (1, 2, True, None), "mtu": (0, 1279, 1500, 9001), "vlan_id": (-1, 0, 4095, 4096), "number": (0, 128),
    "size": (-1, 0, 1 << 62, (1 << 62) + 1), "offset": (-1, 0, None), "mac": _MACS, "routes": ([],),
    "length": (-1, 0, 1 << 40, 1 << 62), "sha256": ("0" * 64, "x"), "release": ("6.7", "8.0.3", "x", ""),
    "kernel_options": (["a"], ["a b"], [5]), "ssh_keys": ([], ["ssh-ed25519 AAAA"]), "password_source": ("hash", "x"),
    "server": ("vc", "", "a\nb"), "datacenter": ("DC", ""), "thumbprint": ("", "x"),
}  # fmt: skip

MANIFEST: Words = {
    "path": ("ESXFORGE.TGZ", "esxforge.tgz", "5/esxforge.tgz", "../x", ""), "at_deploy": (True, False),
    "offset": (0, 1, 1 << 20, 1 << 30, 1 << 40, -1), "length": (0, 1, 1 << 30, 1 << 62, -1), "kind": ("golden", "x"),
    "raw_size": (0, 512, 1 << 20, 1 << 62), "sector_size": (512, 4096, 520), "sha256": ("0" * 64, "x"),
    "bios": ({"starts": False, "reason": "", "boot_code": "", "partition": 0}, {}, None), "firmware": ([], ["BIOS"]),
    "renewed_volumes": ([], [1], [5, 6], [129]), "boot_bank": (5, 6, 0), "files": ([],), "structures": ([],),
}  # fmt: skip

VCENTER: Words = {
    "error_type": ("NOT_FOUND", "ALREADY_EXISTS", "UNAUTHORIZED", "X", None), "type": ("a.b.unauthenticated", "X"),
    "value": ({}, {"messages": [{"id": "vim.fault.InvalidLogin"}]}, None), "id": ("vim.fault.NoHost", "x", "secret"),
    "messages": ([], [{}], ["x"], None, [{"default_message": "no license left"}]), "default_message": ("secret", ""),
}  # fmt: skip

ESXCLI: Words = {
    "AddressType": ("none", "NONE", "dhcp", "static", "x"), "IPv4Address": _ADDRESSES, "Gateway": _ADDRESSES,
    "Address": (*_ADDRESSES, "2001:db8::5/129"), "Network": _NETWORKS, "IPv4Netmask": ("255.255.255.0", "24", "x"),
    "Netmask": (_ANY, "64", "129", "x"), "PrefixLength": ("0", "64", "x"), "Name": _NAMES, "Portgroup": _NAMES,
    "VirtualSwitch": _NAMES, "Interface": _NAMES, "NetstackInstance": ("defaultTcpipStack", "vmotion", ""),
    "DeviceType": ("Direct-Access", "CD-ROM", ""), "Size": ("0", "5000", "x", "-1"), "Device": ("naa.1", "mpx.x", ""),
    "DevfsPath": ("", "/vmfs/devices/disks/naa.1"), "IsBootDevice": ("true", "false", "x"), "IPv6Enabled": ("false",),
    "OverrideVswitchLoadBalancing": ("true", "x"), "OverrideVswitchUplinks": ("true",), "Version": ("8.0.3", "5", ""),
    "OverrideVswitchFailback": ("true",), "OverrideVswitchAllowPromiscuous": ("true", "false", "x"),
    "LoadBalancing": ("srcport", "srcmac", "iphash", "explicit", "loadbased", "x"), "ActiveAdapters": ([], ["vmnic1"]),
    "StandbyAdapters": (["vmnic0"], ["vmnic9"]), "Uplinks": ([], ["vmnic0"]), "Link": ("Up", "Down", "N/A", "x"),
    "VLANID": ("0", "4095", "4096", "x"), "MTU": ("1500", "9000", "x", "N/A"), "Type": ("STATIC", "VMFS-6", "vfat"),
    "Tags": ([], "Management", ["Management", "VSAN"]), "Source": ("MANUAL", "dhcp"), "MACAddress": _MACS,
    "DNSServers": ([], "10.0.0.2", ["fe80::1%vmk0"]), "Mounted": ("false",), "name": ("x",), "Driver": ("N/A", ""),
    "ExtentNumber": ("1", "x"), "Partition": ("0", "129"), "mtu": ("9000",),
}  # fmt: skip

# Answers of MAAS: machines and what is around them, images, events.
MAAS: Words = {
    "mode": ("static", "auto", "dhcp", "link_up"),
    "ip_address": ("", "10.70.0.9", "10.0.0.5", "2001:db8::5", "fe80::1"), "osystem": ("", "esxi", "ubuntu"),
    "distro_series": ("", "8.0.3", "esxi/7.0", "custom", "jammy"), "status": (0, 4, 6, 8, 9, 10, 11),
    "architecture": ("amd64/generic", "arm64/generic"), "boot_disk": (None,),
    "bios_boot_method": ("uefi", "pxe", None), "boot_interface": (None, {"id": 1, "vlan": None}),
    "block_size": (512, 4096), "partition_table_type": ("GPT", "MBR", None, "X"),
    "size": (1 << 20, 4 << 30, 33 << 30, 1 << 40), "blockdevices": ([],), "vmfs-datastores": ([],),
    "use_rack_proxy": (True, False, None), "node_timeout": (5, 30, 60), "allow_dns": (True, False),
    "ssh_keys": (0, 1, None), "username": ("admin", "me@example.com"), "model": ("QEMU", ""),
    "owner": ("", "admin", "me@example.com", None), "relay_vlan": (None, {"id": 2}, {"id": 8}), "enabled": (False,),
    "serial": ("S1", ""), "id_path": (None, "/dev/disk/by-id/x", "/dev/disk/by-id/y"),
    "fstype": ("swap", "ext4", "vmfs6"), "mount_point": (None, "/", "/var/log"), "mount_options": (None, "ro"),
    "discovered": (None, []), "dhcp_on": (True, False),
    "special_filesystems": ([{"fstype": "tmpfs", "mount_point": "/a/b", "mount_options": "size=5"}],),
    "filesystem": (None, {"fstype": "ext4", "label": None, "mount_options": None, "mount_point": "/", "uuid": "u"}),
    "space": ("undefined", "space-2", "space-6"), "gateway_ip": ("", None, "10.70.0.1", "2001:db8::1", "10.9.0.1"),
    "cidr": ("10.70.0.0/24", "10.9.0.0/16", _ANY + "/0", "2001:db8:99::/64", "10.70.0.1/24"),
    "bootable": (True, False), "dns_servers": ([], ["10.70.0.2", "2001:db8::2"]),
    "primary_rack": (None, "eqdreg", "x"), "secondary_rack": ("y", None), "rackcontrollers": (None, []),
    "boot-resources": (None, []), "complete": (True, False), "name": ("esxi/8.0.3", "esxi/7", "eth0"),
    "title": ("VMware ESXi 8.0U3e (esxforge 0.1.0, SSH key needed)", "ESXi 7.0 (esxforge 9, 4Kn disks)", "x", None),
    "id": (1, 2, 8, 11, 30), "mac_address": ("52:54:00:00:00:01", "", None),
    "parents": ([], ["eth0"], ["eth0", "eth1"]),
    "type": ("physical", "bond", "vlan", "bridge", "partition", "virtual"),
    "path": ("/dev/sda-part5", "/dev/sda-part6", "x"), "params": ("", None, {"bond_mode": "802.3ad"}, {"mtu": 9000}),
    "version": ("3.2", "3.7.3", "3.8.0", "4.0", "x"), "interfaces": ([],),
    "unreserved_ip_ranges": ([], [{"start": "10.70.0.5", "end": "10.70.0.99", "num_addresses": 95}]),
    "metric": (0, 100), "ip": ("10.70.0.9", "10.70.0.50"), "link_connected": (True, False, None), "vid": (0, 5, 4094),
    "progress": (None, 0, 50.0, 33.3, 100), "sets": ({},), "level": ("INFO", "ERROR", "CRITICAL", "DEBUG"),
    "description": ("'esxforge' #1.1 inventory: x",
                    "'esxforge' #1.4 network: x", "'esxforge' #2.1 start: x", "'curtin' x", ""),
    "created": ("Mon, 23 Nov. 2026 10:00:00", "", "x"), "hostname": ("node1", "a", ""),
    "fqdn": ("node1.maas", "a.maas"), "system_id": ("abc123", "node1", "x"), "output": ("ZXN4", "!", ""),
}  # fmt: skip
