"""Messages of the hook: lines that end up in MAAS's log of the installation; the installer step uses them too."""

import io
import sys
import textwrap
from typing import TextIO, Union

from esxforge_target.runtime.ascii_text import ascii_text
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.validation_errors import ValidationErrors
from esxforge_target.runtime.visible import visible

_PREFIX = "esxforge: "


class Report:
    """Writes lines to ``stream``, each at once, as curtin copies them while the hook runs."""

    def __init__(self, stream: "Union[TextIO, io.TextIOBase]" = sys.stdout) -> None:
        self._stream = stream

    def say(self, line: str) -> None:
        """Report what was found or done."""
        for part in visible(line).split("\n"):
            # curtin's locale may be plain ASCII, and MAAS shows what it got.
            print(_PREFIX + ascii_text(part), file=self._stream, flush=True)

    def warn(self, line: str) -> None:
        """Report what a person should know, and what stops nothing."""
        self.say("note: " + line)

    def fail(self, error: ForgeError, outcome: str = "this host was NOT prepared:") -> None:
        """Report why it failed, and what to do; ``outcome`` says first what that means."""
        self.say(outcome)
        reasons = error.reasons if isinstance(error, ValidationErrors) else [error.message]
        for reason in reasons:
            for line in textwrap.wrap(reason, 110, break_long_words=False, break_on_hyphens=False):
                self.say("  " + line)
        if error.hint:
            self.say("what to do: " + error.hint)
