"""What a member of an account may do."""

import enum


class Role(enum.IntEnum):
    """A member's role; a higher one may do all that a lower one may."""

    VIEWER = 10
    TRADER = 20
    OWNER = 30
