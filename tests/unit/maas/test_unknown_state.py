"""What MAAS does not say of an image is not known: it is neither empty nor at its beginning."""

from __future__ import annotations

from typing import Any

import pytest

from esxforge.errors import MaasError
from esxforge.maas.boot_resources import BootResource, BootResources
from esxforge.maas.upload_state import upload_state

SHA256 = "a" * 64
RESOURCE: dict[str, Any] = {"id": 7, "type": "Uploaded", "name": "esxi/8.0.3", "architecture": "amd64/generic"}
FILE = {"filename": "root-dd.gz", "filetype": "root-dd.gz", "sha256": SHA256, "size": 100, "complete": False}


class Answers:
    """A client that gives one answer."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def patiently(self, ask: Any) -> Any:
        return ask()

    def json(self, *_rest: Any, **_more: Any) -> Any:
        return self._answer


def images(answer: Any) -> BootResources:
    return BootResources(Answers(answer))  # type: ignore[arg-type]


def test_an_image_without_sets_is_not_an_empty_one() -> None:
    with pytest.raises(MaasError, match="it is not known what it holds of esxi"):
        images(RESOURCE).get(7)
    with pytest.raises(MaasError, match="it is not known"):
        images(RESOURCE).create(name="esxi/8.0.3", title="t", architecture="amd64/generic", sha256=SHA256, size=100)
    assert images([RESOURCE]).list()[0].name == "esxi/8.0.3", "lists leave them out"
    assert images({**RESOURCE, "sets": {}}).get(7) is not None


def test_an_incomplete_set_without_progress_is_not_at_its_beginning() -> None:
    entry = {"version": "20261128", "size": 100, "complete": False, "files": {"root-dd.gz": FILE}}
    resource = BootResource.model_validate({**RESOURCE, "sets": {"20261128": entry}})
    with pytest.raises(MaasError, match="does not say how much it has"):
        upload_state(resource, SHA256, 1)
