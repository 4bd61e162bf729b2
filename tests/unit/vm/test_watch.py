"""The page that shows the screen: what it serves, to whom, and that it goes away."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from esxforge.vm.screen import png_from_ppm
from esxforge.vm.watch import WatchPage, watch_page


def _ask(page: WatchPage, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def _cookie(page: WatchPage) -> str:
    """What the browser gets that opens the address first."""
    status, headers, _ = _ask(page, page.address.partition(str(page.port))[2])
    assert (status, headers["Location"]) == (303, "/")
    return str(headers["Set-Cookie"].partition(";")[0])


_cookies: dict[int, str] = {}


def _get(page: WatchPage, path: str, host: str | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
    """As the browser that was admitted."""
    if page.port not in _cookies:
        _cookies[page.port] = _cookie(page)
    return _ask(page, path, Cookie=_cookies[page.port], **({"Host": host} if host else {}))


@pytest.fixture(autouse=True)
def _no_cookies_of_other_pages() -> None:
    _cookies.clear()


def test_the_address_works_once_and_for_one_browser() -> None:
    with watch_page("x") as page:
        page.show("secret", "", b"\x89PNG")
        address = page.address
        for path in ("/", "/state.json", "/screen.png", "/?token=", "/?token=guess", "/?token=%C3%A9"):
            status, _, body = _ask(page, path)
            assert (status, b"secret" in body) == (403, False)
        cookie = _cookie(page)
        assert _ask(page, "/state.json", Cookie=f"other=1; {cookie}")[0] == 200
        assert _ask(page, "/state.json", Cookie=cookie.replace("=", "=x"))[0] == 403
        assert _ask(page, address.partition(str(page.port))[2])[0] == 403


def test_two_pages_have_nothing_in_common() -> None:
    with watch_page("x") as one, watch_page("y") as other:
        assert one.address.partition("token=")[2] != other.address.partition("token=")[2]
        cookie = _cookie(one)
        assert _ask(other, "/state.json", Cookie=cookie)[0] == 403
        assert _ask(other, "/state.json", Cookie=cookie.replace(str(one.port), str(other.port)))[0] == 403


def test_the_page_needs_nothing_from_outside() -> None:
    with watch_page("esxforge: <b>&x") as page:
        status, headers, body = _get(page, "/")
    text = body.decode()
    assert status == 200
    assert "&lt;b&gt;&amp;x" in text
    assert "<b>" not in text
    assert not re.search(r"https?://|//\w|@import", text)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_shows_the_sentence_the_serial_log_and_the_picture(tmp_path: Path) -> None:
    with watch_page("x") as page:
        page.show("It writes the disk.", "a line <of> log", png_from_ppm(b"P6 2 1 255\n" + bytes(6)))
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
        command = ["chromium", *options, "--virtual-time-budget=3000", "--dump-dom", page.address]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "It writes the disk." in shown
    assert "a line &lt;of&gt; log" in shown
    assert re.search(r'<img id="screen"[^>]*src="screen.png\?1"', shown)
    assert "hidden" not in re.findall(r"<img[^>]*>", shown)[0]


def test_new_pictures_get_new_numbers_and_equal_ones_do_not() -> None:
    with watch_page("x") as page:
        assert json.loads(_get(page, "/state.json")[2])["picture"] == -1
        assert _get(page, "/screen.png")[0] == 404
        page.show("It writes.", "line <1>", b"\x89PNG first")
        state = json.loads(_get(page, "/state.json")[2])
        assert (state["sentence"], state["serial"], state["picture"]) == ("It writes.", "line <1>", 1)
        page.show("Still.", "", b"\x89PNG first")
        page.show("Still.", "", None)
        assert json.loads(_get(page, "/state.json")[2])["picture"] == 1
        page.show("Still.", "", b"\x89PNG second")
        assert json.loads(_get(page, "/state.json")[2])["picture"] == 2
        status, headers, body = _get(page, "/screen.png?2")
        assert (status, headers["Content-Type"], body) == (200, "image/png", b"\x89PNG second")


def test_it_is_served_on_this_computer_alone_and_under_its_own_name() -> None:
    with watch_page("x") as page:
        page.show("secret", "", b"\x89PNG")
        assert page.address.startswith(f"http://127.0.0.1:{page.port}/?token=")
        assert _get(page, "/state.json", f"localhost:{page.port}")[0] == 200
        # Another site's name that resolves to 127.0.0.1 must not read the screen.
        assert _get(page, "/state.json", "evil.example")[0] == 403
        assert _get(page, "/../etc/passwd")[0] == 404


def test_browsers_that_hang_up_or_say_nothing_do_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    with watch_page("x") as page:
        with socket.create_connection(("127.0.0.1", page.port), timeout=10):
            pass
        with socket.create_connection(("127.0.0.1", page.port), timeout=10) as rude:
            rude.sendall(b"\x16\x03\x01nonsense\r\n\r\n")
            rude.recv(100)
        assert _get(page, "/")[0] == 200
    assert capfd.readouterr().err == ""


def test_nothing_listens_afterwards() -> None:
    with watch_page("x") as page:
        port = page.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


def test_a_port_that_is_taken_is_an_error() -> None:
    with watch_page("x") as page, pytest.raises(OSError, match="in use"), watch_page("y", page.port):
        pass
