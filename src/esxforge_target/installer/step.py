"""Common parts of both steps: paths, messages and where they go, and how a step ends."""

import io
import os
import sys
import traceback
from typing import Callable

from esxforge_target.contract.names import RUN
from esxforge_target.installer.environment import LOG, Installer
from esxforge_target.runtime.consoles import show
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report

# The results of %pre, for %post.
STATE = RUN + "/state.json"
_TELL = "esxforge_target.installer.report_to_maas"
_TELL_SECONDS = 40.0
AT_WORK = "at-work"
EVENT = "event"
_FAILED = "failed"


class _Both(io.TextIOBase):
    """Writes to the section's output and to our log."""

    def __init__(self, installer: Installer) -> None:
        super().__init__()
        self._stream = installer.stream
        self._log = installer.locate(LOG)

    def write(self, text: str) -> int:
        self._stream.write(text)
        try:
            with open(self._log, "a", encoding="ascii", errors="backslashreplace") as log:
                log.write(text)
        except OSError:
            return len(text)  # a log that cannot be written stops nothing
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


def run_step(
    installer: Installer, step: "Callable[[Installer, Report], None]", outcome: str, tell_maas: bool = True
) -> int:
    """Run a step; return 0, or 1 with the reason reported everywhere. ``outcome`` says what a failure means."""
    report = Report(_Both(installer))
    if tell_maas:
        _restart_limit(installer, report)
    try:
        step(installer, report)
    except ForgeError as error:
        failure = error
    except Exception as error:
        place = traceback.extract_tb(sys.exc_info()[2])[-1]
        what = "{} at {}:{}".format(type(error).__name__, os.path.basename(place[0]), place[1])
        if isinstance(error, OSError) and error.strerror:
            what += ": " + error.strerror
        failure = ForgeError(what + ".", "Report this as a defect of esxforge, with " + LOG + ".")
    else:
        return 0
    report.fail(failure, outcome)
    _to_consoles(installer, failure, outcome)
    if tell_maas:
        _to_maas(installer, failure, outcome, report)
    return 1


def report_event(installer: Installer, report: Report, text: str) -> None:
    """Tell MAAS how far a machine with Secure Boot on came: it may never say more. Its loss stops nothing."""
    why = _tell(installer, EVENT, text)
    report.say("MAAS could not be notified: {}".format(why) if why else "MAAS was notified: {}".format(text))


def _to_consoles(installer: Installer, failure: ForgeError, outcome: str) -> None:
    text = io.StringIO()
    Report(text).fail(failure, outcome)
    show("\n" + text.getvalue() + "\n", installer.locate)


def _to_maas(installer: Installer, failure: ForgeError, outcome: str, report: Report) -> None:
    reason = " ".join("{} {} {}".format(outcome, failure.message, failure.hint).split())
    why = _tell(installer, _FAILED, reason)
    report.say("MAAS could not be notified, and will give up by itself: {}".format(why) if why else "MAAS was notified")


def _restart_limit(installer: Installer, report: Report) -> None:
    """Let MAAS up to 3.5 restart its time limit. A network is not guaranteed here, so this may fail."""
    why = _tell(installer, AT_WORK)
    report.say(
        "MAAS was not reached, its time limit goes on: {}".format(why)
        if why
        else "MAAS was notified that this is running"
    )


def _tell(installer: Installer, what: str, text: str = "") -> str:
    """Report to MAAS. Return why that failed; empty if it did not."""
    command = [sys.executable or "python", "-m", _TELL, what, installer.root]
    told = installer.runner.run(command, _TELL_SECONDS, text)
    if told.status == 0:
        return ""
    return " ".join(told.stderr.split()) or "status {}".format(told.status)
