"""A stateful fake ESXi: ESXi's commands, as strict as the real ones, over one directory. See SOURCES.md."""

from standin.esxi.errors import PowerLost
from standin.esxi.fake import FakeEsxi

__all__ = ["FakeEsxi", "PowerLost"]
