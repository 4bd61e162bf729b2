"""Why a host could not join vCenter, in plain words."""

from esxforge_target.runtime.errors import ForgeError


class VcenterError(ForgeError):
    """The host did not join vCenter. ``kind`` is vCenter's own name for the reason, where it gave one."""

    def __init__(self, message: str, hint: str = "", kind: str = "", status: int = 0) -> None:
        super().__init__(message, hint)
        self.kind = kind
        self.status = status
