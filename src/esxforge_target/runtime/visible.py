"""Text as a terminal or a log may have it: what would drive the terminal, or turn or hide text, is shown as an escape.

Every text may come from outside: an ISO, a manifest, a configuration, MAAS, a guest. So whatever leads to a terminal, a
console or a log passes here, once, where it leaves the program. Control functions: ECMA-48 (C0, DEL, C1); what turns
the direction of text: Unicode Standard Annex 9, and Trojan Source (CVE-2021-42574) for what that is abused for.
"""

import json
import re

# All of Unicode's Cc, Cs, Zl, Zp and Cf but for the joiners U+200C and U+200D, which some scripts cannot do without.
_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
_IN_TEXT = re.compile("[{}]".format(_HIDDEN))
_IN_LINE = re.compile("[\t\n{}]".format(_HIDDEN))


def visible(text: str) -> str:
    """``text`` with its lines and tabs, and nothing else that is not shown: ``\\x1b`` and ``\\u202e`` instead."""
    return _IN_TEXT.sub(_escape, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same for a text that must not begin a line of its own."""
    return _IN_LINE.sub(_escape, text)


def visible_json(text: str) -> str:
    """The same for a JSON document: its strings mean what they did."""
    return _IN_TEXT.sub(lambda match: json.dumps(match.group())[1:-1], text)


def _escape(match: "re.Match[str]") -> str:
    return match.group().encode("unicode_escape").decode("ascii")
