"""The user's directories: none is guessed at, and none that was asked for is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge import events
from esxforge.cli.maas_options import MaasOptions
from esxforge.errors import MaasError, OutputError
from esxforge.local.directories import home, temporary
from esxforge.local.workspace import work_directory
from esxforge.vm.firmware import default_places


def test_a_tmpdir_that_is_missing_is_told_and_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    with pytest.raises(OutputError, match="absent: No such file"), work_directory():
        pass


def test_temporary_files_go_where_tmpdir_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", "/elsewhere")
    assert temporary() == tmp_path
    with work_directory() as directory:
        assert directory.parent == tmp_path


def test_without_tmpdir_the_system_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert temporary() == tmp_path


def test_a_system_without_a_place_for_temporary_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(OutputError, match="No usable temporary directory") as error, work_directory():
        pass
    assert "TMPDIR" in error.value.hint


def test_a_user_without_a_home_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    monkeypatch.delenv("MAAS_URL", raising=False)
    monkeypatch.delenv("MAAS_API_KEY", raising=False)
    assert not home().exists()
    assert default_places().descriptor_directories
    with pytest.raises(MaasError, match="Which MAAS"):
        MaasOptions().connect(events.ignore)
