"""Whatever the user's %post sections did to the boot bank: the agent starts, and can tell what they did."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from esxforge_target.formats.kickstart import Kickstart
from esxforge_target.installer import last_check, user_script
from target.hook.conftest import HASH
from target.installer.conftest import Prepared
from target.installer.site import AGENT, PLAIN, Site

KICKSTART = """vmaccepteula
rootpw --iscrypted {hash}
clearpart --alldrives
%include /tmp/target
%pre --interpreter=busybox
echo hello >/tmp/target
%post --interpreter=python --timeout=5
print('mine')
%firstboot --interpreter=busybox
true
"""


@pytest.fixture
def installed(prepared: Prepared) -> Callable[[], Site]:
    """A host on which ESXi is installed, and the first %post has run."""

    def make() -> Site:
        site = prepared()
        site.run()
        return site

    return make


def check(site: Site) -> int:
    return last_check.main(site.installer)


def test_the_kickstart_has_ours_first_and_last_around_the_user_s(prepared: Prepared, tmp_path: Path) -> None:
    own = tmp_path / "KS.CFG"
    own.write_text(KICKSTART.format(hash=HASH))
    site = prepared(install={"accept_eula": True, "kickstart": str(own)}, root_password={})
    kickstart = Kickstart.parse(site.ram("/esxforge/ks.cfg").read_bytes())
    programs = [
        (section.name, section.body.split("esxforge_target.installer.")[-1].split(" <<")[0].split(" || ")[0])
        for section in kickstart.sections
    ]
    assert programs[:6] == [
        ("%pre", "pre"),
        ("%post", "post"),
        ("%pre", "user_script %pre 5 busybox 0 guarded lenient"),
        ("%post", "user_script %post 7 python 5 guarded lenient"),
        ("%firstboot", "true\n"),
        ("%pre", "includes guarded lenient"),
    ]
    assert programs[6] == ("%post", "last_check")
    assert [section.name for section in kickstart.sections[7:]] == ["%firstboot"]
    assert kickstart.sections[3].options == [("--interpreter", "busybox"), ("--ignorefailure", "true")]
    assert "# line 3 of your kickstart, clearpart, is left out by esxforge" in kickstart.to_bytes().decode()


def test_a_bank_that_nobody_touched_stays_as_it_is(installed: Callable[[], Site]) -> None:
    site = installed()
    before = (site.bank() / "esxforge.tgz").stat().st_ino
    assert check(site) == 0, site.said
    assert "checked: the agent is in the boot bank" in site.said
    assert (site.bank() / "esxforge.tgz").stat().st_ino == before
    assert "checked: the agent is in the boot bank" in (site.bank() / "esxfinst.log").read_text().replace("\n", " ")
    assert site.boots() == AGENT


def gone(bank: Path) -> None:
    (bank / "esxforge.tgz").unlink()


def unlisted(bank: Path) -> None:
    cfg = bank / "boot.cfg"
    cfg.write_text(cfg.read_text().replace(" --- esxforge.tgz", " --- mine.tgz"))
    (bank / "mine.tgz").write_bytes(b"")


def damaged(bank: Path) -> None:
    module = bank / "esxforge.tgz"
    module.write_bytes(module.read_bytes()[:-4096])


@pytest.mark.parametrize("harm", [gone, unlisted, damaged])
def test_a_module_that_was_taken_out_of_the_bank_is_put_back(
    harm: Callable[[Path], None], installed: Callable[[], Site]
) -> None:
    site = installed()
    harm(site.bank())
    assert check(site) == 0, site.said
    assert "put back" in site.said
    assert site.boots() == AGENT
    if harm is unlisted:
        assert "mine.tgz --- esxforge.tgz" in (site.bank() / "boot.cfg").read_text()


def test_what_there_is_to_report_goes_to_the_agent(installed: Callable[[], Site]) -> None:
    site = installed()
    user_script.add_note(site.installer, "Your %post (line 7 of your kickstart) ended with status 3.")
    site.installer.write(user_script.WISHES, b"poweroff\npoweroff\n")
    assert check(site) == 0, site.said
    assert json.loads(site.module_files()["esxforge/installed.json"])["notices"] == [
        "Your %post (line 7 of your kickstart) ended with status 3.",
        "A script of your kickstart called poweroff: it was not done, as MAAS does not power the machine on again.",
    ]
    assert site.boots() == AGENT
    assert check(site) == 0
    assert site.said.endswith("checked: the agent is in the boot bank")


def test_a_full_bank_keeps_the_agent_and_loses_the_report(
    installed: Callable[[], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = installed()
    before = (site.bank() / "esxforge.tgz").read_bytes()
    user_script.add_note(site.installer, "Your %post (line 7 of your kickstart) ended with status 3.")
    monkeypatch.setattr(last_check, "room_for", lambda bank, length: False)
    assert check(site) == 0, site.said
    assert "the boot bank has no room for a report to MAAS" in site.said
    assert (site.bank() / "esxforge.tgz").read_bytes() == before


def test_a_bank_that_does_not_boot_any_more_fails_the_deployment(installed: Callable[[], Site]) -> None:
    site = installed()
    cfg = site.bank() / "boot.cfg"
    cfg.write_text(cfg.read_text().replace("bootstate=0", "bootstate=3"))
    assert check(site) == 1
    assert "ESXi is installed, but would NOT be set up for MAAS:" in site.said


def test_without_the_first_post_there_is_nothing_to_check(prepared: Prepared) -> None:
    site = prepared()
    assert site.pre() == 0
    site.install()
    assert check(site) == 1
    assert "esxforge's first %post section has not come to its end." in site.said
    assert site.boots() == PLAIN


def test_a_post_that_cleans_tmp_takes_nothing_that_the_last_check_needs(installed: Callable[[], Site]) -> None:
    site = installed()
    shutil.rmtree(site.ram("/tmp"), ignore_errors=True)
    assert check(site) == 0, site.said
    assert "removed" not in site.said
    assert site.boots() == AGENT


def test_what_the_first_post_noted_is_read_from_the_bank_where_a_script_removed_it(
    installed: Callable[[], Site],
) -> None:
    site = installed()
    shutil.rmtree(site.ram("/esxforge/run"))
    user_script.add_note(site.installer, "Your %post (line 7 of your kickstart) ended with status 3.")
    assert check(site) == 0, site.said
    assert "/esxforge/run/state.json was removed; the module in the boot bank is read instead" in site.said
    assert len(json.loads(site.module_files()["esxforge/installed.json"])["notices"]) == 1
    assert site.boots() == AGENT


def test_where_note_and_module_are_both_gone_the_deployment_fails_and_says_so(installed: Callable[[], Site]) -> None:
    site = installed()
    shutil.rmtree(site.ram("/esxforge/run"))
    gone(site.bank())
    assert check(site) == 1
    assert "/esxforge/run/state.json was removed, and 0 boot banks have this deployment's module." in site.said
