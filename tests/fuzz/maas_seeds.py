"""Good answers of MAAS to requests one by one, and its events."""

from __future__ import annotations

import json
from typing import Any

from fuzz import seeds


def asking() -> list[bytes]:
    machine = {"system_id": "abc123", "fqdn": "node1.maas", "hostname": "node1", "status": 9,
               "status_name": "Deploying", "ip_addresses": ["10.0.0.5"], "owner": "admin"}  # fmt: skip
    file = {"filename": "f", "filetype": "root-dd.gz", "sha256": "0" * 64, "size": 600, "complete": False,
            "progress": 50.0, "upload_uri": "/MAAS/api/2.0/boot-resources/46/upload/7/"}  # fmt: skip
    sets = {"20261123": {"version": "20261123", "size": 600, "complete": False, "progress": 50.0,
                         "files": {"root-dd.gz": file}}}  # fmt: skip
    image = {"id": 46, "type": "Uploaded", "name": "esxi/8.0.3", "architecture": "amd64/generic", "title": "t",
             "sets": sets}  # fmt: skip
    log = {"name": "/tmp/install.log", "output": "ZXN4Zm9yZ2U6IHdoeQo="}
    without = {name: value for name, value in image.items() if name != "sets"}
    odd = {**image, "sets": {"1": {**sets["20261123"], "progress": 33.3}}}
    many: list[Any] = [
        {"version": "3.7.3"}, [machine], machine, image, [image], {"results": [log]}, without, odd,
        {**image, "sets": {}},
    ]  # fmt: skip
    return [*(json.dumps(one).encode() for one in many), *seeds.maas_by_path()]


def events() -> list[bytes]:
    texts = ["User starting deployment", "'curtin' curtin command install", "'esxforge' #1.1 inventory: reading",
             "'esxforge' #1.2 network: it failed\n\nThe end of the host's log:\nline",
             "'cloudinit' finish"]  # fmt: skip
    events = [
        {"id": number, "level": "INFO" if number != 4 else "ERROR", "type": "Deploying", "description": text,
         "created": "Mon, 23 Nov. 2026 10:00:00"}
        for number, text in enumerate(texts, 1)
    ]  # fmt: skip
    late = {**events[3], "id": 9, "description": "'esxforge' #1.1 start: late", "created": "x"}
    ahead = {**events[3], "id": 3, "description": "'esxforge' #1.5 boot: early"}
    again = [{**events[0], "id": identifier, "type": kind} for identifier, kind in
             ((50, "User starting deployment"), (51, "Deploying"), (60, "User aborting deployment"))]  # fmt: skip
    many = [
        events,
        [*events, late],
        [ahead, *events],
        [*events, *again],
        [],
        [{**events[0], "id": n} for n in range(60)],
    ]
    return [json.dumps({"events": one, "count": len(one), "next_uri": "/x"}).encode() for one in many]
