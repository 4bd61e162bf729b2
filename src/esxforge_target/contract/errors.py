"""The error of a contract that is not kept."""

from esxforge_target.runtime.errors import FormatError


class ContractError(FormatError):
    """A document, endpoint or token that one program hands to another does not fit. It repeats no secret."""
