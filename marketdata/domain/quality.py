"""The rules that prices keep: a name, a severity, a description and a check over many rows at once."""

import enum


class Severity(enum.StrEnum):
    """How bad a broken rule is: an ERROR keeps the row out, a WARNING lets it in, both are told."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    INFO = "INFO"


class Dataset(enum.StrEnum):
    """The kinds of rows that have rules."""

    BARS = "bars"
    QUOTES = "quotes"
    FX_RATES = "fx_rates"
