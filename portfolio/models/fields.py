"""Column types of derived figures: wider than those of the ledger, since products and sums of large entries must fit."""

from typing import Any

from marketdata.models.fields import FiniteDecimalField


class UnitsField(FiniteDecimalField):
    """Units held: 12 places, as in the ledger, and room for splits before the point."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 60, "decimal_places": 12} | kwargs)


class AmountField(FiniteDecimalField):
    """An amount of money: 10 places, as in the ledger, and room for any product before the point."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 60, "decimal_places": 10} | kwargs)


class IndexField(FiniteDecimalField):
    """A chained index that starts at 1: 18 places, the rounding of each day."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 60, "decimal_places": 18} | kwargs)


class RatioField(FiniteDecimalField):
    """A fraction such as a return: 12 places; null where it is not defined."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 60, "decimal_places": 12, "null": True} | kwargs)
