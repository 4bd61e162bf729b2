from __future__ import annotations

import socket
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from esxforge_target.cloud_data.execution import Host
from esxforge_target.cloud_data.files import HostFiles
from esxforge_target.vcenter.account import NAME
from esxforge_target.vcenter.desired import DesiredVcenter, parse_document
from esxforge_target.vcenter.errors import VcenterError
from esxforge_target.vcenter.join import Joined, join
from esxforge_target.vcenter.tls import Trust
from standin.maas_metadata import VirtualClock
from standin.vcenter import (
    Dialects,
    EsxiAccounts,
    FakeVcenter,
    HostRecord,
    VcenterInventory,
    make_certificate,
)
from standin.vcenter.state import RefusalError

ADDRESS = "esx01.example.com"
OURS = make_certificate(ADDRESS)
THEIRS = make_certificate("vcenter.example.com", "127.0.0.1")


class Bench:
    """A host in a folder, and a vCenter that can log in to it."""

    def __init__(self, folder: Path) -> None:
        root = folder / "root"
        self.accounts = EsxiAccounts(root)
        (root / "etc/vmware/ssl").mkdir(parents=True)
        (root / "etc/vmware/ssl/rui.crt").write_text("some text before\n" + OURS.pem)
        self.root = root
        self.log: list[str] = []
        self.clock = VirtualClock()
        self.inventory = VcenterInventory(self.accounts.may_administer, OURS.thumbprint("sha1"))
        self.vcenter = FakeVcenter(self.inventory, THEIRS, folder)
        self.trust = Trust(authorities=THEIRS.pem)

    def desired(
        self, datacenter: str = "DC1", server: str = "127.0.0.1", password: str | None = None
    ) -> DesiredVcenter:
        document = (
            f"vcenter_server: {server}:{self.vcenter.port}\nvcenter_username: administrator@vsphere.local\n"
            f"vcenter_password: {password or self.inventory.password}\nvcenter_datacenter: {datacenter}\n"
        )
        return parse_document(document.encode())

    def host(self) -> Host:
        return Host(HostFiles(str(self.root)), self.accounts, self.log.append, self.clock)

    def join(self, desired: DesiredVcenter | None = None, trust: Trust | None = None) -> Joined:
        return join(desired or self.desired(), trust or self.trust, ADDRESS, self.host())

    def fails(self, desired: DesiredVcenter | None = None, trust: Trust | None = None) -> VcenterError:
        with pytest.raises(VcenterError) as caught:
            self.join(desired, trust)
        assert self.accounts.names == ["root"]
        assert self.inventory.sessions == set()
        assert caught.value.hint or caught.value.kind
        return caught.value


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    with made.vcenter:
        yield made


@pytest.mark.parametrize("dialects", [each for each in Dialects if each is not Dialects.NONE])
def test_a_host_joins_every_version(bench: Bench, dialects: Dialects) -> None:
    bench.inventory.dialects = dialects
    assert bench.join() == Joined("host-7", False)
    (spec,) = bench.inventory.created
    assert (spec["hostname"], spec["folder"], spec["force_add"]) == (ADDRESS, "group-h4", False)
    assert bench.accounts.names == ["root"]
    assert bench.accounts.admins == {"root"}
    assert (bench.inventory.opened, bench.inventory.sessions) == (1, set())


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        ("DC1", "group-h4"),
        ("DC1/host", "group-h4"),
        ("/DC1/Racks", "group-h40"),
        ("DC1/host/Racks/A", "group-h41"),
        ("DC1/Racks/host", "group-h42"),
        ("DC2", "group-h5"),
    ],
)
@pytest.mark.parametrize("dialects", [Dialects.V6_7, Dialects.V8_0])
def test_the_place_is_a_datacenter_or_a_folder(bench: Bench, place: str, folder: str, dialects: Dialects) -> None:
    bench.inventory.dialects = dialects
    bench.join(bench.desired(place))
    assert bench.inventory.created[0]["folder"] == folder


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("DC9", "no datacenter 'DC9'"),
        ("dc1", "no datacenter 'dc1'"),
        ("DC1/Racks/B", "no host folder 'DC1/Racks/B'"),
        ("DC1/A", "no host folder 'DC1/A'"),
        ("''", "shows 2 datacenters, and none was named"),
    ],
)
def test_a_place_that_is_not_there_is_named(bench: Bench, place: str, said: str) -> None:
    assert said in bench.fails(bench.desired(place)).message
    assert ("POST", "/api/vcenter/host") not in bench.inventory.requests


