"""Scripts of the user's kickstart: run by ESXi's kind of shell, they end nothing but themselves.

Nothing here calls a power command: harmless programs stand for them, as the tests' machine is to stay on.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esxforge_target.contract.kickstart_sections import FREE, GUARDED, LENIENT, STRICT, carried
from esxforge_target.contract.names import INSTALL_INCLUDE
from esxforge_target.formats import kickstart_scripts
from esxforge_target.formats.kickstart import Kickstart
from esxforge_target.installer import user_script
from esxforge_target.installer.environment import Installer

# Applets of every busybox, and programs of every other system.
CALLED = ("hostid", "logname", "nproc")
BUSYBOX, OTHER = "busybox", "sh"


class Runs:
    """An installer whose RAM disk is a directory, and a shell that runs scripts in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = io.StringIO()
        self.installer = Installer(str(root), stream=self.output)
        self.installer.write(INSTALL_INCLUDE, b"install --disk=x\n")

    def run(self, script: str, words: str = f"%post 7 busybox 0 {GUARDED} {LENIENT}") -> int:
        return user_script.main(words.split(), self.installer, script)

    @property
    def notes(self) -> list[str]:
        return user_script.notes(self.installer)

    def wrote(self, name: str) -> str:
        path = self.root / name
        return path.read_text() if path.exists() else ""


@pytest.fixture(params=[BUSYBOX, OTHER])
def runs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    program = shutil.which(request.param)
    assert program is not None
    shell = tmp_path / "shell"
    shell.write_text(f'#!/bin/sh\nexec {program} {"sh " if request.param == BUSYBOX else ""}"$@"\n')
    shell.chmod(0o755)
    for module in (kickstart_scripts, user_script):
        monkeypatch.setattr(module, "POWER_COMMANDS", CALLED)
    monkeypatch.setattr(user_script, "_INTERPRETERS", {"busybox": (str(shell),), "python": ("/nowhere",)})
    (tmp_path / "root").mkdir()
    return Runs(tmp_path / "root")


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("exit 3\n", "ended with status 3"),
        ("set -e\nfalse\necho no >late\n", "ended with status 1"),
        ("exec false\n", "ended with status 1"),
        ("kill -9 $$\n", "was ended by signal 9"),
        ("if true; then\n", "ended with status 2"),
    ],
)
def test_a_post_that_fails_is_noted_and_the_installation_goes_on(script: str, how: str, runs: Runs) -> None:
    assert runs.run(script) == 0
    assert runs.notes == [f"Your %post (line 7 of your kickstart) {how}."]
    assert runs.wrote("late") == ""
    assert f"note: Your %post (line 7 of your kickstart) {how}." in runs.output.getvalue()


def test_a_post_that_fails_in_a_golden_build_ends_it(runs: Runs) -> None:
    assert runs.run("exit 3\n", f"%post 7 busybox 0 {GUARDED} {STRICT}") == 1
    assert "Your %post (line 7 of your kickstart) ended with status 3." in runs.output.getvalue()
    assert "--ignorefailure=true" in runs.output.getvalue()


def test_a_pre_that_fails_stops_the_installation_and_leaves_no_install_line(runs: Runs) -> None:
    assert runs.run("exit 3\n", f"%pre 4 busybox 0 {GUARDED} {STRICT}") == 1
    assert "ESXi was NOT installed:" in runs.output.getvalue()
    assert not (runs.root / INSTALL_INCLUDE.lstrip("/")).exists()


@pytest.mark.parametrize("section", ["%pre", "%post"])
def test_a_script_that_cleans_tmp_takes_nothing_of_ours(section: str, runs: Runs) -> None:
    (runs.root / "tmp").mkdir()
    assert runs.run("rm -rf tmp/* tmp/.??*\n", f"{section} 7 busybox 0 {GUARDED} {LENIENT}") == 0
    assert (runs.root / INSTALL_INCLUDE.lstrip("/")).exists()


