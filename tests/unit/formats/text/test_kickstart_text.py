"""Characters that the installer is not known to take: each with its line, its column and the way to convert it."""

from __future__ import annotations

import subprocess

import pytest

from esxforge.formats.kickstart_findings import ERROR, WARNING, Finding, Use
from esxforge.formats.kickstart_rules import check_kickstart

HASH = "$6$saltsalt$" + "a" * 86
BASE = f"vmaccepteula\nrootpw --iscrypted {HASH}\n"
KNOWN = Use(release=(6, 7), standalone=True)


def found(text: str | bytes, use: Use | None = None) -> list[Finding]:
    data = text if isinstance(text, bytes) else text.encode()
    return [finding for finding in check_kickstart(data, use) if finding.message != "there is no install command."]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            "keyboard \u201cUS Default\u201d\n",
            "line 3, column 10: ",
            "a left double quotation mark (U+201C)",
        ),
        ("keyboard\u00a0French\n", "line 3, column 9: ", "a no-break space (U+00A0) is not read as"),
        ("reboot \u2013\u2013noeject\n", "line 3, column 8: ", "an en dash (U+2013) is not read as"),
        (
            "keyboard Fran\u00e7ais\n",
            "line 3, column 14: ",
            "a latin small letter c with cedilla (U+00E7)",
        ),
        ("%post\u2002--interpreter=busybox\n", "line 3, column 6: ", "an en space (U+2002) is not ASCII"),
    ],
)
def test_a_foreign_character_in_a_line_that_the_installer_reads_is_an_error_with_its_place(
    text: str, place: str, message: str
) -> None:
    errors = [one for one in found(BASE + text) if one.severity == ERROR]
    assert any(one.place == place and one.message.startswith(message) for one in errors), errors


@pytest.mark.parametrize(("foreign", "plain"), [("\u00a0", " "), ("\u2013", "--"), ("\u201c", '"'), ("\u2019", "'")])
def test_the_way_to_convert_does_it(foreign: str, plain: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("text") / "KS.CFG"
    file.write_text(f"{BASE}keyboard {foreign}x\n", "utf-8")
    (hint,) = {one.hint for one in found(file.read_bytes()) if f"U+{ord(foreign):04X}" in one.message}
    command = hint.split("everywhere: ")[1].removesuffix(".").replace("FILE", str(file))
    subprocess.run(["sh", "-c", command], check=True)
    assert file.read_text("utf-8") == f"{BASE}keyboard {plain}x\n"


@pytest.mark.parametrize(
    "text",
    [
        "# caf\u00e9 \u201cmine\u201d\n",
        "keyboard French # caf\u00e9\n",
        "%post --interpreter=busybox\n# \u2013\necho caf\u00e9\n",
        "%firstboot --interpreter=python\nprint('caf\u00e9')\n",
    ],
)
def test_comments_and_scripts_may_be_utf_8(text: str) -> None:
    assert found(BASE + text) == []


def test_a_dash_in_a_command_of_a_script_is_a_warning_as_it_may_be_meant() -> None:
    (finding,) = found(f"{BASE}%post --interpreter=busybox\nesxcli \u2013v # \u2013\n")
    assert (finding.place, finding.severity) == ("line 4, column 8: ", WARNING)


@pytest.mark.parametrize(
    ("data", "severity", "place"),
    [
        (b"# caf\xe9\n", WARNING, "line 3, column 6: "),
        (b"keyboard Fran\xe7ais\n", ERROR, "line 3, column 14: "),
        (b"%post --interpreter=busybox\necho caf\xe9\n", ERROR, "line 4, column 9: "),
    ],
)
def test_bytes_that_are_no_utf_8_are_named_with_the_way_to_convert_them(data: bytes, severity: str, place: str) -> None:
    (finding,) = [one for one in found(BASE.encode() + data) if "UTF-8" in one.message]
    assert (finding.severity, finding.place) == (severity, place)
    assert finding.hint == "Convert it: iconv -f WINDOWS-1252 -t UTF-8 OLD >NEW."
    assert ERROR in [one.severity for one in found(BASE.encode() + data, KNOWN)], "6.7 stops at them, wherever they are"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named_for_what_it_is(encoding: str) -> None:
    mark = {"utf-16": "", "utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}[encoding]
    (finding,) = found((mark + BASE).encode(encoding))
    assert (finding.severity, finding.place) == (ERROR, "line 1, column 1: ")
    assert finding.message.startswith("it is UTF-16, as Windows PowerShell writes text")
    assert "iconv -f UTF-16 -t UTF-8" in finding.hint


def test_a_byte_order_mark_is_left_out_and_stops_the_installer_where_nobody_does() -> None:
    text = "\ufeff" + BASE
    (finding,) = found(text)
    assert (finding.severity, finding.place) == (WARNING, "line 1, column 1: ")
    assert any(one.severity == ERROR and one.place == "line 1, column 1: " for one in found(text, KNOWN))
