"""All reasons against a configuration, reported at once."""

from reprlib import Repr
from typing import Any, List

from esxforge_target.runtime.errors import ForgeError


class ValidationErrors(ForgeError):  # noqa: N818  # several at once, and named for what a person reads
    """The request is not possible on ESXi. ``reasons`` holds one sentence each: where, what, and what to do."""

    code = "configuration"

    def __init__(
        self, reasons: List[str], hint: str = "Change the machine's configuration in MAAS and deploy again."
    ) -> None:
        self.reasons = list(reasons)
        super().__init__("\n".join(self.reasons), hint)


def _short() -> Repr:
    short = Repr()
    short.maxlevel = 2
    short.maxstring = short.maxother = 200
    return short


_SHORT = _short()


class Problems:
    """Collects reasons against a configuration, and notices that prevent nothing, in the order found."""

    def __init__(self) -> None:
        self.reasons = []  # type: List[str]
        self.notices = []  # type: List[str]

    def refuse(self, where: str, text: str) -> None:
        """Note a reason; ``where`` is the place in the configuration."""
        self._add(self.reasons, "{}: {}".format(where, text))

    def notice(self, where: str, text: str) -> None:
        """Note something that a person should know and that stops nothing."""
        self._add(self.notices, "{}: {}".format(where, text))

    def raise_if_any(self) -> None:
        """Raise ``ValidationErrors`` with all reasons, if there is one."""
        if self.reasons:
            raise ValidationErrors(self.reasons)

    @staticmethod
    def _add(sentences: List[str], sentence: str) -> None:
        if sentence not in sentences:
            sentences.append(sentence)


def shown(value: Any) -> str:
    """Return a value from a configuration as it is quoted in a sentence: short, on one line."""
    # Of lists and mappings only the outermost is written out: YAML's aliases make them endless or exponential.
    text = "“{}”".format(value[:200]) if isinstance(value, str) else _SHORT.repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "…"
