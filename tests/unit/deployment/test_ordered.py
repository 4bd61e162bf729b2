"""The answers that the whole way's stand-in MAAS gives of a machine lead to the configuration that it hands out."""

from __future__ import annotations

import pytest

from esxforge.deployment.answers import answers_of
from esxforge.deployment.assessment import assess
from esxforge.deployment.prediction import predict
from whole_way import order
from whole_way.recorded import answers_for


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
