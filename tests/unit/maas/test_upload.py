"""Uploads that go well, by version of MAAS, and what they leave in it."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path

import pytest

from esxforge import events
from esxforge.errors import ForgeError, ImageError, InputError, MaasError
from esxforge.maas import reader
from esxforge.maas.boot_resources import BootResource
from esxforge.maas.upload import UploadImage, plan_upload, uploader
from esxforge.maas.upload_image import check_image, equivalent_command
from standin.maas_region import USER_KEY, Fault
from standin.maas_region.faults import Kind

from .conftest import CHUNK, Maas, ServeMaas, make_image

VERSIONS = ["2.5.0", "3.4.7", "3.5.3", "3.6.5", "3.7.3", "3.8.0a1"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_image_arrives_whole(serve_maas: ServeMaas, image: UploadImage, version: str) -> None:
    maas = serve_maas(version)
    result = maas.upload(image)
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()
    assert (result.action, result.sent, result.resumed_from, result.maas_version) == ("uploaded", 4321, 0, version)
    assert result.sha256 == image.sha256
    resource = maas.region.resources[result.resource_id]
    assert (resource.name, resource.title, resource.architecture) == (image.name, image.title, "amd64/generic")
    assert maas.region.puts() == 5
    assert maas.slept == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_image_again_is_skipped_and_nothing_is_sent(
    serve_maas: ServeMaas, image: UploadImage, version: str
) -> None:
    maas = serve_maas(version)
    maas.upload(image)
    before = len(maas.region.requests)
    result = maas.upload(image)
    assert (result.action, result.sent) == ("skipped", 0)
    assert {method for method, _path in maas.region.requests[before:]} == {"GET"}
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("chunks", range(5))
def test_an_upload_that_was_killed_goes_on_where_it_stopped(
    serve_maas: ServeMaas, image: UploadImage, version: str, chunks: int
) -> None:
    maas = serve_maas(version)

    class Killed(BaseException):
        pass

    def die(event: events.Event) -> None:
        if isinstance(event, events.BytesDone) and event.done == chunks * CHUNK:
            raise Killed

    maas.told = type("Dying", (list,), {"append": lambda self, event: die(event)})()
    with pytest.raises(Killed):
        maas.upload(image)
    maas.told = []
    result = maas.upload(image)
    assert (result.action, result.resumed_from, result.sent) == (
        "resumed" if chunks else "uploaded",
        chunks * CHUNK,
        image.size - chunks * CHUNK,
    )
    assert maas.region.puts() == 5
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_newer_image_under_the_same_name_replaces_the_older(
    serve_maas: ServeMaas, image: UploadImage, tmp_path: Path, version: str
) -> None:
    maas = serve_maas(version)
    first = maas.upload(image)
    newer = make_image(tmp_path / "newer.dd.gz", b"newer" * 500)
    assert "another image" not in maas.notices()
    second = maas.upload(newer)
    assert second.resource_id == first.resource_id
    assert f"another image now (number {first.resource_id}, “{image.title}”)" in maas.notices()
    assert maas.region.content("esxi/8.0.3") == newer.path.read_bytes()


def test_the_eleventh_upload_of_a_day_goes_into_the_eleventh_set(maas: Maas, tmp_path: Path) -> None:
    for number in range(12):
        result = maas.upload(make_image(tmp_path / "image.dd.gz", f"content {number}".encode() * 200))
    assert result.version == "20261123.11"
    assert maas.upload(make_image(tmp_path / "image.dd.gz", b"content 11" * 200)).action == "skipped"
    # What was there before is no longer there: it has to be sent again.
    assert maas.upload(make_image(tmp_path / "image.dd.gz", b"content 9" * 200)).action == "uploaded"


def test_the_tenth_set_of_a_day_is_newer_than_the_ninth() -> None:
    def entry(version: str, files: int) -> dict[str, object]:
        file = {"filename": "root-dd.gz", "filetype": "root-dd.gz", "sha256": version, "size": 1, "complete": True}
        return {"version": version, "size": 1, "complete": True, "files": {"root-dd.gz": file} if files else {}}

    versions = ["20261122.11", "20261123", "20261123.2", "20261123.10", "20261123.9", "20261123.11"]
    sets = {version: entry(version, files=version != "20261123.11") for version in versions}
    resource = BootResource.model_validate(
        {"id": 1, "type": "Uploaded", "name": "esxi/8", "architecture": "amd64/generic", "sets": sets}
    )
    assert resource.newest is not None
    assert resource.newest.version == "20261123.10", "the newest that has files"


def test_bytes_that_an_old_maas_has_under_another_name_are_not_sent_again(
    serve_maas: ServeMaas, image: UploadImage
) -> None:
    maas = serve_maas("3.4.7")
    maas.upload(image)
    puts = maas.region.puts()
    assert maas.upload(dataclasses.replace(image, name="esxi/second")).sent == 0
    assert maas.region.puts() == puts


def test_maas_3_5_to_3_7_gets_the_bytes_again_under_another_name(maas: Maas, image: UploadImage) -> None:
    maas.upload(image)
    assert maas.upload(dataclasses.replace(image, name="esxi/second")).sent == image.size
    assert maas.region.content("esxi/second") == maas.region.content("esxi/8.0.3") == image.path.read_bytes()


def test_maas_3_8_is_spared_a_second_name_because_that_would_destroy_the_file(
    serve_maas: ServeMaas, image: UploadImage
) -> None:
    maas = serve_maas("3.8.0")
    number = maas.upload(image).resource_id
    with pytest.raises(MaasError, match=r"holds these very bytes already, as esxi/8.0.3") as caught:
        maas.upload(dataclasses.replace(image, name="esxi/second"))
    assert f"esxforge images delete {number}" in caught.value.hint
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


@pytest.mark.parametrize("version", ["3.5.0", "3.6.5", "3.8.0"])
def test_with_several_regions_it_waits_until_all_have_the_image(
    serve_maas: ServeMaas, image: UploadImage, version: str
) -> None:
    maas = serve_maas(version, regions=3)
    maas.fault(Fault("PUT", "drop-after", at=2))
    result = maas.upload(image)
    assert result.action == "uploaded"
    assert maas.slept  # for the copies
    assert all(maas.region.storage.disk[n, image.sha256] == image.path.read_bytes() for n in range(3))
    assert "3 regions" in maas.notices()


@pytest.mark.parametrize("regions", [1, 3])
def test_a_user_who_sees_no_regions_loses_nothing_that_arrived(
    serve_maas: ServeMaas, image: UploadImage, regions: int
) -> None:
    maas = serve_maas("3.8.0a1", regions=regions)
    maas.region.shows_regions = False
    if regions == 1:
        assert maas.upload(image).action == "uploaded"
    else:
        with pytest.raises(MaasError, match="how much of it is unknown"):
            maas.upload(image)
    assert maas.requests("DELETE") == []
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


def test_a_user_who_sees_no_regions_does_not_resume_at_a_guessed_place(
    serve_maas: ServeMaas, image: UploadImage
) -> None:
    maas = serve_maas("3.7.3")
    maas.fault(Fault("PUT", "busy", at=2, times=99))
    with pytest.raises(MaasError, match="tried 8 times"):
        maas.upload(image)
    maas.region.shows_regions = False
    maas.fault()
    with pytest.raises(MaasError, match="how much of it is unknown"):
        maas.upload(image)
    assert maas.requests("DELETE") == []
    maas.region.shows_regions = True
    assert maas.upload(image).action == "resumed"


def test_a_region_that_does_not_get_its_copy_is_told_after_a_while(serve_maas: ServeMaas, image: UploadImage) -> None:
    maas = serve_maas(regions=2)
    maas.region.synchronizes = False
    with pytest.raises(MaasError, match=r"received all bytes, but is not complete \(50 %\)"):
        maas.upload(image)
    assert sum(maas.slept) >= 900
    maas.region.synchronizes = True
    assert maas.upload(image).sent == 0


def test_requests_spread_over_regions_are_told_and_not_counted_as_success(
    serve_maas: ServeMaas, image: UploadImage
) -> None:
    maas = serve_maas("3.6.5", regions=2, balance=True)
    with pytest.raises(MaasError) as caught:
        maas.upload(image)
    assert "region" in caught.value.message + caught.value.hint


def test_progress_is_told_in_bytes_from_start_to_end(maas: Maas, image: UploadImage) -> None:
    maas.upload(image)
    done = [event.done for event in maas.told if isinstance(event, events.BytesDone)]
    assert done == [0, 1000, 2000, 3000, 4000, 4321]
    assert events.StepStarted("uploading esxi/8.0.3", 4321) in maas.told
    assert events.StepFinished("uploading esxi/8.0.3") in maas.told


def test_a_plan_only_reads(maas: Maas, image: UploadImage) -> None:
    def plan() -> tuple[str, int]:
        found = plan_upload(image, maas.connection(), surroundings=maas.surroundings())
        return found.action, found.received

    assert plan() == ("upload", 0)
    maas.fault(Fault("PUT", "too-large", at=1))
    with pytest.raises(ForgeError):
        maas.upload(image)
    before = len(maas.region.requests)
    assert plan() == ("resume", 1000)
    maas.upload(image)
    assert plan() == ("skip", 4321)
    assert {method for method, _path in maas.region.requests[before : before + 4]} == {"GET"}


def test_the_title_that_maas_keeps_is_told(maas: Maas, image: UploadImage) -> None:
    maas.upload(image)
    maas.upload(dataclasses.replace(image, title="Another"))
    assert "MAAS keeps the title “VMware ESXi 8.0U3e”" in maas.notices()


@pytest.mark.parametrize(
    "name", ["esxi", "esxi/", "esxi/8/3", "esxi/8.0 U3", "foo/1", "noble", "ESXI/8", "esxi/8\n", ""]
)
def test_names_that_break_maas_are_refused_before_anything_is_sent(maas: Maas, image: UploadImage, name: str) -> None:
    with pytest.raises(MaasError, match="cannot be the name of an ESXi image"):
        maas.upload(dataclasses.replace(image, name=name))
    assert maas.region.requests == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": "  "}, "cannot be a title: it is empty"),
        ({"title": "a\x1b[2J"}, "cannot be shown"),
        ({"architecture": "amd64"}, "not a MAAS architecture"),
        ({"size": 0}, "no size"),
        ({"sha256": "abc"}, "no size, or no sha256"),
    ],
)
def test_other_bad_facts_are_refused_too(image: UploadImage, change: dict[str, str], message: str) -> None:
    with pytest.raises(ForgeError, match=message):
        check_image(dataclasses.replace(image, **change))  # type: ignore[arg-type]


def test_the_equivalent_command_is_what_the_maas_cli_takes(image: UploadImage) -> None:
    assert equivalent_command(image, None) == [
        "maas",
        "$PROFILE",
        "boot-resources",
        "create",
        "name=esxi/8.0.3",
        "title=VMware ESXi 8.0U3e",
        "architecture=amd64/generic",
        "filetype=ddgz",
        f"content@={image.path}",
    ]


@pytest.mark.parametrize("resumed", [False, True])
def test_a_file_that_changed_is_never_completed_on_maas(maas: Maas, image: UploadImage, resumed: bool) -> None:
    if resumed:
        maas.fault(Fault("PUT", "too-large", at=2))
        with pytest.raises(MaasError):
            maas.upload(image)
    good = image.path.read_bytes()
    image.path.write_bytes(good[:-1] + b"X")  # the same length
    with pytest.raises(ImageError, match="changed after it was verified"):
        maas.upload(image)
    assert maas.region.resources == {}, "no wrong byte stays in MAAS"
    image.path.write_bytes(good)
    assert maas.upload(image).action == "uploaded"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("lost", [None, 3, 4])
def test_a_file_that_changes_during_the_upload_is_never_completed_on_maas(
    serve_maas: ServeMaas, image: UploadImage, version: str, lost: int | None
) -> None:
    maas, good = serve_maas(version), image.path.read_bytes()
    original, status = maas.region.put, image.path.stat()

    def put(resource_id: int, file_id: int, chunk: bytes) -> str:
        image.path.write_bytes(good[:-1] + b"X")
        return original(resource_id, file_id, chunk)

    maas.region.put = put  # type: ignore[method-assign]
    if lost is not None:
        maas.fault(Fault("PUT", "drop-after", at=lost))
    with pytest.raises(ImageError, match="changed after it was verified"):
        maas.upload(image)
    assert maas.region.resources == {}
    assert status.st_size == image.path.stat().st_size
    maas.region.put = original  # type: ignore[method-assign]
    image.path.write_bytes(good)
    maas.fault()
    assert maas.upload(image).action == "uploaded"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fault", ["drop-after", "cut"])
def test_a_changed_file_is_found_even_where_the_last_answer_is_lost(
    serve_maas: ServeMaas, image: UploadImage, version: str, fault: Kind
) -> None:
    maas, good = serve_maas(version), image.path.read_bytes()
    image.path.write_bytes(b"X" + good[1:])  # before the upload: its times say nothing
    maas.fault(Fault("PUT", fault, at=4))
    with pytest.raises(ImageError, match="changed after it was verified"):
        maas.upload(image)
    assert maas.region.resources == {}


@pytest.mark.parametrize("content", [b"", b"shorter"])
def test_a_file_of_another_size_is_refused(maas: Maas, image: UploadImage, content: bytes) -> None:
    image.path.write_bytes(content)
    with pytest.raises(ImageError, match="changed after it was verified"):
        maas.upload(image)
    assert maas.region.puts() == 0


def test_a_file_that_is_gone_is_told(maas: Maas, image: UploadImage) -> None:
    image.path.unlink()
    with pytest.raises(InputError, match="There is no file"):
        maas.upload(image)


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    size = 64 << 20
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(size)
    sha256 = "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351"
    tracemalloc.start()
    try:
        with reader.ImageReader(path, size, sha256) as chunks:
            offset = 0
            while offset < size:
                offset += len(chunks.chunk(offset))
            assert chunks.is_right()
        _current, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * reader.CHUNK_SIZE


def test_who_is_no_administrator_is_told_so(maas: Maas, image: UploadImage) -> None:
    maas.key = USER_KEY
    with pytest.raises(MaasError, match="not an administrator") as caught:
        maas.upload(image)
    assert "administrator's key" in caught.value.hint
    assert maas.region.resources == {}


@pytest.mark.parametrize(("version", "told"), [("3.7.3", True), ("3.8.0a1", False)])
def test_a_user_who_is_no_administrator_is_refused_early_only_where_that_decides(
    serve_maas: ServeMaas, version: str, told: bool
) -> None:
    maas = serve_maas(version)
    maas.key = USER_KEY
    with uploader(maas.connection(), surroundings=maas.surroundings()) as destination:
        if told:
            with pytest.raises(MaasError, match="not an administrator"):
                destination.check_permission()
        else:
            destination.check_permission()


def test_maas_3_8_names_the_permission_that_the_user_lacks(serve_maas: ServeMaas, image: UploadImage) -> None:
    maas = serve_maas("3.8.0a1")
    maas.key = USER_KEY
    with pytest.raises(MaasError, match="may not change images") as caught:
        maas.upload(image)
    assert "administrator" not in caught.value.message
    assert "can_edit_boot_entities" in caught.value.message
    assert "permission that MAAS names" in caught.value.hint
    assert maas.region.resources == {}


def test_bytes_under_another_name_are_refused_on_maas_3_8_before_permissions_are_asked_for(
    serve_maas: ServeMaas, image: UploadImage
) -> None:
    maas = serve_maas("3.8.0a1")
    maas.upload(image)
    maas.key = USER_KEY
    with pytest.raises(MaasError, match="holds these very bytes already"):
        maas.upload(dataclasses.replace(image, name="esxi/second"))
    assert maas.requests("DELETE") == []
