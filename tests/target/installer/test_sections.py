"""The kickstart's sections: run by ESXi's kind of shell, and what they start run by ESXi's kinds of Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from esxforge_target.formats.kickstart import Kickstart
from standin.pythons import find_python, run_on
from target.installer.conftest import Prepared
from target.installer.site import AGENT, Site

TESTS = Path(__file__).parents[2]
STORY = Path(__file__).with_name("story.py")
TELLING = """#!/bin/sh
[ "$1" = -c ] && exit 0
echo "{name} $* in $PWD with $PYTHONPATH $PYTHONDONTWRITEBYTECODE"
exit {status}
"""


def sections(site: Site) -> dict[str, str]:
    """The bodies of the host's kickstart."""
    kickstart = Kickstart.parse(site.ram("/esxforge/ks.cfg").read_bytes())
    assert [section.name for section in kickstart.sections] == ["%pre", "%post", "%firstboot"]
    for section in kickstart.sections:
        assert section.options == [("--interpreter", "busybox")]
    return {section.name: section.body for section in kickstart.sections}


@pytest.mark.parametrize("name", ["%pre", "%post"])
def test_a_section_starts_its_step_with_the_python_that_is_there_and_hands_its_status_on(
    name: str, prepared: Prepared, tmp_path: Path
) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox on this machine")
    site = prepared()
    body = sections(site)[name].replace("/esxforge/lib", str(site.ram("/esxforge/lib")))
    tools = tmp_path / "tools"
    tools.mkdir()
    for python, status in (("python", 0), ("python", 3), ("python3", 0), ("python3", 3)):
        program = tools / python
        program.write_text(TELLING.format(name=python, status=status))
        program.chmod(0o755)
        done = subprocess.run(
            [busybox, "sh", "-c", body], env={"PATH": str(tools)}, capture_output=True, text=True, check=False
        )
        library = site.ram("/esxforge/lib")
        module = "esxforge_target.installer." + name.strip("%")
        assert done.stdout == f"{python} -m {module} in {library} with {library} 1\n", done.stderr
        assert done.returncode == (1 if status else 0)


def test_a_section_without_its_library_stops_the_installation(prepared: Prepared) -> None:
    body = sections(prepared())["%pre"]
    done = subprocess.run(
        ["/bin/sh", "-c", body], env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1


def first_boot(site: Site) -> None:
    """Run the %firstboot section on the installed host."""
    body = sections(site)["%firstboot"]
    for path in ("/etc/rc.local.d", "/bootbank"):
        body = body.replace(path + "/", f"{site.ram(path)}/")
    done = subprocess.run(["busybox", "sh", "-c", body], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_first_boot_runs_the_script_that_every_boot_runs(prepared: Prepared, tmp_path: Path) -> None:
    site = prepared()
    (site.ram("/etc/rc.local.d") / "999.esxforge.sh").write_text(f"echo started >>{tmp_path}/started\n")
    first_boot(site)
    assert (tmp_path / "started").read_text() == "started\n"


@pytest.mark.parametrize("name", ["esxforge.new", "esxforge.tgz"])
def test_what_a_power_cut_in_post_left_in_the_bank_is_overwritten_at_the_first_boot(
    name: str, prepared: Prepared, tmp_path: Path
) -> None:
    site = prepared()
    site.run()
    site.ram("/bootbank").symlink_to(site.bank())
    left = site.bank() / name
    listed = site.bank() / "boot.cfg"
    first_boot(site)
    assert site.boots() == AGENT, "what boot.cfg lists must stay"
    listed.write_text(listed.read_text().replace(" --- esxforge.tgz", ""))
    left.write_bytes((site.bank() / "esxforge.tgz").read_bytes())
    os.link(left, tmp_path / "sectors")
    first_boot(site)
    assert not left.exists()
    assert not any((tmp_path / "sectors").read_bytes())


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.11", "3.13"])
def test_all_steps_run_on_real_old_pythons_from_the_unpacked_module(
    version: str, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = find_python(version)
    site = prepared()
    tools = tmp_path / "tools"
    tools.mkdir()
    path = os.pathsep.join((str(TESTS), str(TESTS.parent / "src")))
    for name in ("localcli", "vmkfstools"):
        start = f"STANDIN_ESXI={tmp_path}/esxi PYTHONPATH={path} exec {sys.executable} -m standin.esxi"
        (tools / name).write_text(f'#!/bin/sh\n{start} {name} "$@"\n')
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    library = [site.ram("/esxforge/lib")]
    for step in ("pre", "includes", "post", "script", "check"):
        if step == "post":
            site.install()
        done = run_on(program, STORY, step, site.fake.root, path=library)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
    assert site.boots() == AGENT
    assert json.loads(site.module_files()["esxforge/installed.json"])["notices"] == [
        "Your %post (line 7 of your kickstart) ended with status 3."
    ]
