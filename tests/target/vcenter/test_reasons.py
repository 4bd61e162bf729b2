from __future__ import annotations

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from esxforge_target.vcenter.reasons import explain

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("S3cret!"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "error_type", "value", "messages", "id", "default_message"]), inner)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@example(500, {"value": {"messages": [{"default_message": "for S3cret!: not enough Licenses"}]}})
@example(400, {"error_type": ["x"], "messages": [None, {"id": {}}]})
@example(100, {"type": "\xa0"})
@given(st.integers(100, 599), JSON)
def test_whatever_vcenter_answers_becomes_a_sentence_without_secrets(status: int, document: object) -> None:
    error = explain(status, document, "adding this host", "vCenter vc:443", ["S3cret!", ""])
    assert error.message.startswith("adding this host failed at vCenter vc:443")
    assert error.hint
    assert error.message.isprintable()
    assert len(error.message) < 700
    if "S3cret!" in json.dumps(document):
        assert "S3cret!" not in error.message


def test_an_answer_that_is_no_json_goes_by_its_status() -> None:
    assert "does not accept the user name" in explain(401, None, "logging in", "vc", []).message
    assert "not ready" in explain(503, None, "logging in", "vc", []).message
    assert "status 418" in explain(418, None, "logging in", "vc", []).message
