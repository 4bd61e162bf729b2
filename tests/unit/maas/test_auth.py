from __future__ import annotations

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oauthlib.oauth1 import SIGNATURE_PLAINTEXT, Client  # type: ignore[import-untyped]

from esxforge.errors import MaasError
from esxforge.maas.auth import ApiKey, OAuth1Plaintext, authorization
from esxforge.maas.redact import Redactor

PART = st.text("ABCDEFabcdef0123456789-._~", min_size=8, max_size=40)


@settings(deadline=None)
@given(PART, PART, PART, st.text("abcdef0123456789", min_size=1), st.integers(0, 2**40))
def test_the_header_is_the_one_that_oauthlib_makes(
    consumer: str, token: str, secret: str, nonce: str, timestamp: int
) -> None:
    oracle = Client(
        consumer,
        resource_owner_key=token,
        resource_owner_secret=secret,
        signature_method=SIGNATURE_PLAINTEXT,
        nonce=nonce,
        timestamp=str(timestamp),
    )
    _url, headers, _body = oracle.sign("http://maas/MAAS/api/2.0/version/")
    assert authorization(ApiKey(consumer, token, secret), nonce=nonce, timestamp=timestamp) == headers["Authorization"]


def test_each_request_has_its_own_nonce_and_the_time_of_its_sending() -> None:
    seen: list[str] = []
    clock = iter([100.9, 200.0])

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["Authorization"])
        return httpx2.Response(200)

    auth = OAuth1Plaintext(ApiKey("consumer1", "token0001", "secret001"), lambda: next(clock))
    with httpx2.Client(transport=httpx2.MockTransport(answer), auth=auth) as client:
        client.get("http://maas/")
        client.get("http://maas/")
    nonces = {header.split('oauth_nonce="')[1].split('"')[0] for header in seen}
    assert len(nonces) == 2
    assert ['oauth_timestamp="100"' in seen[0], 'oauth_timestamp="200"' in seen[1]] == [True, True]


@pytest.mark.parametrize(
    "text", ["", "a:b", "consumer1:token0001", "consumer1:token0001:secret001:more", "consumer1:to ken001:secret001",
             "consumer1::secret001", "<html>", "consumer1:token0001:sécret001"]
)  # fmt: skip
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(MaasError, match=r"What the file k holds is not a MAAS API key") as caught:
        ApiKey.parse(text, "the file k")
    assert not text or text not in caught.value.message + caught.value.hint


def test_a_key_does_not_show_its_parts() -> None:
    key = ApiKey.parse(" consumer1:token0001:secret001\n", "the file k")
    assert (key.consumer, key.token, key.secret) == ("consumer1", "token0001", "secret001")
    assert not any(part in f"{key!r} {key}" for part in ("consumer1", "token0001", "secret001"))


@settings(deadline=None)
@given(PART, PART, PART, st.text(max_size=60), st.text(max_size=60))
def test_redaction_leaves_no_part_of_the_key(consumer: str, token: str, secret: str, before: str, after: str) -> None:
    redactor = Redactor(ApiKey(consumer, token, secret))
    cleaned = redactor.clean(f"{before}{secret} & {token}={consumer}:{after} {secret.upper()}")
    shown = cleaned.replace("[secret]", "")
    assert not any(part in shown for part in (consumer, token, secret))


def test_redaction_covers_headers_addresses_and_control_characters() -> None:
    cleaned = Redactor(None).clean('oauth_signature="%26hidden", via http://user:hidden@proxy:3128/ \x1b[2Jx')
    assert "hidden" not in cleaned
    assert "\x1b" not in cleaned
