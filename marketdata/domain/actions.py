"""What companies do to their shares."""

import enum


class ActionKind(enum.StrEnum):
    """What happens to the holders of an instrument on its ex-date."""

    SPLIT = "SPLIT"
    CASH_DIVIDEND = "CASH_DIVIDEND"
    STOCK_DIVIDEND = "STOCK_DIVIDEND"
    SPIN_OFF = "SPIN_OFF"
    MERGER = "MERGER"
    SYMBOL_CHANGE = "SYMBOL_CHANGE"
    DELISTING = "DELISTING"
