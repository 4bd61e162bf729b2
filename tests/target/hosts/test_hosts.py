"""What may be looked up as a host's name, and what must not reach the resolver."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge_target.runtime.hosts import is_host


@pytest.mark.parametrize(
    "text",
    ["maas", "maas.example.com", "maas.example.com.", "10.0.0.1", "2001:db8::1", "a" * 63, ".".join(["a" * 49] * 5),
     "b\u00fccher.example", "under_score.example"],
)  # fmt: skip
def test_names_and_addresses_are_hosts(text: str) -> None:
    assert is_host(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "a..b", "a" * 64, "a" * 300 + ".example", ".".join(["a" * 51] * 5), "a b", "a\x1bb", "a\nb", "a/b",
     "[::1]", "fe80::1%eth0", "\ud800", "\u00fc" * 63],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    assert not is_host(text)


@given(st.text(max_size=300))
def test_what_is_a_host_never_breaks_the_resolver_s_encoding(text: str) -> None:
    if is_host(text):
        assert text.encode("idna")
