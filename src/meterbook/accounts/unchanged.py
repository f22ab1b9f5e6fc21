"""The argument of a change that was not given, where None says something else: that nothing is to stand there."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Unchanged(Enum):
    """The type of `SAME`."""

    same = "same"


SAME: Final = Unchanged.same
