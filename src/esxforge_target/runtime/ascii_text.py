"""Text for logs and consoles that know plain ASCII only."""

# What our own sentences have besides ASCII. A person who searches a log types these.
_PLAIN = str.maketrans({
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2018": "'", "\u2019": "'",
    "\u2013": "-", "\u2014": "-", "\u2026": "...", "\u2192": "->", "\u00d7": "x", "\u00a0": " ",
})  # fmt: skip


def ascii_text(text: str) -> str:
    """``text`` in ASCII: quotes, dashes and the like plain, all else (a name with an umlaut) as an escape."""
    return text.translate(_PLAIN).encode("ascii", "backslashreplace").decode("ascii")
