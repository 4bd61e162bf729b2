"""MAAS's side: what the host is handed out, what it tells, and the questionnaire on real old Pythons."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.resources import files
from pathlib import Path

import pytest

from esxforge.selftest import questionnaire
from esxforge.selftest.evidence import Stage
from esxforge.selftest.order import HOST_NAME, SECOND, GuestToken
from esxforge.selftest.service import SYSTEM_ID, Service
from esxforge_target.cloud_data.actions import RunScript
from esxforge_target.cloud_data.plans import plan_user_data
from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.metadata.client import MetadataClient
from standin.pythons import find_python

SOURCE = files("esxforge.selftest").joinpath("questionnaire.py").read_text("utf-8")
ESXCLI = """#!/bin/sh
case "$*" in
*"nic list") echo '[{"Name": "vmnic0"}]' ;;
*) echo "no such command" >&2; exit 1 ;;
esac
"""


def client_of(service: Service) -> MetadataClient:
    from esxforge_target.contract.token import Token

    token = service.token
    reporting = {
        "consumer_key": token.consumer_key,
        "token_key": token.token_key,
        "token_secret": token.token_secret,
    }
    here = service.endpoint.replace(SECOND.gateway, "127.0.0.1")
    return MetadataClient(parse_endpoint(here), Token.from_config(reporting))


def test_the_host_is_handed_out_all_that_is_looked_for_later() -> None:
    with Service(GuestToken()) as service:
        client = client_of(service)
        assert client.instance_id() == SYSTEM_ID
        assert client.hostname() == HOST_NAME
        (key,) = client.public_keys().keys
        assert key.split()[1] in (service.machine.user_data or b"").decode()
        assert SECOND.gateway in client.vendor_data().decode()
        assert not service.is_settled
        user_data = client.user_data()
        assert user_data is not None
        assert user_data.startswith(b"#!/usr/bin/env python3\n")
        assert b"@" not in user_data.split(b"COMMANDS")[0]
        assert service.is_settled


def test_calls_are_told_with_their_stage_and_time() -> None:
    with Service(GuestToken()) as service:
        client = client_of(service)
        client.instance_id()
        first, began = service.heard_count, time.time()
        client.report_start("wait", "waiting")
        client.report_failed_phase("network", "did not work")
        client.user_data()
        calls = service.calls_since(first, Stage.SECOND_BOOT, began)
    assert [(call.event_type, call.event, call.result) for call in calls[:2]] == [
        ("start", "esxforge/wait", ""),
        ("finish", "esxforge/network", "FAIL"),
    ]
    assert [call.name for call in calls] == ["status", "status", "instance-id", "user-data"]
    assert all(call.accepted and call.seconds >= 0 and call.stage is Stage.SECOND_BOOT for call in calls)


def test_the_questionnaire_runs_by_its_first_line_as_user_data_does() -> None:
    plan = plan_user_data(SOURCE.encode(), (8, 0, 3))
    (action,) = plan.actions
    assert isinstance(action, RunScript)
    assert action.interpreter == "python"
    assert not plan.notices


def test_the_questionnaire_keeps_to_python_3_5() -> None:
    if sys.version_info < (3, 12):
        ast.parse(SOURCE, feature_version=(3, 5))
    later = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef)
    assert not [node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, later)]
    vermin = [str(Path(sys.executable).with_name("vermin")), "-t=3.5-", "--no-tips", "--violations"]
    checked = subprocess.run([*vermin, questionnaire.__file__], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.11", "3.13"])
def test_old_pythons_tell_what_they_find(version: str, tmp_path: Path) -> None:
    program = find_python(version)
    (tmp_path / "esxcli").write_text(ESXCLI)
    (tmp_path / "esxcli").chmod(0o755)
    with Service(GuestToken()) as service:
        script = tmp_path / "user-data"
        text = (service.machine.user_data or b"").decode().replace(f"http://{SECOND.gateway}:", "http://127.0.0.1:")
        script.write_text(text)
        environment = {"PATH": f"{tmp_path}{os.pathsep}/usr/bin:/bin", "http_proxy": "http://127.0.0.1:9/"}
        ran = subprocess.run(
            [program, "-W", "error", str(script)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith("told ")
        told = service.told
    assert told is not None
    assert told["python"][:2] == [int(number) for number in version.split(".")]
    assert told["commands"]["nics"]["output"] == '[{"Name": "vmnic0"}]\n'
    assert told["commands"]["ipv4"]["status"] == 1
    assert told["commands"]["bootbank"]["status"] is None  # there is no vmkfstools
    assert told["directories"]["/bootbank"] is None
    assert told["has_our_key"] is False


def test_what_is_no_answer_of_ours_is_refused() -> None:
    with Service(GuestToken()) as service:
        base = service.endpoint.replace(SECOND.gateway, "127.0.0.1").split("/MAAS")[0]
        text = (service.machine.user_data or b"").decode()
        path = text.split(f"{SECOND.gateway}:")[1].split('"')[0].partition("/")[2]
        for body in (b"no json", b"[1]"):
            request = urllib.request.Request(f"{base}/{path}", body)  # noqa: S310  our own server
            with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request):  # noqa: S310
                pass
            assert refused.value.code == 400
            refused.value.close()
        assert service.told is None
