"""DEGIRO's account statements as they come in other languages, orders and ways of writing numbers."""

from decimal import Decimal

import pytest

from accounts.domain.statements import CashBalance, Skipped, StatementLine
from tests.accounts.adapters.test_european import DUTCH, degiro
from tests.accounts.statement_files import drafts, format_of, items, lines, said

GERMAN = "Datum,Uhrzeit,Valutadatum,Produkt,ISIN,Beschreibung,FX,Änderung,,Saldo,,Order-ID\n"
OTHERS = [
    GERMAN,
    "Data,Ora,Data Valore,Prodotto,ISIN,Descrizione,FX,Variazioni,,Saldo,,ID Ordine\n",
    "Data,Hora,Data Valor,Produto,ISIN,Descrição,FX,Mudança,,Saldo,,ID da Ordem\n",
    "Dato,Tid,Valørdato,Produkt,ISIN,Beskrivelse,FX,Ændring,,Saldo,,Ordre-ID\n",
    "Datum,Tid,Valutadatum,Produkt,ISIN,Beskrivning,FX,Förändring,,Saldo,,Order-id\n",
    "Data,Czas,Data waluty,Produkt,ISIN,Opis,FX,Zmiana,,Saldo,,ID zlecenia\n",
    "Datum,Čas,Datum valuty,Produkt,ISIN,Popis,FX,Změna,,Zůstatek,,ID objednávky\n",
    "Pvm,Aika,Arvopäivä,Tuote,ISIN,Kuvaus,FX,Muutos,,Saldo,,Tilausnumero\n",
]


