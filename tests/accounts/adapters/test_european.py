"""DEGIRO, Trading 212 and Trade Republic: the traps of European brokers' tables."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from accounts.domain.statements import CashBalance, Reference, Skipped
from tests.accounts.statement_files import drafts, format_of, items, lines, refusals, said

DUTCH = "Datum,Tijd,Valutadatum,Product,ISIN,Omschrijving,FX,Mutatie,,Saldo,,Order Id\n"
HEADINGS = [
    DUTCH,
    "Date,Time,Value date,Product,ISIN,Description,FX,Change,,Balance,,Order Id\n",
    "Datum,Uhrze.,Valutadatum,Produkt,ISIN,Beschreibung,FX,Änderung,,Saldo,,Order-ID\n",
    "Date,Heure,Date de,Produit,Code ISIN,Description,FX,Mouvements,,Solde,,ID Ordre\n",
    "Fecha,Hora,Fecha valor,Producto,ISIN,Descripción,Tipo,Variación,,Saldo,,ID Orden\n",
]
SHELL = "GB00BP6MXD84"


def degiro(*rows: tuple[str, str, str, str], heading: str = DUTCH) -> str:
    """Return an account statement of DEGIRO; a row is description, currency, amount, order."""
    made = [
        f'15-12-2023,16:55,15-12-2023,SHELL PLC,{SHELL},"{about}",,{currency},"{amount}",{currency},"10,00",{order}\n'
        for about, currency, amount, order in rows
    ]
    return heading + "".join(made)


class TestDegiro:
    @pytest.mark.parametrize("heading", HEADINGS)
    def test_is_known_by_the_shape_of_its_headings_in_any_language(self, heading):
        assert format_of(heading) == "degiro"

    @pytest.mark.parametrize(
        ("about", "kind"),
        [
            ("Koop 2 @ 33,9 EUR", "BUY"),
            ("Buy 2 SHELL PLC@33.9 EUR (GB00BP6MXD84)", "BUY"),
            ("Achat 2 SHELL@33,9 EUR (GB00BP6MXD84)", "BUY"),
            ("Kauf 2 zu je SHELL@33,9 EUR", "BUY"),
            ("Compra 2 SHELL@33,9 EUR", "BUY"),
            ("Verkoop 2 @ 33,9 EUR", "SELL"),
            ("Sell 2 SHELL@33.9 EUR", "SELL"),
            ("Vente 2 SHELL@33,9 EUR", "SELL"),
            ("Venda 2 SHELL@33,9 EUR", "SELL"),
        ],
    )
    def test_trades_are_read_out_of_their_description_in_any_language(self, about, kind):
        amount = "-67,80" if kind == "BUY" else "67.80"
        assert said(degiro((about, "EUR", amount, "o1")), "kind", "price", "cash") == [
            (kind, "33.9", amount.replace(",", ".").rstrip("0"))
        ]

    @pytest.mark.parametrize(
        ("about", "kind"),
        [
            ("Dividend", "DIVIDEND"),
            ("Dividende", "DIVIDEND"),
            ("Dividendbelasting", "TAX"),
            ("Impôts sur dividende", "TAX"),
            ("DEGIRO Transactiekosten en/of kosten van derden", "FEE"),
            ("Frais DEGIRO de courtage", "FEE"),
            ("Rente", "INTEREST"),
            ("Comissões de transação DEGIRO", "FEE"),
            ("iDEAL Deposit", "DEPOSIT"),
            ("Ingreso", "DEPOSIT"),
            ("FX Credit", "FX"),
            ("flatex terugstorting", "WITHDRAWAL"),
            ("Valuta Debitering", "FX"),
            ("Retirada Cambio de Divisa", "FX"),
            ("CrÃ©dito de divisa", "FX"),
            ("DEGIRO courtesy", "FEE"),
        ],
    )
    def test_what_moves_money_is_known_by_its_words(self, about, kind):
        amount = "-5,00" if kind in {"TAX", "FEE", "WITHDRAWAL"} and "courtesy" not in about else "5,00"
        assert [draft.kind for draft in drafts(degiro((about, "EUR", amount, "")))] == [kind]

    def test_decimals_with_a_comma_and_with_a_point_in_one_file_are_both_read(self):
        text = degiro(("Dividend", "EUR", "1.046,38", ""), ("Dividend", "EUR", "41.17", ""))
        assert said(text, "cash") == [("1046.38",), ("41.17",)]

    def test_pence_are_pounds(self):
        (line,) = lines(degiro(("Sell 4 AVIVA@560 GBX (GB00BPQY8M80)", "GBP", "22.40", "o")))
        assert (line.draft.price, line.draft.currency, line.hints.currency) == (Decimal("5.60"), "GBP", "GBX")

    def test_the_legs_of_an_exchange_share_a_group_and_an_order_cut_in_two_lines_is_joined(self):
        text = degiro(("Valuta Creditering", "USD", "22,60", "1a2b3c4d-5e6f-")) + ",,,,,,,,,,,7a8b\n"
        text += degiro(("Valuta Debitering", "EUR", "-21,04", "1a2b3c4d-5e6f-7a8b"), heading="")
        one, other = drafts(text)
        assert one.group == other.group is not None

    def test_sweeps_to_its_own_bank_are_passed_over(self):
        text = degiro(
            ("Degiro Cash Sweep Transfer", "EUR", "31,70", ""),
            ("Overboeking van uw geldrekening bij flatexDEGIRO Bank 31,70 EUR", "EUR", "", ""),
        )
        assert [item.code for item in items(text) if isinstance(item, Skipped)] == ["internal", "internal"]

    def test_a_split_is_two_rows_and_one_entry(self):
        text = degiro(
            ("STOCK SPLIT: Koop 40 @ 2,5 EUR", "EUR", "-100,00", ""), ("STOCK SPLIT: Verkoop 10 @ 10 EUR", "EUR", "100,00", "")
        )
        (draft,) = drafts(text)
        assert (draft.kind, draft.quantity, draft.cash, draft.data["ratio"]) == ("SPLIT", 30, 0, "4:1")

    def test_times_are_of_amsterdam_and_the_first_balance_is_the_last(self):
        found = items(degiro(("Dividend", "EUR", "1,00", "")))
        assert found[0].draft.occurred_at == datetime(2023, 12, 15, 15, 55, tzinfo=UTC)
        assert [item.cash for item in found if isinstance(item, CashBalance)] == [10]

    def test_what_is_not_known_or_contradicts_itself_is_refused(self):
        text = degiro(("Iets heel anders", "EUR", "1,00", ""), ("Koop 30 @ 22,4 EUR", "EUR", "-9999,99", ""))
        assert refusals(text) == [(2, "unknown_description"), (3, "contradicting_amount")]


T212 = (
    "Action,Time,ISIN,Ticker,Name,No. of shares,Price / share,Currency (Price / share),Exchange rate,Result,Currency (Result),"
    "Total,Currency (Total),Withholding tax,Currency (Withholding tax),Notes,ID,Currency conversion fee,"
    "Currency (Currency conversion fee)\n"
)


class TestTrading212:
    def test_a_price_in_another_currency_follows_from_the_total(self):
        text = (
            T212
            + 'Market buy,2023-12-18 14:30:03.613,US0378331005,AAPL,"Apple",2,100,USD,1.25,,EUR,161,EUR,,,,EOF1234567,1,EUR\n'
        )
        (draft,) = drafts(text)
        assert (draft.price, draft.cash, draft.fee, draft.currency) == (80, -161, 1, "EUR")
        assert (draft.data["stated_price"], draft.external_id) == ("100 USD", "EOF1234567")

    def test_pence_are_pounds(self):
        text = T212 + "Limit sell,2023-12-18 14:30:03,GB00BP6MXD84,SHEL,Shell,10,2500,GBX,1,,GBP,250,GBP,,,,EOF1234568,,\n"
        assert said(text, "kind", "price", "cash", "currency") == [("SELL", "25", "250", "GBP")]

    def test_a_row_of_the_later_layout_under_the_earlier_headings_is_read(self):
        text = (
            T212
            + 'Transfer out,2025-02-28 08:25:01,DE000A3GK2N1,XBTI,"Bitcoin",,EOF11111111111,40,2.5,EUR,1,0,EUR,100.00,EUR,,,,\n'
        )
        assert said(text, "kind", "quantity", "price") == [("TRANSFER_OUT", "-40", "2.5")]

    def test_a_split_is_two_rows_and_one_entry_and_half_a_one_is_refused(self):
        row = 'Stock split {},2025-03-24 07:24:24.{},CA46500E8678,ISOU,"IsoEnergy",,EOF222222222{},{},2,USD,1,0,EUR,80,EUR,,,,\n'
        close, opened = row.format("close", "095", "0", "40"), row.format("open", "104", "3", "10")
        (draft,) = drafts(T212 + close + opened)
        assert (draft.kind, draft.quantity, draft.data["ratio"]) == ("SPLIT", -30, "1:4")
        assert refusals(T212 + close) == [(2, "half_a_split")]

    def test_a_dividend_is_what_was_paid_and_a_tax_in_another_currency_is_told(self):
        text = (
            T212
            + "Dividend (Dividend),2023-12-27 12:05:25,US0378331005,AAPL,Apple,10,0.23,USD,Not available,,,1.80,EUR,0.35,USD,,,,\n"  # noqa: E501
        )
        (draft,) = drafts(text)
        assert (draft.kind, draft.cash, draft.tax, draft.data["withheld"]) == ("DIVIDEND", Decimal("1.80"), 0, "0.35 USD")


TR = (
    '"datetime","date","account_type","category","type","asset_class","name","symbol","shares","price","amount","fee","tax","currency",'
    '"original_amount","original_currency","fx_rate","description","transaction_id"\n'
)


def republic(kind: str, identity: str, *, at: str = "2026-03-06T10:20:05Z", **cells: str) -> str:
    """Return a transaction of Trade Republic."""
    names = ("asset_class", "name", "symbol", "shares", "price", "amount", "fee", "tax")
    inner = ",".join(f'"{cells.get(name, "")}"' for name in names)
    return f'"{at}","{at[:10]}","DEFAULT","CASH","{kind}",{inner},"EUR","","","","about","{identity}"\n'


class TestTradeRepublic:
    SHARE = {"asset_class": "STOCK", "symbol": "US0378331005", "name": "Apple"}

    def test_a_trade_costs_its_fee_beside_the_amount(self):
        text = TR + republic("BUY", "a", **self.SHARE, shares="2", price="25.5", amount="-51.00", fee="-1.00")
        assert said(text, "kind", "cash", "fee", "external_id") == [("BUY", "-52", "1", "a")]

    def test_dividends_that_were_canceled_and_booked_again_leave_the_last(self):
        paid = republic("DIVIDEND", "a", at="2025-07-17T09:43:05Z", **self.SHARE, amount="29.58", tax="-7.56")
        back = republic("DIVIDEND", "b", at="2026-03-28T12:17:08Z", **self.SHARE, amount="-29.58", tax="7.56")
        again = republic("DIVIDEND", "c", at="2026-03-28T12:44:58Z", **self.SHARE, amount="29.58", tax="-7.80")
        for text in (TR + paid + back + again, TR + again + back + paid):
            found = {line.draft.external_id: line for line in lines(text)}
            assert found["b"].reverses == Reference("trade_republic", "a")
            assert sum(line.draft.cash for line in found.values()) == Decimal("21.78")
        (alone, _) = sorted(lines(TR + back + again), key=lambda line: not line.takes_back)
        assert (alone.takes_back, alone.draft.cash) == (True, Decimal("-22.02"))

    def test_a_top_up_and_its_fee_are_two_entries(self):
        text = TR + republic("CUSTOMER_INPAYMENT", "a", amount="10.10", fee="-0.10")
        assert said(text, "kind", "cash", "external_id") == [("DEPOSIT", "10.1", "a"), ("FEE", "-0.1", "a/fee")]

    def test_a_tax_without_an_amount_is_a_tax_and_one_paid_back_its_opposite(self):
        text = (
            TR
            + republic("TAX_OPTIMIZATION", "a", amount="0.00", tax="-4.21")
            + republic("TAX_OPTIMIZATION", "b", amount="0", tax="4.21")
        )
        assert said(text, "kind", "cash") == [("TAX", "-4.21"), ("TAX", "4.21")]

    def test_coins_are_pairs_with_the_currency(self):
        text = TR + republic("BUY", "a", asset_class="CRYPTO", symbol="BTC", shares="0.000912", price="51206.14", amount="-46.70")
        assert lines(text)[0].instrument == "BTC/EUR:CRYPTO"

    def test_what_is_not_known_is_refused(self):
        assert refusals(TR + republic("MOON", "a", amount="5")) == [(2, "unknown_type")]
