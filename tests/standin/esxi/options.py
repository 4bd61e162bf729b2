"""Options of one esxcli command: their forms, types and limits, and the errors for what does not fit."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from standin.esxi.errors import CommandError

Options = Dict[str, Any]

TRUE_WORDS = ("true", "1", "yes", "on")
FALSE_WORDS = ("false", "0", "no", "off")


class Option:
    """One option: ``-v|--vswitch-name=<str>``. Kinds: str, long, bool, flag (no value) and list (may be repeated)."""

    def __init__(
        self,
        short: str,
        long: str,
        kind: str = "str",
        required: bool = False,
        choices: Sequence[str] = (),
        limits: Optional[Tuple[int, int]] = None,
    ) -> None:
        self.short = short
        self.long = long
        self.kind = kind
        self.required = required
        self.choices = tuple(choices)
        self.limits = limits

    @property
    def spelling(self) -> str:
        return f"-{self.short}|--{self.long}" if self.short else f"--{self.long}"

    @property
    def usage(self) -> str:
        kind = {"flag": "", "bool": "=<bool>", "long": "=<long>", "list": "=[ <str>, ... ]"}.get(self.kind, "=<str>")
        return f"  {self.spelling}{kind}"

    def value(self, given: str, text: str) -> Any:
        """The value of ``text``, as typed after ``given`` (``-m`` or ``--mtu``)."""
        if self.kind == "bool":
            if text.lower() in TRUE_WORDS:
                return True
            if text.lower() in FALSE_WORDS:
                return False
            raise CommandError(f"Error: While processing '{given}'.   Expected boolean value type but got '{text}'.")
        if self.kind == "long":
            try:
                number = int(text, 10)
            except ValueError:
                raise CommandError(
                    f"Error: While processing '{given}'.   Expected integer value type but got '{text}'."
                ) from None
            if self.limits is not None and not self.limits[0] <= number <= self.limits[1]:
                raise CommandError(f"Invalid data constraint for parameter '{self.long}'.")
            return number
        if not text:
            raise CommandError(f"Error: While processing '{given}'.   Expected a value.")
        if self.choices and text not in self.choices:
            raise CommandError(f"Invalid data constraint for parameter '{self.long}'.")
        return text


def parse_options(known: Sequence[Option], arguments: List[str]) -> Options:
    """The options in ``arguments`` by long name; what was not given is missing, a list option is always there."""
    found: Options = {option.long: [] for option in known if option.kind == "list"}
    at = 0
    while at < len(arguments):
        word = arguments[at]
        at += 1
        name, separator, text = word.partition("=")
        option = _option(known, word, name)
        if option.kind == "flag":
            if separator:
                raise CommandError(f"Error: Invalid option {word}")
            found[option.long] = True
            continue
        if not separator:
            if at >= len(arguments):
                raise CommandError(f"Error: Option {name} requires a value")
            text = arguments[at]
            at += 1
        value = option.value(name, text)
        if option.kind == "list":
            found[option.long].append(value)
        elif option.long in found:
            raise CommandError(f"Error: Option {name} given more than once")
        else:
            found[option.long] = value
    for option in known:
        if option.required and not found.get(option.long) and found.get(option.long) not in (0, False):
            raise CommandError(f"Error: Missing required parameter {option.spelling}")
    return found


def _option(known: Sequence[Option], word: str, name: str) -> Option:
    for option in known:
        if name == "--" + option.long or (option.short and word == "-" + option.short):
            return option
    raise CommandError(f"Error: Invalid option {word}")
