"""The one request that starts a deployment: a refusal is only what MAAS refused, whatever became of the answer."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import httpx2
import pytest

from esxforge import __version__
from esxforge.deployment.answers import answers_of
from esxforge.deployment.assessment import assess
from esxforge.deployment.follow import Followed
from esxforge.deployment.start import Ready, Request, start
from esxforge.errors import MaasError
from esxforge.maas.auth import ApiKey
from esxforge.maas.client import Client, Surroundings
from esxforge.maas.connection import Connection

from .pairs import named

OURS = f"VMware ESXi 8.0U3e (esxforge {__version__})"
SECRET = "0123456789secret"
FILE = {"filename": "f", "filetype": "root-dd.gz", "sha256": "0" * 64, "size": 1, "complete": True}
SET = {"version": "20261123", "size": 1, "complete": True, "files": {"f": FILE}}
IMAGE = {"id": 7, "type": "Uploaded", "name": "esxi/8.0.3", "architecture": "amd64/generic", "title": OURS}
ACCOUNT = {"username": "h2admin", "is_superuser": True, "ssh_keys": 1}
Step = Callable[[httpx2.Request], httpx2.Response]


def gives(status: int, text: str) -> Step:
    return lambda _request: httpx2.Response(status, text=text)


def raises(error: Exception) -> Step:
    def step(_request: httpx2.Request) -> NoReturn:
        raise error

    return step


LOST = raises(httpx2.ReadError("reset"))
DOWN = raises(httpx2.ConnectError("refused"))


@dataclass
class Scene:
    """MAAS and one machine. After ``post`` the machine is read: each step of ``reads`` once, the last for good."""

    post: Step
    reads: list[Step]
    waited: list[float] = field(default_factory=list)
    posts: int = 0

    def __post_init__(self) -> None:
        self.documents = copy.deepcopy(named("rack_on_vlan_dns_not_allowed").documents)
        self.documents["machine"].update(status=10, status_name="Allocated", owner="h2admin", system_id="abc123")

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.partition("/api/2.0/")[2]
        if request.method == "POST":
            self.posts += 1
            return self.post(request)
        if path == "machines/abc123/":
            if not self.posts:
                return httpx2.Response(200, json=self.documents["machine"])
            return (self.reads.pop(0) if len(self.reads) > 1 else self.reads[0])(request)
        known = {
            "events/": {"events": []},
            "boot-resources/": [IMAGE],
            "boot-resources/7/": {**IMAGE, "sets": {"20261123": SET}},
        }
        kind = path.removeprefix("nodes/abc123/").rstrip("/")
        return httpx2.Response(200, json=known[path] if path in known else self.documents[kind])

    def start(self) -> Followed:
        own = {"boot-resources": [{**IMAGE, "sets": {"20261123": SET}}], "account": ACCOUNT}
        documents = {**self.documents, **own}
        answers = answers_of(documents)
        surroundings = Surroundings(httpx2.MockTransport(self.answer), sleep=self.waited.append)
        connection = Connection("http://maas.test:5240/MAAS", ApiKey("consumer", "token", SECRET))
        with Client(connection, surroundings=surroundings) as client:
            return start(client, Ready(answers, documents, assess(answers)), Request())


def shows(**fields: Any) -> Step:
    base = copy.deepcopy(named("rack_on_vlan_dns_not_allowed").documents["machine"])
    base.update(system_id="abc123", status=10, status_name="Allocated", owner="h2admin")
    return gives(200, json.dumps(base | fields))


ALLOCATED = shows()
DEPLOYING = shows(status=9, status_name="Deploying", osystem="esxi", distro_series="8.0.3")
FAILED = shows(status=11, status_name="Failed deployment", osystem="esxi", distro_series="8.0.3")
EOF_OF_TLS = "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:2580)"


@pytest.mark.parametrize(
    ("post", "reads"),
    [
        (gives(500, "Workflow server unavailable"), [DEPLOYING]),
        (gives(200, "<html>"), [DEPLOYING]),
        (gives(302, ""), [DEPLOYING]),
        (raises(httpx2.ReadError(EOF_OF_TLS)), [DEPLOYING]),
        (raises(httpx2.ReadError("[SSL: RECORD_LAYER_FAILURE] record layer failure")), [DEPLOYING]),
        (raises(httpx2.ReadTimeout("t")), [ALLOCATED, DEPLOYING]),
        (gives(504, "<html>"), [ALLOCATED, ALLOCATED, DEPLOYING]),
        (LOST, [DOWN, DOWN, DEPLOYING]),
        (LOST, [gives(500, "restarting"), DEPLOYING]),
        (LOST, [gives(200, "<html>"), DEPLOYING]),
        (LOST, [FAILED]),
    ],
)
def test_an_answer_that_says_nothing_is_settled_by_reading_the_machine(post: Step, reads: list[Step]) -> None:
    scene = Scene(post, list(reads))
    followed = scene.start()
    assert followed.doubt is None
    assert scene.posts == 1


@pytest.mark.parametrize("reads", [[ALLOCATED], [DOWN], [gives(500, "down")], [gives(403, "")]])
def test_what_stays_open_is_said_and_followed_all_the_same(reads: list[Step]) -> None:
    scene = Scene(LOST, list(reads))
    followed = scene.start()
    assert followed.doubt is not None
    assert "It is not known whether the deployment of" in followed.doubt.message
    assert "esxforge follow abc123" in followed.doubt.hint
    assert sum(scene.waited) <= 60
    assert scene.posts == 1


@pytest.mark.parametrize("other", [{"owner": "bob"}, {"distro_series": "7.0.3"}, {"osystem": "ubuntu"}])
def test_somebody_elses_deployment_is_not_taken_for_ours(other: dict[str, Any]) -> None:
    fields = {"status": 9, "status_name": "Deploying", "osystem": "esxi", "distro_series": "8.0.3", **other}
    with pytest.raises(MaasError, match="is being deployed by another request") as caught:
        Scene(LOST, [shows(**fields)]).start()
    assert caught.value.hint


@pytest.mark.parametrize(("status", "text"), [(400, "no such series"), (409, "Can't deploy a machine that is X")])
def test_what_maas_refuses_is_a_refusal_in_its_words(status: int, text: str) -> None:
    scene = Scene(gives(status, text), [ALLOCATED])
    with pytest.raises(MaasError, match=f"MAAS refused to deploy .*{text}"):
        scene.start()
    assert not scene.waited


def test_the_answer_to_a_wrong_key_is_not_repeated_since_it_holds_the_secret() -> None:
    text = "Authorization Error: 'Invalid signature. Expected signature base string: &C6BgyzsuHLfd7Kaxxh3'"
    with pytest.raises(MaasError, match="its last part, the secret, is wrong") as caught:
        Scene(gives(401, text), [ALLOCATED]).start()
    assert "C6Bgyzs" not in f"{caught.value.message}{caught.value.hint}{getattr(caught.value, 'answer', '')}"