class TestLanguages:
    @pytest.mark.parametrize("heading", OTHERS)
    def test_of_other_countries_have_other_headings(self, heading):
        assert format_of(degiro(("Dividend", "EUR", "1,00", ""), heading=heading)) == "degiro"

    @pytest.mark.parametrize(
        ("about", "currency", "amount", "expected"),
        [
            ("Kauf 8 zu je 21.45 EUR (IE00B4L5Y983)", "EUR", "-171.60", ("BUY", "8", "21.45")),
            ("Verkauf 1'200 zu je 3.5 CHF (IE00BKM4GZ66)", "CHF", "4'200.00", ("SELL", "-1200", "3.5")),
            ("Kauf 5 SHELL PLC@33,90 EUR (GB00BP6MXD84)", "EUR", "-169,50", ("BUY", "5", "33.9")),
            ("Acquisto 3 SHELL@33,9 EUR (GB00BP6MXD84)", "EUR", "-101,70", ("BUY", "3", "33.9")),
            ("Vendita 3 SHELL@33,9 EUR (GB00BP6MXD84)", "EUR", "101,70", ("SELL", "-3", "33.9")),
            ("Køb 3 SHELL@33,9 EUR (GB00BP6MXD84)", "EUR", "-101,70", ("BUY", "3", "33.9")),
            ("Nákup 3 SHELL@33,9 EUR (GB00BP6MXD84)", "EUR", "-101,70", ("BUY", "3", "33.9")),
            ("Osta 3 SHELL@33,9 EUR (GB00BP6MXD84)", "EUR", "-101,70", ("BUY", "3", "33.9")),
            ("Buy 1,250 SHELL PLC@2.5 EUR (GB00BP6MXD84)", "EUR", "-3125.00", ("BUY", "1250", "2.5")),
            ("Koop 1.250 @ 2,5 EUR", "EUR", "-3.125,00", ("BUY", "1250", "2.5")),
        ],
    )
    def test_name_units_and_price_in_their_own_manner(self, about, currency, amount, expected):
        assert said(degiro((about, currency, amount, "o")), "kind", "quantity", "price") == [expected]

    @pytest.mark.parametrize(
        ("about", "amount", "kind"),
        [
            ("Währungswechsel (Einbuchung)", "5,00", "FX"),
            ("Währungswechsel (Ausbuchung)", "-5,00", "FX"),
            ("Credito FX", "5,00", "FX"),
            ("Prelievo FX", "-5,00", "FX"),
            ("FX Withdrawal", "-5,00", "FX"),
            ("Ingreso Cambio de Divisa", "5,00", "FX"),
            ("Levantamento de divisa", "-5,00", "FX"),
            ("Opération de change - Débit", "-5,00", "FX"),
            ("Dividendensteuer", "-5,00", "TAX"),
            ("Ritenuta sul dividendo", "-5,00", "TAX"),
            ("Retención del dividendo", "-5,00", "TAX"),
            ("Udbytteskat", "-5,00", "TAX"),
            ("Utdelningsskatt", "-5,00", "TAX"),
            ("Podatek od dywidendy", "-5,00", "TAX"),
            ("Daň z dividendy", "-5,00", "TAX"),
            ("Osinkovero", "-5,00", "TAX"),
            ("Imposta italiana sulle transazioni finanziarie", "-5,00", "TAX"),
            ("Spanish Transaction Tax", "-5,00", "TAX"),
            ("London/Dublin Stamp Duty", "-5,00", "TAX"),
            ("Udbytte", "5,00", "DIVIDEND"),
            ("Utdelning", "5,00", "DIVIDEND"),
            ("Dywidenda", "5,00", "DIVIDEND"),
            ("Dividenda", "5,00", "DIVIDEND"),
            ("Osinko", "5,00", "DIVIDEND"),
            ("Kapitalrückzahlung", "5,00", "RETURN_OF_CAPITAL"),
            ("Rendimiento de capital", "5,00", "RETURN_OF_CAPITAL"),
            ("Capital return", "5,00", "RETURN_OF_CAPITAL"),
            ("DEGIRO Transaktionsgebühren und/oder Fremdkosten", "-5,00", "FEE"),
            ("Einrichtung von Handelsmodalitäten 2026 (Euronext Paris)", "-2,50", "FEE"),
            ("ADR/GDR Weitergabegebühr", "-5,00", "FEE"),
            ("SOFORT Zahlungsgebühr", "-1,00", "FEE"),
            ("Rabatt für Aktion", "4,00", "FEE"),
            ("Costi di transazione DEGIRO e/o costi di terze parti", "-5,00", "FEE"),
            ("Flatex Interest", "-0,50", "INTEREST"),
            ("Interessi", "-0,50", "INTEREST"),
            ("flatex Einzahlung", "5,00", "DEPOSIT"),
            ("Soforteinzahlung", "5,00", "DEPOSIT"),
            ("flatex Deposit", "5,00", "DEPOSIT"),
            ("Deposito flatex", "5,00", "DEPOSIT"),
            ("Versement de fonds", "5,00", "DEPOSIT"),
            ("Insättning", "5,00", "DEPOSIT"),
            ("Indbetaling", "5,00", "DEPOSIT"),
            ("Wpłata", "5,00", "DEPOSIT"),
            ("Vklad", "5,00", "DEPOSIT"),
            ("Talletus", "5,00", "DEPOSIT"),
            ("Prelievo flatex", "-5,00", "WITHDRAWAL"),
            ("Auszahlung", "-5,00", "WITHDRAWAL"),
            ("Processed Flatex Withdrawal", "-5,00", "WITHDRAWAL"),
        ],
    )
    def test_have_words_of_their_own(self, about, amount, kind):
        assert said(degiro((about, "EUR", amount, "")), "kind", "cash") == [
            (kind, amount.replace(",00", "").replace(",50", ".5").replace(",", "."))
        ]

    @pytest.mark.parametrize(
        "about",
        [
            "Überweisung auf Ihr Geldkonto bei der flatexDEGIRO Bank: 31,70 EUR",
            "Auszahlung von Ihrem Geldkonto bei der flatexDEGIRO Bank: 31,70 EUR",
            "Trasferisci dal tuo Conto Corrente presso flatexDEGIRO Bank: 31,70 EUR",
            "Transferir desde su Cuenta de Efectivo en flatexDEGIRO Bank: 31,70 EUR",
            "Transfer to your Cash Account at flatexDEGIRO Bank: 31.70 EUR",
            "Przelew z konta gotówkowego w flatexDEGIRO Bank: 31,70 EUR",
        ],
    )
    def test_pass_over_what_moves_between_the_account_and_its_bank(self, about):
        assert [item.code for item in items(degiro((about, "EUR", "", ""))) if isinstance(item, Skipped)] == ["internal"]


