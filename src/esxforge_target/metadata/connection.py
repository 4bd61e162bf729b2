"""The TCP connection to MAAS, by the addresses that are known of it or by its name.

A host whose network was just changed may have no name server, and ``getaddrinfo`` knows no limit of time. So the
addresses that the hook found for the name come first (the firewall is opened for these, too), and a thread looks the
name up, which is left behind where it hangs.
"""

import socket
import threading
import time
from typing import List, Optional

from esxforge_target.contract.endpoint import Endpoint


class Connection:
    """Remembers which address answered, so that one that is dead costs time only once."""

    def __init__(self) -> None:
        self._last = ""

    def connect(self, endpoint: Endpoint, timeout: float) -> socket.socket:
        """A connection, in about ``timeout`` seconds for all that is tried.

        Raises OSError (a ConnectionError where anybody refused), and ValueError for a name that cannot be one.
        """
        end = time.monotonic() + timeout
        known = [address for address in endpoint.addresses if address != self._last]
        if self._last:
            known.insert(0, self._last)
        failures = []  # type: List[OSError]
        by_name = endpoint.host not in known
        # The name gets the share of one more address.
        found = self._first(known, endpoint.port, end, failures, 1 if by_name else 0)
        if found is None and by_name:
            found = self._by_name(endpoint, known, end, failures)
        if found is not None:
            return found
        raise next((one for one in failures if isinstance(one, ConnectionError)), failures[0])

    def _by_name(
        self, endpoint: Endpoint, known: "List[str]", end: float, failures: "List[OSError]"
    ) -> "Optional[socket.socket]":
        try:
            addresses = look_up(endpoint.host, endpoint.port, max(end - time.monotonic(), 0.0))
        except OSError as error:
            failures.append(error)
            return None
        return self._first([one for one in addresses if one not in known], endpoint.port, end, failures)

    def _first(
        self, addresses: "List[str]", port: int, end: float, failures: "List[OSError]", more: int = 0
    ) -> "Optional[socket.socket]":
        """The first connection that comes about. Each address gets its share of the time, as do ``more`` after them."""
        for number, address in enumerate(addresses):
            share = (end - time.monotonic()) / (len(addresses) - number + more)
            try:
                found = open_socket(address, port, max(share, 0.1))
            except OSError as error:
                failures.append(error)
            else:
                self._last = address
                return found
        return None


def open_socket(address: str, port: int, seconds: float) -> socket.socket:
    """A connection to one address. Raises OSError."""
    found = socket.create_connection((address, port), seconds)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def look_up(name: str, port: int, seconds: float) -> "List[str]":
    """The addresses of a name, or the address that it is. Raises OSError, also where ``seconds`` are over."""
    found = []  # type: List[str]
    failures = []  # type: List[Exception]

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            failures.append(error)
        else:
            found.extend(str(answer[4][0]) for answer in answers)

    thread = threading.Thread(target=ask)
    thread.daemon = True  # a look-up that hangs must not keep the process
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not found:
        reason = "its name was not looked up within {:g} seconds".format(round(seconds, 1))
        raise socket.gaierror(socket.EAI_AGAIN, reason)
    return sorted(set(found), key=found.index)
