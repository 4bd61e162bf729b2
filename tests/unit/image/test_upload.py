"""From ISO to MAAS with nothing replaced: build, verify, upload over a real socket to the stand-in region."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from standin.maas_region import ADMIN_KEY, USER_KEY, FakeRegion, serve


def _esxforge(*arguments: str | Path, url: str, key: str = ADMIN_KEY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "esxforge", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MAAS_URL": url, "MAAS_API_KEY": key},
    )


def test_build_and_upload_in_one_go_then_again_changes_nothing(tmp_path: Path, iso_of: Callable[[str], Path]) -> None:
    image = tmp_path / "image.dd.gz"
    recipe = ["--accept-eula", "--root-password-random"]
    with serve(FakeRegion()) as url:
        first = _esxforge("build", iso_of("8.0"), "-o", image, *recipe, "--upload", "--json", url=url)
        assert first.returncode == 0, first.stderr
        told = json.loads(first.stdout)
        assert told["name"] == "esxi/8.0.3"
        again = _esxforge("upload", image, "--json", url=url)
        assert json.loads(again.stdout)["sha256"] == told["sha256"]
        assert json.loads(again.stdout)["action"] == "skipped"
        listed = _esxforge("images", "list", "--json", url=url)
        assert [entry["name"] for entry in json.loads(listed.stdout)] == ["esxi/8.0.3"]
    for done in (first, again, listed):
        assert ADMIN_KEY.split(":")[2] not in done.stdout + done.stderr


def test_a_build_asks_maas_once_and_does_not_read_the_image_again(
    tmp_path: Path, iso_of: Callable[[str], Path]
) -> None:
    region, log = FakeRegion(), tmp_path / "log"
    words: list[str | Path] = ["--accept-eula", "--root-password-random", "-o", tmp_path / "image.dd.gz", "--upload"]
    words += ["--log-file", log]
    with serve(region) as url:
        done = _esxforge("build", iso_of("8.0"), *words, "--verbose", url=url)
    assert done.returncode == 0, done.stderr
    assert "verifying the image" not in log.read_text()
    assert [path for _, path in region.requests].count("/MAAS/api/2.0/version/") == 1
    first_put = next(number for number, (method, _) in enumerate(region.requests) if method == "PUT")
    assert ("GET", "/MAAS/api/2.0/users/?op=whoami") in region.requests[:first_put]


@pytest.mark.parametrize(("key", "text"), [(USER_KEY, "is not an administrator"), (ADMIN_KEY[:-1] + "x", "API key")])
def test_a_key_that_may_not_upload_ends_it_before_the_build(
    key: str, text: str, tmp_path: Path, iso_of: Callable[[str], Path]
) -> None:
    words: list[str | Path] = ["--accept-eula", "--root-password-random", "-o", tmp_path / "image.dd.gz", "--upload"]
    with serve(FakeRegion()) as url:
        done = _esxforge("build", iso_of("8.0"), *words, url=url, key=key)
    assert done.returncode == 1
    assert text in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_and_a_raw_image_never_reach_maas(tmp_path: Path, iso_of: Callable[[str], Path]) -> None:
    recipe = ["--accept-eula", "--root-password-random"]
    with serve(FakeRegion()) as url:
        _esxforge("build", iso_of("8.0"), "-o", tmp_path / "i.raw", *recipe, "--format", "raw", url=url)
        raw = _esxforge("upload", tmp_path / "i.raw", url=url)
        assert raw.returncode == 1
        assert "is a raw disk" in raw.stderr
        _esxforge("build", iso_of("8.0"), "-o", tmp_path / "i.dd.gz", *recipe, url=url)
        with (tmp_path / "i.dd.gz").open("r+b") as stream:
            stream.truncate(500_000)
        damaged = _esxforge("upload", tmp_path / "i.dd.gz", url=url)
        assert damaged.returncode == 1
        assert "cut off" in damaged.stderr
        assert json.loads(_esxforge("images", "list", "--json", url=url).stdout) == []
