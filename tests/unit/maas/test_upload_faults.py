"""Faults at every request of an upload: it ends right by itself, or the same command goes on."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esxforge.errors import ForgeError, ImageError, MaasError
from esxforge.maas.upload import UploadImage
from standin.maas_region import FakeRegion, Fault, serve
from standin.maas_region.errors import ApiError
from standin.maas_region.faults import Kind

from .conftest import CHUNK, Maas, ServeMaas, make_image

PASSING: list[Kind] = ["drop-unread", "drop-before", "drop-after", "cut", "busy", "conflict", "gateway"]
VERSIONS = ["3.4.7", "3.6.5", "3.7.3", "3.8.0a1"]
PROVEN = ["3.5.3", "3.6.5", "3.7.3"]
"""Versions that list an upload as complete only after they compared its sha256."""
UNPROVEN = ["3.4.7", "3.8.0a1"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_at_any_chunk_is_survived(
    serve_maas: ServeMaas, image: UploadImage, version: str, at: int, kind: Kind
) -> None:
    maas = serve_maas(version)
    maas.fault(Fault("PUT", kind, at=at))
    assert maas.upload(image).action == "uploaded"
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()
    done = kind in ("drop-after", "cut")
    assert maas.region.puts() == (5 if done else 6), "what MAAS has is not sent again; what it has not, is"
    assert len(maas.slept) == 1


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("at", range(5))
def test_a_fault_at_any_other_request_is_survived(
    maas: Maas, image: UploadImage, method: str, kind: Kind, at: int
) -> None:
    if method == "GET" and at == 0 and kind not in ("busy", "conflict", "gateway"):
        pytest.skip("where nothing has answered yet, the address is taken for wrong: tested below")
    maas.fault(Fault(method, kind, at=at))
    assert maas.upload(image).action == "uploaded"
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()
    assert len(maas.region.resources) == 1
    (resource,) = maas.region.resources.values()
    assert len(resource.sets) == 1, "a create whose answer was lost is not made twice"


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_that_is_half_a_document_is_asked_for_again(
    maas: Maas, image: UploadImage, method: str, at: int
) -> None:
    maas.fault(Fault(method, "cut-json", at=at))
    assert maas.upload(image).action == "uploaded"
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    version=st.sampled_from(VERSIONS),
    counts_refused=st.booleans(),
    faults=st.lists(
        st.builds(
            Fault,
            method=st.sampled_from(["PUT", "GET", "POST"]),
            kind=st.sampled_from([*PASSING, "damage", "forget", "cut-json", "full", "missing", "sync-fails"]),
            at=st.integers(1, 9),
            times=st.integers(1, 4),
        ),
        max_size=5,
    ),
)
def test_whatever_happens_the_same_command_goes_on_and_maas_never_holds_a_wrong_image(
    tmp_path: Path, version: str, counts_refused: bool, faults: list[Fault]
) -> None:
    faults = [dataclasses.replace(f, method="PUT") if f.kind == "damage" else f for f in faults]
    image = make_image(tmp_path / "image", bytes(i * 7 % 251 for i in range(4 * CHUNK + 321)))
    region = FakeRegion(version, counts_refused=counts_refused)
    with serve(region) as url:
        maas = Maas(region, url)
        maas.fault(*faults)
        failure = ""
        try:
            maas.upload(image)
        except ForgeError as error:
            failure = error.message  # some end well, some do not: both are right here
        maas.fault()
        # A restart removes damaged bytes, and one more may be needed where that removal itself was hit.
        for _attempt in range(3):
            try:
                result = maas.upload(image)
                break
            except MaasError as error:
                assert "ame command" in error.hint  # noqa: PT017
        else:
            pytest.fail("the same command does not go on")
        assert result.sha256 == image.sha256
        right = region.content("esxi/8.0.3") == image.path.read_bytes()
        said = "not known whether MAAS compared" in maas.notices() or "is damaged, and could not be removed" in failure
        assert right or said, "what cannot be known, or cannot be mended, is said"


def test_older_versions_that_somebody_keeps_are_not_deleted_with_damaged_bytes(
    maas: Maas, image: UploadImage, tmp_path: Path
) -> None:
    older = make_image(tmp_path / "older", b"older" * 100)
    maas.upload(older)
    fields = {"name": image.name, "title": image.title, "architecture": image.architecture, "filetype": "ddgz"}
    maas.region.create(fields | {"sha256": image.sha256, "size": str(image.size), "keep_old": "true"})
    maas.fault(Fault("PUT", "damage", at=1))
    with pytest.raises(MaasError, match="older versions are kept beside it") as caught:
        maas.upload(image)
    assert "esxforge images delete 46" in caught.value.hint
    assert maas.region.storage.disk[0, older.sha256] == older.path.read_bytes()


def test_damaged_bytes_that_cannot_be_removed_are_told(serve_maas: ServeMaas, image: UploadImage) -> None:
    maas = serve_maas("3.8.0")
    maas.fault(Fault("PUT", "damage", at=1), Fault("DELETE", "full"))
    with pytest.raises(MaasError, match="is damaged, and could not be removed") as caught:
        maas.upload(image)
    assert "esxforge images delete 46" in caught.value.hint


@pytest.mark.parametrize(("version", "told"), [("3.4.7", True), ("3.6.5", False), ("3.8.0", True)])
def test_where_a_lost_last_answer_leaves_a_doubt_it_is_said(
    serve_maas: ServeMaas, image: UploadImage, version: str, told: bool
) -> None:
    maas = serve_maas(version)
    maas.fault(Fault("PUT", "drop-after", at=4))
    assert maas.upload(image).confirmed is not told
    assert ("last answer was lost" in maas.notices()) == told


SYNC_FAILED = "some region controllers don't have enough disk space"


@pytest.mark.parametrize("version", PROVEN)
def test_a_complete_image_whose_synchronization_failed_stays_and_is_complete(
    serve_maas: ServeMaas, image: UploadImage, version: str
) -> None:
    maas = serve_maas(version)
    maas.fault(Fault("PUT", "sync-fails", at=4))
    result = maas.upload(image)
    assert (result.action, result.confirmed) == ("uploaded", True)
    assert SYNC_FAILED in maas.notices()
    assert not maas.requests("DELETE")
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


@pytest.mark.parametrize("version", UNPROVEN)
def test_a_complete_image_that_maas_may_not_have_compared_stays_and_is_not_confirmed(
    serve_maas: ServeMaas, image: UploadImage, version: str
) -> None:
    maas = serve_maas(version)
    maas.fault(Fault("PUT", "sync-fails", at=4))
    result = maas.upload(image)
    assert (result.action, result.confirmed) == ("uploaded", False)
    assert SYNC_FAILED in maas.notices()
    assert "checks itself when it is deployed" in maas.notices()
    assert not maas.requests("DELETE")
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()
    again = maas.upload(image)
    assert (again.action, again.confirmed) == ("skipped", False), "MAAS does not say afterwards what it found"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_failed_synchronization_at_every_attempt_never_removes_the_image(
    serve_maas: ServeMaas, image: UploadImage, version: str
) -> None:
    maas = serve_maas(version)
    maas.fault(Fault("PUT", "too-large", at=2), Fault("PUT", "sync-fails", times=99))
    with pytest.raises(MaasError):
        maas.upload(image)
    for action in ("resumed", "skipped", "skipped"):
        assert maas.upload(image).action == action
    assert not maas.requests("DELETE")
    assert maas.region.puts() == 6, "no chunk is sent twice, but for the one that was refused"


@pytest.mark.parametrize("version", ["3.6.5", "3.7.3", "3.8.0a1"])
def test_with_several_regions_a_failed_synchronization_is_waited_for(
    serve_maas: ServeMaas, image: UploadImage, version: str
) -> None:
    maas = serve_maas(version, regions=3)
    maas.fault(Fault("PUT", "sync-fails", at=4))
    assert maas.upload(image).action == "uploaded"
    assert SYNC_FAILED in maas.notices()
    assert all(maas.region.storage.disk[n, image.sha256] == image.path.read_bytes() for n in range(3))
    assert not maas.requests("DELETE")


def test_a_file_that_is_gone_on_maas_while_another_client_completed_it_removes_nothing(
    maas: Maas, image: UploadImage
) -> None:
    original = maas.region.put

    def race(resource_id: int, file_id: int, chunk: bytes) -> str:
        answer = original(resource_id, file_id, chunk)
        if maas.region.holds_all(file_id):
            raise ApiError(500, "[Errno 2] No such file or directory: '/var/lib/maas/x.incomplete'")
        return answer

    maas.region.put = race  # type: ignore[method-assign]
    assert maas.upload(image).confirmed
    assert not maas.requests("DELETE")


@pytest.mark.parametrize("version", UNPROVEN)
def test_a_changed_file_is_removed_where_maas_fails_instead_of_comparing(
    serve_maas: ServeMaas, image: UploadImage, version: str
) -> None:
    maas, good = serve_maas(version), image.path.read_bytes()
    image.path.write_bytes(b"X" + good[1:])  # before the upload: its times say nothing
    original = maas.region.put

    def fail(resource_id: int, file_id: int, chunk: bytes) -> str:
        try:
            return original(resource_id, file_id, chunk)
        except ApiError:
            raise ApiError(500, SYNC_FAILED) from None

    maas.region.put = fail  # type: ignore[method-assign]
    with pytest.raises(ImageError, match="changed after it was verified"):
        maas.upload(image)
    assert maas.region.resources == {}


def test_a_web_page_instead_of_the_last_answer_is_a_failure_of_maas_and_removes_nothing(
    maas: Maas, image: UploadImage
) -> None:
    original = maas.region.put

    def page(resource_id: int, file_id: int, chunk: bytes) -> str:
        answer = original(resource_id, file_id, chunk)
        if maas.region.holds_all(file_id):
            raise ApiError(500, "<html><body>Internal Server Error</body></html>", "text/html")
        return answer

    maas.region.put = page  # type: ignore[method-assign]
    assert maas.upload(image).confirmed
    assert "a web page (500)" in maas.notices()
    assert not maas.requests("DELETE")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refusal_of_the_last_chunk_in_other_words_is_not_followed_by_a_skip(
    serve_maas: ServeMaas, image: UploadImage, version: str
) -> None:
    maas = serve_maas(version)
    maas.fault(Fault("PUT", "damage", at=1), Fault("PUT", "cut-json", at=4))
    with pytest.raises(MaasError):
        maas.upload(image)
    maas.fault()
    maas.upload(image)
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


def test_the_offset_is_asked_for_and_never_guessed(maas: Maas, image: UploadImage) -> None:
    maas.fault(Fault("PUT", "drop-after", at=2))
    maas.upload(image)
    requests = [(method, path.partition("/2.0/")[2].partition("/")[0]) for method, path in maas.region.requests]
    lost = [n for n, (method, _path) in enumerate(requests) if method == "PUT"][2]
    assert requests[lost + 1][0] == "GET"
    assert requests[lost + 2][0] == "PUT"


def test_waits_double_and_follow_retry_after(maas: Maas, image: UploadImage) -> None:
    maas.fault(Fault("PUT", "drop-before", at=1, times=5))
    maas.upload(image)
    assert maas.slept == [1, 2, 4, 8, 16]
    maas.slept.clear()
    maas.fault(Fault("PUT", "busy"), Fault("PUT", "conflict", at=1))
    maas.upload(dataclasses.replace(image, name="esxi/second"))
    assert maas.slept == [10, 5]


def test_after_eight_failures_in_a_row_it_gives_up_and_the_same_command_goes_on(maas: Maas, image: UploadImage) -> None:
    maas.fault(Fault("PUT", "busy", at=2, times=100))
    with pytest.raises(MaasError, match=r"tried 8 times") as caught:
        maas.upload(image)
    assert "the same command goes on" in caught.value.hint
    assert len(maas.slept) == 7
    maas.fault()
    assert maas.upload(image).resumed_from == 2 * CHUNK


def test_a_maas_that_stops_for_good_is_told(serve_maas: ServeMaas, image: UploadImage) -> None:
    maas = serve_maas()
    maas.fault(Fault("PUT", "drop-unread", at=1, times=99), Fault("GET", "drop-unread", at=5, times=99))
    with pytest.raises(MaasError, match=r"tried 8 times"):
        maas.upload(image)


def test_a_maas_that_does_not_answer_is_left_after_the_timeout(maas: Maas, image: UploadImage) -> None:
    maas.timeout = 0.3
    maas.fault(Fault("PUT", "hang", at=1))
    assert maas.upload(image).action == "uploaded"
    assert re.search(r"did not (answer|finish its answer) within 0\.3 seconds", maas.notices())


@pytest.mark.parametrize("counts_refused", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_bytes_damaged_on_the_way_are_removed_and_the_same_command_succeeds(
    serve_maas: ServeMaas, image: UploadImage, version: str, counts_refused: bool
) -> None:
    maas = serve_maas(version, counts_refused=counts_refused)
    maas.fault(Fault("PUT", "damage", at=1))
    with pytest.raises(MaasError, match="does not have the image's sha256") as caught:
        maas.upload(image)
    assert "Run the same command again" in caught.value.hint
    assert maas.region.resources == {}
    assert maas.upload(image).action == "uploaded"
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


@pytest.mark.parametrize("counts_refused", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_damage_from_an_earlier_upload_is_mended_by_starting_over(
    serve_maas: ServeMaas, image: UploadImage, version: str, counts_refused: bool
) -> None:
    maas = serve_maas(version, counts_refused=counts_refused)
    maas.fault(Fault("PUT", "damage", at=0), Fault("PUT", "too-large", at=2))
    with pytest.raises(MaasError):
        maas.upload(image)
    maas.fault()
    result = maas.upload(image)
    assert (result.action, result.resumed_from) == ("uploaded", 0)
    assert "starting from the first byte" in maas.notices()
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("at", range(5))
def test_a_full_disk_is_told_and_the_same_command_goes_on(
    serve_maas: ServeMaas, image: UploadImage, version: str, at: int
) -> None:
    maas = serve_maas(version)
    maas.fault(Fault("PUT", "full", at=at, times=9))
    with pytest.raises(MaasError, match="disk of MAAS is full") as caught:
        maas.upload(image)
    assert "esxforge images delete" in caught.value.hint
    maas.fault()
    maas.upload(image)
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


def test_another_client_appending_at_the_same_time_is_noticed(maas: Maas, image: UploadImage) -> None:
    original = maas.region.put
    calls = 0

    def twice(resource_id: int, file_id: int, chunk: bytes) -> str:
        nonlocal calls
        calls += 1
        if calls == 2:
            original(resource_id, file_id, chunk)
        return original(resource_id, file_id, chunk)

    maas.region.put = twice  # type: ignore[method-assign]
    with pytest.raises(MaasError):
        maas.upload(image)
    maas.region.put = original  # type: ignore[method-assign]
    maas.upload(image)
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


def test_a_maas_that_forgets_what_it_took_is_left_alone(maas: Maas, image: UploadImage) -> None:
    maas.fault(Fault("PUT", "forget", times=999))
    with pytest.raises(MaasError, match="several times, that it has fewer"):
        maas.upload(image)


def test_an_image_deleted_meanwhile_is_told(maas: Maas, image: UploadImage) -> None:
    original = maas.region.put

    def delete(resource_id: int, file_id: int, chunk: bytes) -> str:
        maas.region.resources.clear()
        return original(resource_id, file_id, chunk)

    maas.region.put = delete  # type: ignore[method-assign]
    with pytest.raises(MaasError, match="deleted or replaced on MAAS during the upload"):
        maas.upload(image)
    maas.region.put = original  # type: ignore[method-assign]
    assert maas.upload(image).action == "uploaded"


def test_a_progress_that_is_no_number_of_bytes_is_not_guessed_at(maas: Maas, image: UploadImage) -> None:
    maas.fault(Fault("PUT", "too-large", at=1))
    with pytest.raises(MaasError):
        maas.upload(image)
    maas.fault()
    maas.region.storage.regions = 3  # counted by MAAS, though it lists one
    with pytest.raises(MaasError, match="not a whole number of bytes") as caught:
        maas.upload(image)
    assert "esxforge images delete" in caught.value.hint
