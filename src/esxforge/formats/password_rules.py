"""ESXi's rule for root passwords, and the hashes that it takes.

The rule of 6.5 to 8.0, ``retry=3 min=disabled,disabled,disabled,7,7`` of passwdqc, as VMware documents it ("ESXi
Passwords and Account Lockout"): 7 to 39 characters of three of four classes; a capital at the start and a digit at the
end do not count towards the classes. A password that a whole host would refuse stops the installation halfway.

passwdqc also refuses passwords that are based on a word of its list (about 4,000 English words) or on a well-known
sequence. That list is not carried here, so it cannot be said for certain whether a password passes that part.
:func:`password_warnings` finds the plainest ones, written forwards or backwards and with the usual substitutions; it
warns only, as ``VMware1!`` is such a one and ESXi takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SHORTEST = 7
LONGEST = 39

# md5-crypt, sha512-crypt (rounds allowed by crypt(3); ESXi writes them without), and DES's 13 characters.
_MD5 = re.compile(r"\$1\$[./0-9A-Za-z]{1,8}\$[./0-9A-Za-z]{22}")
_SHA512 = re.compile(r"\$6\$(rounds=\d{4,9}\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}")
_DES = re.compile(r"[./0-9A-Za-z]{13}")

_WORDS = (
    "password",
    "passwort",
    "vmware",
    "admin",
    "secret",
    "welcome",
    "default",
    "changeme",
    "letmein",
    "esxi",
    "root",
)
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc",
)
_LOOK_ALIKES = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})


def password_problems(password: str) -> list[str]:
    """Every reason for which ESXi refuses this password in clear text; none if it takes it, as far as can be said.

    The sentences never hold any part of the password.
    """
    return list(_problems(password))


def password_warnings(password: str) -> list[str]:
    """Reasons for which ESXi may refuse this password, or for which an attacker tries it first."""
    warnings = []
    if len(set(password)) < 4:
        warnings.append("it consists of too few different characters.")
    if _is_based_on_a_word(password):
        warnings.append("it is based on a word or a row of keys that everybody tries first; ESXi may refuse it.")
    return warnings


def hash_problems(hashed: str) -> list[str]:
    """Every reason for which ``rootpw --iscrypted`` refuses this; none if it is a hash that ESXi takes."""
    if _MD5.fullmatch(hashed) or _SHA512.fullmatch(hashed) or _DES.fullmatch(hashed):
        return []
    kind = re.match(r"\$([0-9a-z]+)\$", hashed)
    if kind is None:
        return ["it is not a hash as crypt(3) writes them: $6$, a salt, $ and 86 characters."]
    if kind.group(1) in ("1", "6"):
        return [f"it starts like a ${kind.group(1)}$ hash, but its salt or its length is not right."]
    return [f"it is a ${kind.group(1)}$ hash; ESXi takes $6$ (SHA-512) and, weak as it is, $1$ (MD5)."]


def is_weak_hash(hashed: str) -> bool:
    """Return whether ESXi takes this hash, but it can be broken in hours (MD5, DES)."""
    return not hash_problems(hashed) and not hashed.startswith("$6$")


def _problems(password: str) -> Iterator[str]:
    if len(password) < SHORTEST:
        yield f"it has {len(password)} characters; at least {SHORTEST} are needed."
    if len(password) > LONGEST:
        yield f"it has {len(password)} characters; at most {LONGEST} are allowed."
    if any(not " " <= letter <= "~" for letter in password):
        yield "it has characters other than printable ASCII."
    classes = _classes(password)
    if classes < 3:
        yield (
            f"it counts as {classes} of the four classes (capitals, small letters, digits, others); three are needed, "
            "and a capital at the start and a digit at the end do not count."
        )


def _classes(password: str) -> int:
    """How many classes passwdqc counts: without a leading capital and a trailing digit."""
    counted = password
    if counted[:1].isascii() and counted[:1].isupper():
        counted = counted[1:]
    if counted[-1:].isascii() and counted[-1:].isdigit():
        counted = counted[:-1]
    found = set()
    for letter in counted:
        if letter.isascii() and letter.isupper():
            found.add("capital")
        elif letter.isascii() and letter.islower():
            found.add("small")
        elif letter.isascii() and letter.isdigit():
            found.add("digit")
        else:
            found.add("other")
    return len(found)


def _is_based_on_a_word(password: str) -> bool:
    """Return whether taking out one known word or row leaves too little (fewer than four characters)."""
    plain = password.lower()
    for text in {plain, plain.translate(_LOOK_ALIKES)}:
        for candidate in (text, text[::-1]):
            if any(word in candidate and len(candidate) - len(word) < 4 for word in _WORDS):
                return True
            if any(_longest_common(row, candidate) >= max(5, len(candidate) - 3) for row in _ROWS):
                return True
    return False


def _longest_common(row: str, text: str) -> int:
    """Length of the longest run of ``row`` in ``text``."""
    return max(
        (end - start for start in range(len(row)) for end in range(start + 1, len(row) + 1) if row[start:end] in text),
        default=0,
    )