@pytest.mark.parametrize("name", CALLED)
@pytest.mark.parametrize("manner", [LENIENT, STRICT])
def test_a_pre_that_calls_a_power_command_stops_the_installation(name: str, manner: str, runs: Runs) -> None:
    assert runs.run(f"echo wrong hardware\n{name}\necho after >did\n", f"%pre 4 busybox 0 {GUARDED} {manner}") == 1
    said = " ".join(runs.output.getvalue().replace("esxforge: ", "").split())
    assert f"Your %pre (line 4 of your kickstart) asked to stop ({name})." in said
    assert "ESXi was NOT installed:" in said
    assert runs.wrote("did") == ""
    assert not (runs.root / INSTALL_INCLUDE.lstrip("/")).exists()


def test_a_script_that_takes_too_long_is_ended_with_all_that_it_started(runs: Runs) -> None:
    assert runs.run("sleep 600 & sleep 600\n", f"%post 7 busybox 1 {GUARDED} {LENIENT}") == 0
    assert runs.notes == ["Your %post (line 7 of your kickstart) was ended after 1 seconds, as its --timeout says."]


@pytest.mark.parametrize("name", CALLED)
def test_a_power_command_is_noted_and_ends_the_script(name: str, runs: Runs) -> None:
    assert runs.run(f"echo before >did\n{name} -f\necho after >did\n") == 0
    assert runs.wrote("did") == "before\n"
    assert runs.notes == [
        (
            f"Your %post (line 7 of your kickstart) called {name}: it was not done, as MAAS does not power the "
            "machine on again."
        )
    ]


@pytest.mark.parametrize(
    "script",
    [
        "(hostid) >said\n",
        "true && hostid >said\n",
        "trap 'hostid >said' EXIT\n",
        "eval 'hostid >said'\n",
        "f() { hostid; }; f >said\n",
        "(sleep 0; hostid >said) & wait\n",
    ],
)
def test_a_power_command_is_noted_wherever_the_shell_itself_calls_it(script: str, runs: Runs) -> None:
    assert runs.run(script) == 0
    assert runs.wrote("said") == ""
    assert len(runs.notes) == 1


