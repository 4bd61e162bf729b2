"""The script that starts the agent, run by the shell that ESXi has."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from esxforge_target.contract import agent_start, names

TELLING = """#!/bin/sh
[ "$1" = -c ] && exit 0
echo "NAME $* in $PWD with $PYTHONPATH $PYTHONDONTWRITEBYTECODE"
/bin/cat
echo end
"""
SHELLS = ("busybox sh", "dash", "bash")


def run(shell: str, tmp_path: Path, *programs: str, linked: tuple[str, ...] = (), python: str = "") -> str:
    """Run the script with fakes of ``programs`` and this machine's ``linked`` ones in PATH; what the fakes said."""
    words = shell.split()
    found = shutil.which(words[0])
    if found is None:
        pytest.skip(f"no {words[0]} on this machine")
    library, output, tools = tmp_path / "lib", tmp_path / "agent.log", tmp_path / "bin"
    for directory in (library, tools):
        directory.mkdir()
    text = agent_start.SCRIPT.replace(names.LIBRARY, str(library)).replace(agent_start.OUTPUT, str(output))
    script = tmp_path / "999.esxforge.sh"
    script.write_text(text)
    for name in linked:
        there = shutil.which(name)
        if there is None:
            pytest.skip(f"no {name} on this machine")
        (tools / name).symlink_to(there)
    texts = {name: TELLING.replace("NAME", name) for name in programs}
    for name, script_text in ({"python": python} if python else texts).items():
        fake = tools / name
        fake.write_text(script_text)
        fake.chmod(0o755)
    command = [found, *words[1:], str(script)]
    done = subprocess.run(command, env={"PATH": str(tools)}, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    while (programs or python) and not (output.exists() and output.read_text().endswith("end\n")):
        time.sleep(0.01)  # it was started in the background
    return output.read_text().replace(str(library), "LIB")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("present", "chosen"), [(["python"], "python"), (["python3", "python"], "python3")])
def test_the_agent_is_started_by_the_python_that_is_there(
    shell: str, present: list[str], chosen: str, tmp_path: Path
) -> None:
    said = run(shell, tmp_path, *present)
    assert said == f"{chosen} -m esxforge_target.agent in LIB with LIB 1\nend\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_where_setsid_is_there_the_agent_gets_a_session_of_its_own(shell: str, tmp_path: Path) -> None:
    session = tmp_path / "session"
    python = f"""#!/bin/sh
[ "$1" = -c ] && exit 0
read -r _ _ _ _ _ session _ </proc/$$/stat
[ "$session" = $$ ] && echo own >{session}
echo end
"""
    said = run(shell, tmp_path, linked=("setsid", "true"), python=python)
    assert said == "end\n"
    assert session.read_text() == "own\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_host_without_python_says_so_and_boots_on(shell: str, tmp_path: Path) -> None:
    assert run(shell, tmp_path) == "esxforge: there is no python on this host, so its agent cannot start\n"


def test_the_script_is_kept_by_esxi_only_with_the_sticky_bit() -> None:
    entry = agent_start.entry()
    assert (entry.name, entry.mode) == ("etc/rc.local.d/999.esxforge.sh", 0o1777)
    assert entry.data.startswith(b"#!/bin/sh\n")
