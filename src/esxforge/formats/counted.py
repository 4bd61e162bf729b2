"""Numbers with their nouns, as people write them."""


def counted(number: int, noun: str) -> str:
    """``1 notice``, ``2 notices``, ``no notices``."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
