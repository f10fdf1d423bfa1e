"""The few column types of the house: identifiers, quantities, money, prices and rates."""

from decimal import Decimal
from typing import Any

from django.core import exceptions
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from uuid_utils.compat import uuid7


class UUIDv7Field(models.UUIDField):
    """A primary key made by us, in the order of creation, so that it may be known before the row is written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **dict[str, Any](primary_key=True, default=uuid7, editable=False) | kwargs)


class FiniteDecimalField(models.DecimalField):
    """A decimal that is a number: NaN and the infinities are refused here and, whoever writes, by the database."""

    def to_python(self, value: Any) -> Decimal | None:
        """Return the value as a finite decimal.

        :raises ValidationError: if it is none
        """
        number = super().to_python(value)
        if number is not None and not number.is_finite():
            raise exceptions.ValidationError(self.error_messages["invalid"], code="invalid", params={"value": value})
        return number

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return the value as it is written; expressions pass, the column's own check meets them."""
        if isinstance(value, Decimal | float):
            value = self.to_python(value)
        return super().get_db_prep_save(value, connection)

    def db_check(self, connection: BaseDatabaseWrapper) -> str:
        """Return the check that every such column carries: a numeric column would store NaN."""
        return f"{connection.ops.quote_name(str(self.column))} <> 'NaN'"


class QuantityField(FiniteDecimalField):
    """Units of an instrument: 12 digits before the point, 12 after, so a crypto fraction fits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 24, "decimal_places": 12} | kwargs)


class MoneyField(FiniteDecimalField):
    """An amount of money: 15 digits before the point, 10 after."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 25, "decimal_places": 10} | kwargs)


class PriceField(FiniteDecimalField):
    """The price of one unit: 15 digits before the point, 10 after."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 25, "decimal_places": 10} | kwargs)


class RateField(FiniteDecimalField):
    """Units of one currency for one unit of another: 12 digits before the point, 12 after."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 24, "decimal_places": 12} | kwargs)


class WeightField(FiniteDecimalField):
    """A share of a whole, from 0 to 1: six places."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 7, "decimal_places": 6} | kwargs)


class ShareField(FiniteDecimalField):
    """A bound on a ratio: six places, and room for a profit factor of thousands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 12, "decimal_places": 6} | kwargs)