class TestCorporateActions:
    def test_that_change_the_product_are_a_split_of_one_number_and_a_merger_of_two(self):
        other = degiro(("FUSION: Kauf 4 zu je 10 EUR (GB00BP6MXD84)", "EUR", "-40,00", "")) + degiro(
            ("FUSION: Verkauf 8 zu je 5 EUR (DE0007164600)", "EUR", "40,00", ""), heading=""
        ).replace("GB00BP6MXD84,", "DE0007164600,")
        assert said(other, "kind", "quantity", "cash") == [("MERGER", "4", "-40"), ("MERGER", "-8", "40")]
        same = degiro(
            ("AKTIENSPLIT: Kauf 40 zu je 2,5 EUR (GB00BP6MXD84)", "EUR", "-100,00", ""),
            ("AKTIENSPLIT: Verkauf 10 zu je 10 EUR (GB00BP6MXD84)", "EUR", "100,00", ""),
        )
        assert said(same, "kind", "quantity", "cash") == [("SPLIT", "30", "0")]

    def test_that_cost_money_are_purchases(self):
        text = degiro(("KAPITALERHÖHUNG: Kauf 10 zu je 5 EUR (GB00BP6MXD84)", "EUR", "-50,00", ""))
        assert said(text, "kind", "quantity", "cash") == [("BUY", "10", "-50")]

    def test_that_end_a_share_for_nothing_or_for_money_are_sales(self):
        for amount, cash in (("0,00", "0"), ("20,00", "20")):
            text = degiro((f"DELISTING: Verkauf 10 zu je {'2' if cash == '20' else '0'} EUR (GB00BP6MXD84)", "EUR", amount, ""))
            assert said(text, "kind", "quantity", "cash") == [("SELL", "-10", cash)]


class TestOrder:
    def test_of_rows_may_be_turned_round_and_the_last_balance_stays_the_last(self):
        def row(day, time, balance):
            return f'{day},{time},{day},,,iDEAL Deposit,,EUR,"1,00",EUR,"{balance}",\n'

        newest_first = [
            row("16-12-2023", "10:00", "3,00"),
            row("15-12-2023", "11:00", "2,00"),
            row("15-12-2023", "10:00", "1,00"),
        ]
        for rows in (newest_first, newest_first[::-1]):
            found = items(DUTCH + "".join(rows))
            assert [item.cash for item in found if isinstance(item, CashBalance)] == [3]
            assert len([item for item in found if isinstance(item, StatementLine)]) == 3

    def test_amounts_of_a_swiss_account_have_apostrophes(self):
        (draft,) = drafts(degiro(("Dividende", "CHF", "1'046.38", "")))
        assert (draft.cash, draft.currency) == (Decimal("1046.38"), "CHF")

    def test_dividends_booked_back_take_back_the_one_that_was_paid(self):
        rows = [
            '17-12-2023,09:00,16-12-2023,SHELL PLC,GB00BP6MXD84,Dividend,,EUR,"4,00",EUR,"4,00",\n',
            '17-12-2023,08:00,16-12-2023,SHELL PLC,GB00BP6MXD84,Dividend,,EUR,"-5,00",EUR,"0,00",\n',
            '15-12-2023,08:00,15-12-2023,SHELL PLC,GB00BP6MXD84,Dividend,,EUR,"5,00",EUR,"5,00",\n',
        ]
        found = lines(DUTCH + "".join(rows))
        assert sum(line.draft.cash for line in found) == 4
        assert [line.reverses is not None for line in sorted(found, key=lambda line: line.number)] == [False, True, False]