@pytest.mark.parametrize("script", ["sh -c hostid >said\n", "exec hostid >said\n", "nohup hostid >said\n"])
def test_a_child_finds_the_program_that_notes_on_its_path(
    script: str, runs: Runs, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["runs"] == BUSYBOX and "nohup" not in script:
        pytest.skip("this busybox prefers its own applets: such calls are errors at the build")
    assert runs.run(script) == 0
    assert runs.wrote("said") == ""
    assert len(runs.notes) == 1


def test_where_the_machine_may_go_off_nothing_stands_in_the_way(runs: Runs) -> None:
    assert runs.run("nproc >said\necho after >did\n", f"%post 7 busybox 0 {FREE} {LENIENT}") == 0
    assert runs.wrote("said").strip().isdigit()
    assert runs.wrote("did") == "after\n"
    assert runs.notes == []


def test_messages_of_the_shell_name_the_lines_as_they_are(runs: Runs, capfd: pytest.CaptureFixture[str]) -> None:
    assert runs.run("true\nnosuchcommand\n") == 0
    assert "line-7: " in capfd.readouterr().err
    assert runs.run("# first\n\nif true; fi\n") == 0
    assert "3" in capfd.readouterr().err.split("line-7: ", 1)[1]


def test_a_script_leaves_nothing_behind_and_starts_at_the_root_without_ours(runs: Runs) -> None:
    assert runs.run('pwd >where\necho "$PYTHONPATH" >path\ncat >read\n') == 0
    assert runs.wrote("where").strip() == str(runs.root)
    assert (runs.wrote("path"), runs.wrote("read")) == ("\n", "")
    assert not list((runs.root / "esxforge/run").glob("line-*"))
    assert runs.notes == []


def test_a_script_in_python_runs_in_python(runs: Runs) -> None:
    script = "import sys\nopen('did', 'w').write(sys.argv[0])\nsys.exit('no')\n"
    assert runs.run(script, f"%post 9 python 0 {GUARDED} {LENIENT}") == 0
    assert runs.wrote("did").endswith("/esxforge/run/line-9")
    assert runs.notes == ["Your %post (line 9 of your kickstart) ended with status 1."]


def test_an_interpreter_that_is_not_there_is_a_failure_of_the_script(runs: Runs) -> None:
    assert runs.run("true\n", f"%post 7 /bin/perl 0 {GUARDED} {LENIENT}") == 0
    assert runs.notes == [
        (
            "Your %post (line 7 of your kickstart) could not be run: '/bin/perl' is not an interpreter that ESXi's "
            "installer has."
        )
    ]
    assert runs.run("true\n", f"%pre 7 /bin/perl 0 {GUARDED} {LENIENT}") == 1
    assert not (runs.root / INSTALL_INCLUDE.lstrip("/")).exists()


def test_a_shell_that_cannot_be_started_is_told_as_a_failure(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_script, "_interpreter", lambda name: "/nowhere")
    assert runs.run("true\n") == 0
    assert "could not be started: No such file or directory" in runs.notes[0]


Handed = Callable[[str], tuple[str, str]]


@pytest.fixture(scope="module")
def handed(tmp_path_factory: pytest.TempPathFactory) -> Handed:
    """What the program gets, as words and stdin, when busybox runs the section that hands a script over."""
    directory = tmp_path_factory.mktemp("handed")
    program = directory / "python3"
    program.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "$@" >words\nexec cat >stdin\n')
    program.chmod(0o755)
    busybox = shutil.which("busybox")
    assert busybox is not None

    def run(text: str) -> tuple[str, str]:
        (section,) = Kickstart.parse(text.encode()).sections
        body = carried(section, GUARDED, LENIENT).split("\n", 1)[1].replace("/esxforge/lib", str(directory))
        script = directory / "section"
        script.write_bytes(body.encode())
        done = subprocess.run(
            [busybox, "sh", str(script)], env={"PATH": f"{directory}:/bin"}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return (directory / "words").read_text(), (directory / "stdin").read_bytes().decode()

    return run


def test_a_section_hands_over_what_its_first_line_says(handed: Handed) -> None:
    text = "vmaccepteula\n%post --interpreter=python --timeout=20 --ignorefailure=true\nprint('a')\n%end\n"
    words, script = handed(text)
    assert words == "-m esxforge_target.installer.user_script %post 2 python 20 guarded lenient\n"
    assert script == "print('a')\n"


def test_a_header_that_is_continued_does_not_leak_into_the_shell(handed: Handed) -> None:
    words, script = handed("%post \\\n  --interpreter=python3 \\\n  --timeout=60\nprint('a')\n")
    assert words == "-m esxforge_target.installer.user_script %post 1 python 60 guarded lenient\n"
    assert script == "print('a')\n"


@pytest.mark.parametrize("words", ["--interpreter busybox", "--interpreter=/bin/sh", "--interpreter=ash", ""])
def test_busybox_by_another_name_is_handed_over_as_busybox(words: str, handed: Handed) -> None:
    assert handed(f"%pre {words}\ntrue\n")[0].endswith(" %pre 1 busybox 0 guarded lenient\n")


LINES = st.one_of(
    st.sampled_from(
        ["cat <<'EOF'", "EOF", "END_OF_LINE_1", "$HOME `id` \\", "'\"", "%end of it", "é\u2013ß", "exit 1"]
    ),
    st.text("ab $`\\'\"<>|&;(){}#%=\t", max_size=20),
).filter(lambda line: not line.startswith(("%p", "%f", "%v", "%i", "include")) and line.strip() != "%end")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(lines=st.lists(LINES, max_size=8))
def test_a_script_arrives_as_it_was_written(lines: list[str], handed: Handed) -> None:
    script = "".join(line + "\n" for line in lines)
    assert handed(f"%post --interpreter=busybox\n{script}")[1] == script