def test_the_only_datacenter_need_not_be_named(bench: Bench) -> None:
    del bench.inventory.datacenters["datacenter-2"]
    bench.join(bench.desired("''"))
    assert bench.inventory.created[0]["folder"] == "group-h5"


def test_two_datacenters_of_one_name_are_not_guessed_at(bench: Bench) -> None:
    bench.inventory.datacenters["datacenter-3"] = "DC1"
    assert "2 datacenters named 'DC1'" in bench.fails().message


def test_a_host_that_is_there_already_is_left_alone(bench: Bench) -> None:
    bench.join()
    with (bench.root / "etc/passwd").open("a") as passwd:
        passwd.write("vpxuser:x:500:100:VMware VirtualCenter:/:/bin/sh\n")
    before = len(bench.accounts.commands)
    assert bench.join() == Joined("host-7", True)
    assert len(bench.inventory.created) == 1
    assert [command[3] for command in bench.accounts.commands[before:]] == ["list"]


@pytest.mark.parametrize("state", ["CONNECTED", "NOT_RESPONDING", "DISCONNECTED"])
def test_a_record_from_before_the_installation_is_named(bench: Bench, state: str) -> None:
    bench.inventory.hosts.append(HostRecord(ADDRESS, state))
    error = bench.fails()
    assert state in error.message
    assert "Remove the old host in vCenter" in error.hint


@pytest.mark.parametrize("dialects", [Dialects.V6_7, Dialects.V8_0])
@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (RefusalError(500, "UNABLE_TO_ALLOCATE_RESOURCE", "no"), "no licence left"),
        (RefusalError(500, "ERROR", "Not enough licenses"), "no licence left"),
        (RefusalError(400, "ERROR", "", "vim.fault.NoHost.summary"), "cannot reach this host by its name"),
        (RefusalError(400, "ERROR", "", "vim.fault.NotSupportedHost"), "newer than vCenter supports"),
        (RefusalError(400, "UNVERIFIED_PEER"), "another certificate"),
        (RefusalError(400, "RESOURCE_IN_USE", "", "vim.fault.AlreadyBeingManaged"), "another vCenter manages"),
        (RefusalError(403, "UNAUTHORIZED"), "may not do this"),
        (RefusalError(503, "SERVICE_UNAVAILABLE"), "not ready"),
        (RefusalError(500, "INTERNAL_SERVER_ERROR", "boom\x1b[2J"), "status 500"),
    ],
)
def test_a_refusal_is_said_in_plain_words(bench: Bench, dialects: Dialects, refusal: RefusalError, said: str) -> None:
    bench.inventory.dialects = dialects
    bench.inventory.refuse_adding = refusal
    error = bench.fails()
    assert said in error.message
    assert "\x1b" not in error.message


def test_a_wrong_password_is_named_and_not_repeated(bench: Bench) -> None:
    error = bench.fails(bench.desired(password="Wr0ng!pw"))
    assert "does not accept the user name or the password" in error.message
    assert "Wr0ng!pw" not in "".join(traceback.format_exception(error)) + error.hint
    assert [command[3] for command in bench.accounts.commands] == ["list"]


def test_something_that_is_no_vcenter_is_named(bench: Bench) -> None:
    bench.inventory.dialects = Dialects.NONE
    assert "not a vCenter Server 6.5 or later" in bench.fails().message


# TLS


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
@pytest.mark.parametrize("write", [str, str.lower, lambda text: text.replace(":", "")])
def test_a_pinned_thumbprint_is_enough(bench: Bench, algorithm: str, write: type[str]) -> None:
    assert bench.join(trust=Trust(thumbprint=write(THEIRS.thumbprint(algorithm)))).host_id == "host-7"


def other_thumbprint(algorithm: str) -> Trust:
    return Trust(thumbprint=make_certificate("other").thumbprint(algorithm))


@pytest.mark.parametrize(
    ("trust", "said"),
    [
        (Trust(), "was not accepted"),
        (Trust(authorities=make_certificate("other").pem), "was not accepted"),
        (other_thumbprint("sha256"), "is not the pinned one"),
        (other_thumbprint("sha1"), "is not the pinned one"),
        (Trust(authorities="nonsense"), "cannot be read"),
    ],
)
def test_nothing_is_said_to_an_unknown_certificate(bench: Bench, trust: Trust, said: str) -> None:
    assert said in bench.fails(trust=trust).message
    assert bench.inventory.requests == []


