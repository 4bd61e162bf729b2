"""Simple commands of shell scripts, and calls among them that end the machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge.formats.kickstart_power import power_calls
from esxforge.formats.shell_commands import shell_commands


def texts(script: str) -> list[tuple[int, str]]:
    return [(command.line, command.text) for command in shell_commands(script)]


@pytest.mark.parametrize(
    ("script", "commands"),
    [
        ("sleep 5; halt\n", [(1, "sleep 5"), (1, "halt")]),
        ("# halt\necho a # halt\n", [(2, "echo a")]),
        ("a && b || c | d &\n", [(1, "a"), (1, "b"), (1, "c"), (1, "d")]),
        ("if [ -f x ]; then halt; else b; fi\n", [(1, "[ -f x ]"), (1, "halt"), (1, "b"), (1, "fi")]),
        ("A=1 B='2 3' halt\n", [(1, "halt")]),
        ("echo 'a; halt' \"b; halt\"\n", [(1, "echo a; halt b; halt")]),
        ("echo 'a\nhalt\n'\nb\n", [(1, "echo a\nhalt\n"), (4, "b")]),
        ("a \\\n  halt\nb\n", [(1, "a halt"), (3, "b")]),
        ("cat >x <<EOF\nhalt\nEOF\nb\n", [(1, "cat >x <<EOF"), (4, "b")]),
        ("cat >x <<'EOF'\nhalt\nEOF\nb\n", [(1, "cat >x <<EOF"), (4, "b")]),
        ('cat <<-"EOF" >x\n\thalt\n\tEOF\nb\n', [(1, "cat <<-EOF >x"), (4, "b")]),
        ("cat <<A <<B\nhalt\nA\nhalt\nB\nb\n", [(1, "cat <<A <<B"), (6, "b")]),
        ("echo '<<EOF'\nhalt\n", [(1, "echo <<EOF"), (2, "halt")]),
        ("case $x in\n  start) halt ;;\nesac\n", [(1, "case $x in"), (2, "start"), (2, "halt"), (3, "esac")]),
        ("x=$(halt)\n", [(1, "halt")]),
        ("f() { halt; }\n", [(1, "f"), (1, "halt"), (1, "}")]),
        ("echo a#b\n", [(1, "echo a#b")]),
        ("x=$((1 << 20))\nb\n20))\nc\n", [(1, "1 << 20"), (2, "b"), (3, "20"), (4, "c")]),
        ("grep a <<< b\nb\n", [(1, "grep a <<< b"), (2, "b")]),
        ("cat <<'END-X' >x\nit's\nEND-X\nb\n", [(1, "cat <<END-X >x"), (4, "b")]),
        ("cat <<'!'\nit's\n!\nb\n", [(1, "cat <<!"), (4, "b")]),
        ("cat <<'A B'; c\nit's\nA B\nb\n", [(1, "cat <<A B"), (1, "c"), (4, "b")]),
        ("cat <<\\EOF|c\nit's\nEOF\nb\n", [(1, "cat <<EOF"), (1, "c"), (4, "b")]),
        (">/dev/null 2>&1 halt\n> x halt\n", [(1, "halt"), (2, "halt")]),
        ("function f { halt; }\n", [(1, "halt"), (1, "}")]),
        ("echo 'open\n", []),
    ],
)
def test_commands_are_told_from_arguments_texts_and_comments(script: str, commands: list[tuple[int, str]]) -> None:
    assert texts(script) == commands


@given(st.text("ab '\"\\#;&|()`$<>EOF\n=-{}", max_size=120))
def test_no_script_ends_in_a_traceback(script: str) -> None:
    for command in shell_commands(script):
        assert command.words
        assert 1 <= command.line <= script.count("\n") + 1


@pytest.mark.parametrize(
    ("script", "calls"),
    [
        ("sleep 5\nhalt\n", [(2, "halt", True)]),
        ("poweroff -f; reboot\n", [(1, "poweroff", True), (1, "reboot", True)]),
        ("trap reboot EXIT\neval 'reboot now'\n", [(1, "trap … reboot", True), (2, "eval … reboot", True)]),
        ("/sbin/reboot\n", [(1, "/sbin/reboot", False)]),
        ("[ -x /bin/halt ] && /bin/halt\n", [(1, "/bin/halt", False)]),
        ("sh -c 'sleep 1; poweroff' &\n", [(1, "sh … poweroff", False)]),
        ("nohup reboot >/dev/null &\nexec poweroff\n", [(1, "nohup … reboot", False), (2, "exec … poweroff", False)]),
        ("busybox poweroff -f\n", [(1, "busybox … poweroff", False)]),
        ("trap '/sbin/reboot' EXIT\n", [(1, "trap … reboot", False)]),
        ("python -c 'import os; os.system(\"halt\")'\n", [(1, "python … halt", False)]),
        ("esxcli system shutdown reboot -d 10 -r x\n", [(1, "esxcli system shutdown reboot", False)]),
        ("echo reboot soon; logger halt\nrm reboot.log\n./reboot.sh\nprereboot\n", []),
        ("cat >/etc/rc.local.d/local.sh <<'EOF'\nreboot\nEOF\n", []),
        ("size=$((1 << 20))\n/sbin/poweroff\n", [(2, "/sbin/poweroff", False)]),
        ("cat >/x <<'END-X'\nit's\nEND-X\n/sbin/poweroff\n", [(4, "/sbin/poweroff", False)]),
        ("sh <<EOF\n# halt\n/sbin/reboot\nEOF\n", [(3, "sh … reboot", False)]),
        ("cat <<EOF | /bin/sh -s\n\nreboot\nEOF\n", [(3, "/bin/sh … reboot", False)]),
        ("nohup python3 - <<EOF\nimport os\nos.system('halt')\nEOF\n", [(3, "nohup … halt", False)]),
        ("echo /sbin/reboot | sh\n", [(1, "sh … reboot", False)]),
        ("find / -name x -exec /sbin/reboot \\;\n", [(1, "find … reboot", False)]),
        ("timeout -s KILL 5 nice reboot\n", [(1, "timeout … reboot", False)]),
        ("function x { /sbin/reboot; }\n", [(1, "/sbin/reboot", False)]),
        (">/dev/null /sbin/reboot\n", [(1, "/sbin/reboot", False)]),
        ("sh -c 'echo reboot pending'\ntimeout 5 grep reboot f\ncommand -v reboot\n./x | sh\n", []),
        ("sh -c '\n/sbin/halt\n'\n", [(1, "sh … halt", False)]),
    ],
)
def test_calls_that_end_the_machine_in_a_shell(script: str, calls: list[tuple[int, str, bool]]) -> None:
    assert [(call.line, call.written, call.is_plain) for call in power_calls(script, "busybox")] == calls


@pytest.mark.parametrize(
    ("script", "interpreter", "line"),
    [
        ("OFF=/sbin/poweroff\n$OFF\n", "busybox", 1),
        ("cat >/tmp/r.sh <<EOF\n# /sbin/halt\n/sbin/reboot\nEOF\nsh /tmp/r.sh\n", "busybox", 3),
        ('echo "$(/sbin/reboot)"\n', "busybox", 1),
        ("echo '* * * * * /sbin/reboot' >>/var/spool/cron/crontabs/root\n", "busybox", 1),
        ("X='esxcli system shutdown poweroff'\n", "busybox", 1),
        ("cmd.append('/sbin/poweroff')\n", "python", 1),
        ("f.write('/sbin/poweroff')\n", "python", 1),
        ("message = 'done; host will reboot'\nprint(message)\n", "python", 1),
        ("if 'reboot' in text:\n  pass\n", "python", 1),
        ("print 'no reboot yet'\n", "python", 1),
    ],
)
def test_what_may_end_the_machine_but_cannot_be_told(script: str, interpreter: str, line: int) -> None:
    (call,) = power_calls(script, interpreter)
    assert (call.line, call.is_certain, call.is_plain) == (line, False, False)


@pytest.mark.parametrize("script", ["# /sbin/reboot\n", "true # /sbin/reboot\n", "tail /var/log/reboot.log\n"])
def test_what_only_looks_like_it(script: str) -> None:
    assert power_calls(script, "busybox") == []


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        ("import os\nos.system('poweroff')\n", [2]),
        ("import subprocess\nsubprocess.call([\n  '/sbin/halt',\n])\n", [3]),
        ("run(b'reboot')\n", [1]),
        ("'''reboot the machine'''\nprint('no reboot yet')\nlog.info('reboot')\nx = 'rebooted'\n", []),
        ("import syslog\nsyslog.syslog('reboot in 5 s')\n", []),
        ("sp.Popen(args=['/sbin/reboot'])\n", [1]),
        ("# reboot\n", []),
        ("print 'old'\nos.system('reboot')\n", [2]),
    ],
)
def test_calls_that_end_the_machine_in_python(script: str, lines: list[int]) -> None:
    calls = power_calls(script, "python")
    assert [call.line for call in calls] == lines
    assert not any(call.is_plain for call in calls)
    assert all(call.is_certain for call in calls)
