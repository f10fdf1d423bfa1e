"""What the tables refuse, whoever writes: each constraint is broken past all Python, and named."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, ProgrammingError, connection, transaction
from django.db.models import F

from marketdata.models import Bar, FxRate, Instrument, Quote, Tick
from tests.factories import LONG_AGO, make_instrument, unique_symbol

MIDNIGHT = datetime(2024, 1, 2, tzinfo=UTC)
LOOK_ALIKES = ["\uff21APL", "AA\u200bPL", "\u0410APL", "\u202eAAPL", "aapl", "=CMD", "A B", "A\n", "", ".A"]


def insert(model, **values):
    """Insert a row with plain SQL, as somebody with psql would."""
    columns = [model._meta.get_field(name).column for name in values]
    named = ", ".join(f'"{column}"' for column in columns)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT marketdata_add_day(dataset, '2024-01-02') FROM unnest(array['quotes', 'ticks']) AS dataset")
        cursor.execute(
            f"INSERT INTO {model._meta.db_table.removesuffix('_keyed')} ({named}) VALUES ({', '.join(['%s'] * len(values))})",
            list(values.values()),
        )


def bar(instrument, **changes):
    prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(10))
    return {"instrument": instrument.pk, "timeframe": "1d", "timestamp": MIDNIGHT, "recorded_at": LONG_AGO} | prices | changes


def quote(instrument, **changes):
    return {"instrument": instrument.pk, "timestamp": MIDNIGHT, "bid": 1, "ask": 2, "recorded_at": LONG_AGO} | changes


def tick(instrument, **changes):
    made = {"instrument": instrument.pk, "timestamp": MIDNIGHT, "price": 1, "size": 2, "recorded_at": LONG_AGO}
    return made | changes


def rate(**changes):
    return {"base": "EUR", "quote": "USD", "date": date(1999, 1, 4), "rate": 1, "recorded_at": LONG_AGO} | changes


def listed(**changes):
    blank = dict.fromkeys(("name", "isin", "figi", "right"), "")
    named = {"id": Instrument().pk, "symbol": unique_symbol(), "exchange": "XTST", "asset_class": "EQUITY", "currency": "USD"}
    return blank | named | {"multiplier": 1, "active": True} | changes


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"low": 11}, "bar_lies_between_low_and_high"),
        ({"high": 9}, "bar_lies_between_low_and_high"),
        ({"close": Decimal("10.0000000001")}, "bar_lies_between_low_and_high"),
        ({"timeframe": "2d"}, "bar_timeframe_is_known"),
        ({"timestamp": datetime(2024, 1, 2, 5, tzinfo=UTC)}, "bar_starts_on_its_grid"),
        ({"timeframe": "5m", "timestamp": datetime(2024, 1, 2, 5, 4, tzinfo=UTC)}, "bar_starts_on_its_grid"),
        ({"volume": -1}, "bar_volume_not_negative"),
        ({"trade_count": -1}, "bar_trade_count_not_negative"),
        ({"vwap": Decimal("NaN")}, "marketdata_bar_vwap_check"),
        ({"volume": Decimal("NaN")}, "marketdata_bar_volume_check"),
    ],
)
def test_a_bar_keeps_its_rules(changes, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        insert(Bar, **bar(make_instrument(), **changes))


def test_a_bar_is_kept_once():
    instrument = make_instrument()
    insert(Bar, **bar(instrument))
    with pytest.raises(IntegrityError, match="bar_once"):
        insert(Bar, **bar(instrument, close=Decimal(10)))


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("1e15")])
def test_no_price_is_anything_but_a_number_that_fits(name, value):
    with pytest.raises((IntegrityError, DataError)):
        insert(Bar, **bar(make_instrument(), **{name: value}))


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), float("nan")])
def test_the_fields_refuse_what_is_no_number_before_the_database_does(value):
    with pytest.raises(ValidationError):
        Bar.objects.create(**bar(make_instrument()) | {"instrument": make_instrument(), "open": value})


def test_an_expression_is_left_to_the_database():
    instrument = make_instrument()
    insert(Bar, **bar(instrument))
    Bar.objects.filter(instrument=instrument).update(high=F("high") + 1)
    assert Bar.objects.get(instrument=instrument).high == 11


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"bid": 0}, "bid_positive_and_not_above_ask"),
        ({"bid": 3}, "bid_positive_and_not_above_ask"),
        ({"bid_size": -1}, "bid_size_not_negative"),
        ({"ask_size": -1}, "ask_size_not_negative"),
        ({"ask": Decimal("NaN")}, "marketdata_quote_ask_check"),
    ],
)
def test_a_quote_keeps_its_rules(changes, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        insert(Quote, **quote(make_instrument(), **changes))


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"size": -1}, "tick_size_not_negative"),
        ({"size": Decimal("NaN")}, "tick_size_not_negative"),
        ({"price": Decimal("NaN")}, "marketdata_tick_price_check"),
    ],
)
def test_a_tick_keeps_its_rules(changes, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        insert(Tick, **tick(make_instrument(), **changes))


@pytest.mark.parametrize(("model", "row"), [(Quote, quote), (Tick, tick)])
def test_quotes_and_ticks_are_kept_once(model, row):
    values = row(make_instrument())
    insert(model, **values)
    with pytest.raises(IntegrityError, match="_pkey"):
        insert(model, **values)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"rate": 0}, "fx_rate_is_positive"),
        ({"rate": Decimal("NaN")}, "marketdata_fxrate_rate_check"),
        ({"quote": "EUR"}, "fx_currencies_differ"),
        ({"base": "eur"}, "fx_base_is_iso_4217"),
        ({"quote": "US1"}, "fx_quote_is_iso_4217"),
    ],
)
def test_a_rate_keeps_its_rules(changes, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        insert(FxRate, **rate(**changes))


@pytest.mark.parametrize("symbol", LOOK_ALIKES, ids=ascii)
def test_no_look_alike_gets_into_the_table(symbol):
    with pytest.raises(IntegrityError, match="symbol_is_plain_ascii"):
        insert(Instrument, **listed(symbol=symbol))


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"exchange": "nas"}, "exchange_is_a_mic"),
        ({"currency": "usd"}, "instrument_currency_is_iso_4217"),
        ({"asset_class": "TULIP"}, "asset_class_is_known"),
        ({"isin": "US03783310"}, "isin_is_well_formed"),
        ({"figi": "BBG"}, "figi_is_well_formed"),
        ({"multiplier": 0}, "multiplier_is_positive"),
        ({"tick_size": 0}, "tick_is_positive"),
        ({"strike": 1}, "option_has_expiry_strike_and_right"),
        ({"asset_class": "OPTION"}, "option_has_expiry_strike_and_right"),
        ({"asset_class": "OPTION", "expiry": date(2024, 1, 19), "right": "CALL"}, "option_has_expiry_strike_and_right"),
    ],
)
def test_an_instrument_keeps_its_rules(changes, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        insert(Instrument, **listed(**changes))


def test_a_whole_option_goes_in():
    insert(Instrument, **listed(asset_class="OPTION", expiry=date(2024, 1, 19), right="CALL", strike=150))


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (Instrument(symbol="aapl", exchange="XNAS", asset_class="EQUITY", currency="USD"), "symbol"),
        (Instrument(symbol="TOOLONG", exchange="XNAS", asset_class="EQUITY", currency="USD"), "symbol"),
        (Instrument(symbol="A", exchange="XNAS", asset_class="EQUITY", currency="ZZZ"), "currency"),
        (Instrument(symbol="A", exchange="XNAS", asset_class="EQUITY", currency="USD", isin="US0378331006"), "isin"),
        (Instrument(symbol="A", exchange="XNAS", asset_class="OPTION", currency="USD"), "strike"),
        (Bar(open=10, high=9, low=8, close=9), "open"),
        (Quote(bid=-1, ask=2), "bid"),
        (Quote(bid=3, ask=2), "ask"),
        (FxRate(base="EUR", quote="EUR", rate=1), "quote"),
        (FxRate(base="EUR", quote="USD", rate=-1), "rate"),
        (FxRate(base="EUR", quote="XXX", rate=1), "quote"),
    ],
)
def test_the_models_name_the_field_that_is_wrong(record, field):
    with pytest.raises(ValidationError) as refusal:
        record.full_clean(validate_unique=False, validate_constraints=False)
    assert field in refusal.value.message_dict


@pytest.mark.parametrize("table", ["bar", "quote", "tick", "fxrate", "instrument", "pricehistory", "corporateaction"])
def test_the_runtime_role_may_not_empty_a_table(table):
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE marketdata_{table} CASCADE")
