"""The one file that holds secrets: this machine's token for MAAS, and the kickstart's line with root's password."""

from typing import Any

from esxforge_target.contract.document import read_document, write_document
from esxforge_target.contract.errors import ContractError
from esxforge_target.contract.names import ROOT_PASSWORD_PREFIX
from esxforge_target.contract.secret_sectors import is_overwritten
from esxforge_target.contract.token import Token
from esxforge_target.formats.stored_gzip import ALIGNMENT
from esxforge_target.runtime.documents import ONE_LINE, Schema, Shape
from esxforge_target.runtime.values import Value


class _TokenParts(Value):
    __slots__ = ("consumer_key", "token_key", "token_secret")

    def __init__(self, consumer_key: str, token_key: str, token_secret: str) -> None:
        self.consumer_key = consumer_key
        self.token_key = token_key
        self.token_secret = token_secret

    def __repr__(self) -> str:
        return "_TokenParts(…)"


class _Document(Value):
    __slots__ = ("maas", "rootpw")

    def __init__(self, maas: _TokenParts, rootpw: str) -> None:
        self.maas = maas
        self.rootpw = rootpw

    def __repr__(self) -> str:
        return "_Document(…)"


_PART = Shape(str, low=1, high=4096)
_SCHEMA = {
    _TokenParts: {"consumer_key": _PART, "token_key": _PART, "token_secret": _PART},
    _Document: {"maas": Shape(_TokenParts), "rootpw": Shape(str, form=ONE_LINE, high=4096)},
}  # type: Schema


class Secrets:
    """``root_password`` is a ``rootpw`` command of the kickstart, or "" where a captured disk keeps its own."""

    __slots__ = ("root_password", "token")

    def __init__(self, token: Token, root_password: str) -> None:
        self.token = token
        self.root_password = root_password

    @property
    def root_hash(self) -> str:
        """Root's password as a crypt(3) hash; "" where the line gives none."""
        line = self.root_password
        return line[len(ROOT_PASSWORD_PREFIX) :].strip() if line.startswith(ROOT_PASSWORD_PREFIX) else ""

    def to_bytes(self) -> bytes:
        """The document, filled up with blanks to whole sectors of 4096 bytes."""
        text = write_document(_Document(_TokenParts(*self.token.parts()), self.root_password)).encode("ascii")
        return text + b" " * (-len(text) % ALIGNMENT)

    @staticmethod
    def from_bytes(data: bytes) -> "Secrets":
        """Raises ContractError, also for secrets that were overwritten; it repeats nothing of them."""
        if is_overwritten(data):
            raise ContractError(
                "This deployment's secrets were used by an earlier start of the installer and are overwritten.",
                "The machine lost its power, or was restarted, while ESXi was being installed. Deploy it again.",
            )
        document = read_document(data.decode("ascii", "replace"), _Document, _SCHEMA, "secrets.json", secret=True)
        parts = document.maas
        return Secrets(Token(parts.consumer_key, parts.token_key, parts.token_secret), document.rootpw)

    def __repr__(self) -> str:
        return "Secrets(…)"

    def __reduce__(self) -> Any:
        raise TypeError("secrets are not written anywhere by pickling them")
