"""The refused lines of a file go back to whoever sent it, as they were but for what a spreadsheet would run."""

import pytest

from accounts.adapters.base import StatementFile
from accounts.adapters.leftovers import harmless, refused_lines
from accounts.domain.fates import Fate, Fates
from accounts.domain.statements import Refusal, Skipped, StatementLine
from tests.accounts.statement_files import items


@pytest.mark.parametrize(
    ("delimiter", "raw"),
    [
        (",", "04/05/2024,Buy,ACME,-1.50,--,+5,-\n"),
        (";", "-1.234,56;-€ 5,00;(1,234.50);\u22125.00;-0,5 %;-12 USD\n"),
        (",", '\'=1,Acme (A=B),a@b.example,x-y,"-1,234.50"\n'),
        ("\t", "-$1.00\t-1'000.50\t5-\n"),
        (",", 'a,2024-01-02,"{""a"": [1, -5], ""b"": ""=1""}"\n'),
    ],
    ids=["signs", "european", "texts", "tabs", "json"],
)
def test_numbers_and_plain_texts_stay(delimiter, raw):
    assert harmless(raw, delimiter) == raw


@pytest.mark.parametrize(
    ("delimiter", "raw", "told"),
    [
        (",", "=1+1,x\n", "'=1+1,x\n"),
        (",", 'x,"=HYPERLINK(""https://example.com"")"\n', 'x,"\'=HYPERLINK(""https://example.com"")"\n'),
        (";", "x;@SUM(A1);-2+3+cmd\n", "x;'@SUM(A1);'-2+3+cmd\n"),
        (",", '"\n=1",2\n', '"\'\n=1",2\n'),
        (",", '"=never closed\n', "\"'=never closed\n"),
        ("\t", " \xa0=1\t+A1\n", "' \xa0=1\t'+A1\n"),
        (",", "\uff1d1,\u22125+A1\n", "'\uff1d1,'\u22125+A1\n"),
    ],
)
def test_a_formula_gets_an_apostrophe(delimiter, raw, told):
    assert harmless(raw, delimiter) == told


def test_a_file_of_refused_lines_holds_none():
    file = StatementFile(b"Date,Note,Amount\n2024-01-02,=A1,-5\n2024-01-03,good,1\n")
    fates = Fates()
    fates.note(2, Fate.REFUSED)
    fates.note(3, Fate.POSTED)
    assert refused_lines(file, {2}, fates).decode() == "Date,Note,Amount\n2024-01-02,'=A1,-5\n"


PAIRS = {
    "schwab redemption": '"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"\n'
    '"06/07/2024","Full Redemption Adj","912797JR9","T","","","","$10000.00"\n'
    '"06/07/2024","Full Redemption","912797JR9","T","-10000","","",""\n',
    "schwab reverse split": '"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"\n'
    '"05/31/2024","Reverse Split","SMLC","SMALLCO","10","","",""\n'
    '"05/31/2024","Reverse Split","12345A107","SMALLCO","-100","","",""\n',
    "robinhood reverse split": '"Activity Date","Process Date","Settle Date","Instrument","Description","Trans Code","Quantity",'
    '"Price","Amount"\n'
    '"6/10/2024","6/10/2024","6/10/2024","AMC","AMC","SPR","10","",""\n'
    '"6/10/2024","6/10/2024","6/10/2024","AMC","AMC","SPR","100S","",""\n',
    "fidelity reverse split": "Run Date,Action,Symbol,Description,Type,Price ($),Quantity,Commission ($),Fees ($),"
    "Accrued Interest ($),Amount ($),Settlement Date\n"
    "03/27/2025,REVERSE SPLIT R/S FROM 12345A107#REOR M0051720310001 SMALLCO (SMLC) (Cash),SMLC,S,Cash,,10,,,,,\n"
    "03/27/2025,REVERSE SPLIT R/S TO 12345A206#REOR M0051720310000 SMALLCO (12345A107) (Cash),12345A107,S,Cash,,-100,,,,,\n",
    "trading 212 split": "Action,Time,ISIN,Ticker,Name,No. of shares,Price / share,Currency (Price / share),Exchange rate,Total,"
    "Currency (Total),ID\n"
    "Stock split open,2024-06-10 08:00:00,US67066G1040,NVDA,Nvidia,10,120.00,USD,1.27,944.88,GBP,S1\n"
    "Stock split close,2024-06-10 08:00:00,US67066G1040,NVDA,Nvidia,1,1200.00,USD,1.27,944.88,GBP,S2\n",
    "degiro split": "Date,Time,Value date,Product,ISIN,Description,FX,Change,,Balance,,Order Id\n"
    '26-06-2024,10:00,26-06-2024,NVIDIA,US67066G1040,"STOCK SPLIT: Sell 1 NVIDIA@1200 USD (US67066G1040)",,USD,1200,USD,1200,\n'
    '26-06-2024,10:00,26-06-2024,NVIDIA,US67066G1040,"STOCK SPLIT: Buy 10 NVIDIA@120 USD (US67066G1040)",,USD,-1200,USD,0,a-\n'
    ",,,,,,,,,,,b\n",
    "alpaca split": "id,activity_type,date,symbol,qty,net_amount,transaction_time,side,order_id,price\n"
    "1,SPLIT,2024-07-02,NVDA,-10,0,,,,\n2,SPLIT,2024-07-02,NVDA,100,0,,,,\n",
    "interactive brokers split": '"ClientAccountID","CurrencyPrimary","AssetClass","Symbol","Conid","ISIN","ActionDescription",'
    '"ReportDate","DateTime","Quantity","Proceeds","Value","TransactionID","ActionID"\n'
    '"U7","USD","STK","GCM","1","","GCM(CA3611921025) SPLIT 1 FOR 25 (GCM, G, CA38501D1033)","20240618","20240617","4","0","0",'
    '"8","5"\n'
    '"U7","USD","STK","GCM.OLD","2","","GCM(CA3611921025) SPLIT 1 FOR 25 (GCM.OLD, GRAN, CA3611921025)","20240618","20240617",'
    '"-100","0","0","9","5"\n',
}


@pytest.mark.parametrize("name", PAIRS)
def test_rows_that_another_one_says_are_not_sent_again_alone(name):
    """The half of a split, or the units that were paid for, would be taken for something else."""
    fates = Fates()
    for item in items(PAIRS[name]):
        fate = {StatementLine: Fate.POSTED, Refusal: Fate.REFUSED, Skipped: Fate.SKIPPED}.get(type(item))
        if fate:
            fates.note(item.number if isinstance(item, StatementLine) else item.line, fate)
    left = refused_lines(StatementFile(PAIRS[name].encode()), (), fates).decode()
    assert left == PAIRS[name].split("\n")[0] + "\n"
    assert [fate for _, _, fate in fates.runs()].count("posted") == 1
