"""The REST answers that belong to an ordered machine: a recorded pair with the order's interfaces, disks and addresses.

Going backwards from the configuration that MAAS rendered; tests/unit/deployment/test_ordered.py holds that the
prediction from these answers is that configuration again.
"""

from __future__ import annotations

import copy
import json
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any

from whole_way.order import Order

TEMPLATE = Path(__file__).parents[1] / "data" / "maas-pairs" / "3.6.5" / "vmfs7.json"
# The rack controller, as the machines see it.
RACK = "10.0.0.2"


def answers_for(order: Order) -> dict[str, Any]:
    """The answers, by the names that ``esxforge plan --save`` uses; the machine is Ready."""
    template: dict[str, Any] = json.loads(TEMPLATE.read_text("utf-8"))["answers"]
    return _Backwards(order, copy.deepcopy(template)).answers()


class _Backwards:
    def __init__(self, order: Order, template: dict[str, Any]) -> None:
        self._order = order
        self._template = template
        config = order.config(5248)
        self._network = config["network"]["config"]
        self._storage = config["storage"]["config"]
        self._subnets: dict[str, dict[str, Any]] = {}
        self._routes: list[dict[str, Any]] = []
        self._ids = iter(range(1, 10_000))
        self._vlan = {**template["machine"]["boot_interface"]["vlan"], "primary_rack": "rack01"}

    def answers(self) -> dict[str, Any]:
        interfaces = [self._interface(item) for item in self._network if item["type"] != "nameserver"]
        disks = self._block_devices()
        host, _, domain = self._order.hostname.partition(".")
        gateways = {4: None, 6: None}
        for subnet in self._subnets.values():
            version = ip_network(subnet["cidr"]).version
            gateways[version] = gateways[version] or subnet["gateway_ip"]
        machine = {
            **self._template["machine"],
            "system_id": self._order.system_id,
            "hostname": host,
            "fqdn": self._order.hostname,
            "domain": {"name": domain},
            "status": 4,
            "status_name": "Ready",
            "owner": None,
            "boot_interface": {"id": interfaces[0]["id"], "vlan": self._vlan},
            "boot_disk": {"id": disks[0]["id"]},
            "default_gateways": {f"ipv{one}": {"gateway_ip": gateways[one], "link_id": None} for one in (4, 6)},
            "ip_addresses": [link["ip_address"] for one in interfaces for link in one["links"] if "ip_address" in link],
        }
        rack_subnet = self._subnet(f"{RACK}/24")
        rack = {"id": next(self._ids), "mode": "static", "ip_address": RACK, "subnet": rack_subnet}
        nic = {"id": next(self._ids), "enabled": True, "links": [rack], "discovered": None}
        return {
            **self._template,
            "machine": machine,
            "interfaces": interfaces,
            "blockdevices": disks,
            "vmfs-datastores": self._datastores(disks),
            "subnets": list(self._subnets.values()),
            "static-routes": self._routes,
            "domains": [{"name": domain, "authoritative": True}],
            "rackcontrollers": [{"system_id": "rack01", "fqdn": "rack01.maas", "interface_set": [nic]}],
            "fabrics": [{"vlans": [self._vlan]}],
        }

    def _interface(self, item: dict[str, Any]) -> dict[str, Any]:
        parents = item.get("bond_interfaces") or ([item["vlan_link"]] if "vlan_link" in item else [])
        vlan = self._vlan
        if item["type"] == "vlan":
            vlan = {
                **vlan,
                "id": 9000 + item["vlan_id"],
                "vid": item["vlan_id"],
                "dhcp_on": False,
                "primary_rack": None,
            }
        params = {key.replace("-", "_"): value for key, value in item.get("params", {}).items()}
        return {
            "id": next(self._ids),
            "name": item["name"],
            "type": item["type"],
            "mac_address": item.get("mac_address"),
            "parents": parents,
            "enabled": True,
            "params": params or "",
            "effective_mtu": item["mtu"],
            "vlan": vlan,
            "discovered": None,
            "links": [link for one in item.get("subnets", []) for link in self._links(one, vlan)],
        }

    def _links(self, subnet: dict[str, Any], vlan: dict[str, Any]) -> list[dict[str, Any]]:
        if subnet["type"] == "manual":
            return []
        if subnet["type"] != "static":
            return [{"id": next(self._ids), "mode": "dhcp", "subnet": self._subnet(f"{RACK}/24")}]
        found = self._subnet(subnet["address"], vlan)
        found["gateway_ip"] = found["gateway_ip"] or subnet.get("gateway")
        servers = [one for one in subnet.get("dns_nameservers", []) if one != RACK]
        found["dns_servers"] = found["dns_servers"] or servers
        for route in subnet.get("routes", []):
            entry = {**route, "source": {"id": found["id"]}, "destination": {"cidr": route["destination"]}}
            entry["gateway_ip"] = entry.pop("gateway")
            if entry not in [{key: one[key] for key in entry} for one in self._routes]:
                self._routes.append({**entry, "id": next(self._ids)})
        address = str(ip_interface(subnet["address"]).ip)
        return [{"id": next(self._ids), "mode": "static", "ip_address": address, "subnet": found}]

    def _subnet(self, address: str, vlan: dict[str, Any] | None = None) -> dict[str, Any]:
        cidr = str(ip_interface(address).network)
        if cidr not in self._subnets:
            self._subnets[cidr] = {
                "id": next(self._ids),
                "cidr": cidr,
                "vlan": vlan or self._vlan,
                "gateway_ip": None,
                "dns_servers": [],
                "allow_dns": True,
            }
        return self._subnets[cidr]

    def _block_devices(self) -> list[dict[str, Any]]:
        template = self._template["blockdevices"][0]
        sizes = {disk.serial: disk.size for disk in self._order.disks}
        found = []
        for item in (one for one in self._storage if one["type"] == "disk"):
            serial = item.get("serial")
            own = {
                "name": item["name"],
                "serial": serial,
                "model": item.get("model"),
                "size": sizes.get(serial, 1 << 37),
            }
            parts = [one for one in self._storage if one["type"] == "partition" and one["device"] == item["id"]]
            tables = {"gpt": "GPT", "msdos": "MBR"}
            # Of a boot disk without partitions MAAS names the table all the same.
            table = tables[item["ptable"]] if parts else None
            path = f"/dev/disk/by-dname/{item['name']}"
            partitions = [self._partition(one, path) for one in parts]
            found.append(
                {**template, **own, "id": next(self._ids), "path": path, "partition_table_type": table}
                | {"partitions": partitions, "filesystem": None}
            )
        return found + [self._virtual(one) for one in self._storage if one["type"] == "vmfs6"]

    def _partition(self, item: dict[str, Any], path: str) -> dict[str, Any]:
        return {
            "id": next(self._ids),
            "path": f"{path}-part{item['number']}",
            "size": int(item["size"].removesuffix("B")),
            "uuid": item.get("uuid"),
            "bootable": item.get("flag") == "boot",
            "filesystem": None,
        }

    def _virtual(self, item: dict[str, Any]) -> dict[str, Any]:
        (made,) = [one for one in self._storage if one["type"] == "format" and one["volume"] == item["id"]]
        mounts = [one["path"] for one in self._storage if one["type"] == "mount" and one["device"] == made["id"]]
        filesystem = {"fstype": "vmfs6", "uuid": made["uuid"], "label": None, "mount_options": None}
        return {
            **self._template["blockdevices"][-1],
            "id": next(self._ids),
            "name": item["name"],
            "path": f"/dev/disk/by-dname/{item['name']}",
            "filesystem": filesystem | {"mount_point": mounts[0] if mounts else None},
        }

    def _datastores(self, devices: list[dict[str, Any]]) -> list[dict[str, Any]]:
        ids = {part["path"].rpartition("/")[2]: part["id"] for one in devices for part in one["partitions"]}
        return [
            {"name": one["name"], "devices": [{"id": ids[name], "type": "partition"} for name in one["devices"]]}
            for one in self._storage
            if one["type"] == "vmfs6"
        ]
