"""The answers that the whole way's stand-in MAAS gives of a machine lead to the configuration that it hands out."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge.deployment.answers import answers_of
from esxforge.deployment.assessment import assess
from esxforge.deployment.prediction import predict
from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.token import Token
from esxforge_target.metadata.client import MetadataClient
from whole_way import order
from whole_way.maas import running_maas
from whole_way.recorded import answers_for

from .conftest import Run


@pytest.mark.parametrize("ordered", [order.dhcp(), order.everything()], ids=["dhcp", "everything"])
def test_the_prediction_from_its_answers_is_the_ordered_configuration(ordered: order.Order) -> None:
    answers = answers_of(answers_for(ordered))
    prediction = predict(answers)
    expected = ordered.config(5248)
    for item in expected["network"]["config"]:
        if item["type"] == "nameserver":
            item["address"].remove("10.0.0.2")  # MAAS's own
    assert prediction.config["network"] == expected["network"]
    assert prediction.config["storage"] == expected["storage"]
    assert not assess(answers).findings.reasons


def test_the_stand_in_maas_is_planned_deployed_and_followed_with_esxforge(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ordered = order.everything()
    image = tmp_path / "esxi.dd.gz"
    image.write_bytes(b"image" * 1000)
    with running_maas(ordered) as maas:
        maas.publish(image)
        for name, value in maas.variables.items():
            monkeypatch.setenv(name, value)
        status, out, err = run("plan", "--machine", ordered.hostname)
        assert status == 0, err
        assert "datastore" in out
        status, _, err = run("deploy", ordered.hostname, "--yes", "--detach")
        assert status == 0, err
        assert [request["distro_series"] for request in maas.node.deploy_requests] == ["esxi/8.0.3"]
        agent = MetadataClient(parse_endpoint(maas.service.endpoint), Token(*ordered.token.parts))
        agent.report_start("network", "#1.01 network: Setting up the network")
        agent.user_data()
        status, out, err = run("follow", ordered.hostname)
    assert status == 0, err
    assert "network" in out + err
    for address in ordered.addresses():
        assert address in out + err
