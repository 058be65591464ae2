"""What a check gives back, and how it says how far it is."""

from collections.abc import Callable
from dataclasses import dataclass

Step = Callable[[], None]
"""Called once for every row that was looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise: which (see the table in `integrity`), where, and what was seen."""

    code: str
    where: str
    detail: str
