"""Takes secrets out of text that is shown. MAAS itself echoes some: a 401 can carry the token's secret."""

from __future__ import annotations

import re
from urllib.parse import quote

from esxforge.maas.auth import ApiKey
from esxforge_target.runtime.visible import one_line

_CUT = "[secret]"
_USER_INFORMATION = re.compile(r"(?<=://)[^/\s@]+@")
_OAUTH_FIELD = re.compile(r"(oauth_(?:signature|token|consumer_key)\W{0,3}=\W{0,3})[^\s\"',&]+")
_LONGEST_SHOWN = 400


class Redactor:
    """Replaces the parts of one API key, as they are or percent-encoded, wherever they occur."""

    def __init__(self, key: ApiKey | None) -> None:
        parts = (key.secret, key.token, key.consumer) if key else ()
        written = {
            form for part in parts for form in (part, quote(part, safe=""), quote(quote(part, safe=""), safe=""))
        }
        # The longest first, so that a part that holds another one is not left in halves.
        self._secrets = sorted(written, key=lambda text: (-len(text), text))

    def clean(self, text: str) -> str:
        """The text without secrets, on one line; at most 400 long."""
        for secret in self._secrets:
            text = re.sub(re.escape(secret), _CUT, text, flags=re.IGNORECASE)
        text = _OAUTH_FIELD.sub(rf"\1{_CUT}", text)
        text = _USER_INFORMATION.sub(f"{_CUT}@", text)
        text = one_line(" ".join(text.split()))
        return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
