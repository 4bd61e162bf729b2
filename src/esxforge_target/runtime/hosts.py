"""Names of hosts, held against DNS's limits (RFC 1035, 2.3.4) before Python's resolver breaks on them."""

from ipaddress import ip_address

_LONGEST_NAME = 253


def is_host(text: str) -> bool:
    """Return whether this is an IP address, or a name valid in DNS: labels of 1 to 63 bytes, at most 253 in all."""
    try:
        ip_address(text)
    except ValueError:
        return _is_name(text[:-1] if text.endswith(".") else text)
    return "%" not in text  # from 3.9 on Python takes a scope for part of an address


def _is_name(text: str) -> bool:
    if len(text) > _LONGEST_NAME or not text.isprintable() or any(char in text for char in " /\\@:?#[]%\"'<>"):
        return False
    try:
        return 0 < len(text.encode("idna")) <= _LONGEST_NAME
    except UnicodeError:  # an empty label, one of more than 63 bytes, or one that IDNA does not allow
        return False
