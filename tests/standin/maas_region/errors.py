"""How a stand-in MAAS says no."""

from __future__ import annotations


class ApiError(Exception):
    """An answer with a status of 4xx or 5xx."""

    def __init__(self, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.content_type = content_type
