"""Column types of orders: what must hold any product of a quantity and a price to the last digit."""

from typing import Any

from marketdata.models.fields import FiniteDecimalField


class ExactField(FiniteDecimalField):
    """A sum of quantities times prices: 22 places, those of both together, so that nothing is rounded away."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 60, "decimal_places": 22} | kwargs)
