"""Nothing of the person who runs the self-test gets into its report: names and paths of their computer, and secrets."""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# Names that every computer may have, and that every log holds: taking them out would only garble it.
_COMMON = {"root", "localhost", "user", "admin", "debian", "ubuntu", "host", "esxi", "maas", "localdomain"}
_SHORTEST = 3


class ReportRedactor:
    """Replaces texts by placeholders. ``paths`` and ``names`` map a text to a placeholder such as [home]."""

    def __init__(self, paths: Mapping[str, str], names: Mapping[str, str], secrets: Iterable[str] = ()) -> None:
        rules = [(re.escape(secret), "[secret]") for secret in secrets if secret]
        # The longest first: a work directory lies in the home directory.
        rules += [(re.escape(path) + r"(?![\w.-])", paths[path]) for path in _longest_first(paths) if len(path) > 1]
        rules += [
            (rf"(?<![\w-]){re.escape(name)}(?![\w-])", names[name])
            for name in _longest_first(names)
            if len(name) >= _SHORTEST and name.lower() not in _COMMON
        ]
        self._rules = [(re.compile(pattern), shown) for pattern, shown in rules]

    def text(self, text: str) -> str:
        """``text`` without them."""
        for pattern, shown in self._rules:
            text = pattern.sub(shown, text)
        return text

    def document(self, value: Any) -> Any:
        """A JSON document without them, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.document(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.document(one) for one in value]
        return value


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=len, reverse=True)


def redactor_here(paths: Mapping[Path, str], secrets: Iterable[str]) -> ReportRedactor:
    """For this computer and person; ``paths`` are those of this run."""
    here = {str(path.absolute()): shown for path, shown in paths.items()}
    resolved = {str(path.resolve()): shown for path, shown in paths.items()}
    home = os.environ.get("HOME", "")
    return ReportRedactor({**here, **resolved, **({home: "[home]"} if home else {})}, _names(), secrets)


def _names() -> dict[str, str]:
    node = platform.node()
    names = {node: "[computer]", node.partition(".")[0]: "[computer]"}
    try:
        names[getpass.getuser()] = "[user]"
    except (OSError, KeyError):
        return names  # a user without an entry has no name to hide
    return names
