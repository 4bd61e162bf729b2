"""Typed reading of a configuration's dictionaries: wrong types are rejected, with their location."""

import re
from typing import Any, Dict, Iterable, List, Optional, Set

from esxforge_target.runtime.validation_errors import Problems, shown

# The location of an entire configuration.
TOP = "configuration"
# Names, models and URLs are far shorter; whatever is longer is refused before it is worked on.
LONGEST_TEXT = 1024
_WHOLE_NUMBER = re.compile(r"\A[-+]?[0-9]{1,18}\Z")


class Item:
    """One dictionary of the configuration, and its location. Remembers which keys were read."""

    def __init__(self, values: Dict[Any, Any], where: str, reasons: Problems) -> None:
        self.values = values
        self.where = where
        self.reasons = reasons
        self._known = set()  # type: Set[str]

    def refuse(self, text: str) -> None:
        """Refuse something of this item."""
        self.reasons.refuse(self.where, text)

    def notice(self, text: str) -> None:
        """Tell something about this item."""
        self.reasons.notice(self.where, text)

    def get(self, key: str) -> Any:
        """Return the raw value; None if there is none."""
        self._known.add(key)
        return self.values.get(key)

    def text(self, key: str, required: bool = False) -> str:
        """Return a text without surrounding blanks; empty if there is none. Numbers (in YAML) become text."""
        value = self.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if value is not None and not isinstance(value, str):
            self.refuse("{} must be a text, not {}.".format(key, shown(value)))
            return ""
        text = (value or "").strip()  # type: str
        if len(text) > LONGEST_TEXT:
            self.refuse("{} has {} characters; at most {} are taken.".format(key, len(text), LONGEST_TEXT))
            return ""
        if required and not text:
            self.refuse("{} is missing.".format(key))
        return text

    def number(self, key: str, required: bool = False) -> Optional[int]:
        """Return an integer, also if it is written as text; None if there is none."""
        value = self.get(key)
        if value is None or value == "":
            if required:
                self.refuse("{} is missing.".format(key))
            return None
        if isinstance(value, str) and _WHOLE_NUMBER.match(value.strip()):
            value = int(value.strip())
        if isinstance(value, bool) or not isinstance(value, int) or not _WHOLE_NUMBER.match(str(value)):
            self.refuse("{} must be a whole number, not {}.".format(key, shown(value)))
            return None
        return value

    def truth(self, key: str) -> Optional[bool]:
        """Return true or false, also for text or 0 and 1; None if there is none."""
        value = self.get(key)
        if value is None:
            return None
        words = {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }
        if str(value).strip().lower() in words:
            return words[str(value).strip().lower()]
        self.refuse("{} must be true or false, not {}.".format(key, shown(value)))
        return None

    def texts(self, key: str) -> List[str]:
        """A list of texts; one text counts as a list of one (or several, parted by commas and blanks)."""
        value = self.get(key)
        if value is None:
            return []
        if isinstance(value, str):
            value = value.replace(",", " ").split()
        if not isinstance(value, list):
            self.refuse("{} must be a list, not {}.".format(key, shown(value)))
            return []
        texts = []
        for element in value:
            if isinstance(element, bool) or not isinstance(element, (str, int)):
                self.refuse("{} must hold texts, not {}.".format(key, shown(element)))
            elif len(str(element)) > LONGEST_TEXT:
                self.refuse("{} holds a text of more than {} characters.".format(key, LONGEST_TEXT))
            elif str(element).strip():
                texts.append(str(element).strip())
        return texts

    def items(self, key: str, place: str = "") -> "List[Item]":
        """A list of dictionaries, each with its place."""
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse("{} must be a list, not {}.".format(key, shown(value)))
            return []
        found = []
        for index, element in enumerate(value):
            where = place or "{} {}[{}]".format(self.where, key, index)
            if isinstance(element, dict):
                found.append(Item(element, where, self.reasons))
            else:
                self.reasons.refuse(where, "must be a mapping, not {}.".format(shown(element)))
        return found

    def item(self, key: str) -> "Optional[Item]":
        """Return a dictionary in this one; None if there is none."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.refuse("{} must be a mapping.".format(key))
            return None
        return Item(value, key if self.where == TOP else "{}.{}".format(self.where, key), self.reasons)

    def name_unknown(self, harmless: Iterable[str] = ()) -> None:
        """Report each key that was not read. ``harmless`` ones are known and mean nothing on ESXi."""
        for key in sorted(str(key) for key in self.values if key not in self._known and key not in harmless):
            self.notice("the key {} is not known and has no effect.".format(shown(key)))