def test_the_certificate_must_hold_the_servers_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda address, *rest: real(("127.0.0.1", address[1]), *rest))
    assert "was not accepted" in bench.fails(bench.desired(server="impostor.example.com")).message
    assert bench.inventory.requests == []
    assert bench.join(bench.desired(server="vcenter.example.com")).host_id == "host-7"


@pytest.mark.parametrize("text", ["12:34", "zz" * 32, "a" * 41])
def test_a_thumbprint_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(VcenterError, match="neither SHA-256"):
        Trust(thumbprint=text)


def test_an_unknown_name_and_a_closed_port_are_told_apart(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = bench.desired().replace(port=taken.getsockname()[1])
        assert "cannot be reached: Connection refused" in bench.fails(nobody).message

    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    assert "is unknown to this host's name servers" in bench.fails().message


# The temporary account


def test_what_a_power_cut_left_is_removed_first(bench: Bench) -> None:
    bench.accounts.run(
        ["esxcli", "system", "account", "add", f"--id={NAME}", "--password=x", "--password-confirmation=x"]
    )
    bench.accounts.admins.add(NAME)
    bench.join()
    assert bench.accounts.names == ["root"]


@pytest.mark.parametrize("command", [("account", "add"), ("permission", "set")])
def test_an_account_that_cannot_be_made_is_named(bench: Bench, command: tuple[str, str]) -> None:
    bench.accounts.fail = {command}
    error = bench.fails()
    assert "temporary account" in error.message
    password = next(
        word.partition("=")[2] for line in bench.accounts.commands for word in line if word.startswith("--password=")
    )
    assert password not in error.message
    assert bench.inventory.created == []


def test_a_list_of_accounts_that_cannot_be_had_hides_none(bench: Bench) -> None:
    bench.accounts.fail = {("account", "list")}
    bench.join()
    assert bench.accounts.names == ["root"]


def test_an_account_that_cannot_be_removed_is_locked_and_named(bench: Bench) -> None:
    bench.accounts.fail = {("account", "remove")}
    with pytest.raises(VcenterError, match="it was locked") as caught:
        bench.join()
    assert "esxcli system account remove" in caught.value.hint
    (spec,) = bench.inventory.created
    assert not bench.accounts.may_administer(NAME, spec["password"])
    assert NAME not in bench.accounts.admins


def test_both_reasons_are_told_when_joining_and_removing_fail(bench: Bench) -> None:
    bench.accounts.fail = {("account", "remove")}
    bench.inventory.refuse_adding = RefusalError(500, "ERROR", "Not enough licenses")
    with pytest.raises(VcenterError, match=r"no licence left.* Besides: ESXi did not remove"):
        bench.join()


def test_a_lost_answer_is_looked_after(bench: Bench) -> None:
    bench.vcenter.lose_answer_to = ("POST", "/api/vcenter/host")
    assert bench.join() == Joined("host-7", False)
    bench.inventory.hosts.clear()
    bench.inventory.refuse_adding = RefusalError(500, "ERROR", "no")
    assert "broke off" in bench.fails().message
    assert bench.clock.sleeps == [10.0] * 6


def test_a_lost_logout_does_not_matter(bench: Bench) -> None:
    bench.vcenter.lose_answer_to = ("DELETE", "/api/session")
    assert bench.join().host_id == "host-7"


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"])
def test_a_host_without_certificate_is_named(bench: Bench, content: str) -> None:
    (bench.root / "etc/vmware/ssl/rui.crt").write_text(content)
    assert "certificate" in bench.fails().message


def test_no_secret_is_left_or_shown(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    desired = bench.desired()
    bench.join(desired)
    (spec,) = bench.inventory.created
    captured = capfd.readouterr()
    files = [path.read_text() for path in bench.root.rglob("*") if path.is_file()]
    arguments = [word for command in bench.accounts.commands for word in command]
    places = [repr(desired), *bench.log, captured.out, captured.err, *files, *arguments]
    for secret in (spec["password"], desired.password.reveal()):
        assert not [place for place in places if secret in place]
