"""Flex queries of Interactive Brokers as tests write them."""

from tests.factories import unique_symbol
from tests.portfolio.rich import own_isin


def flex(*elements: str, account: str = "U7", base: str = "EUR") -> str:
    """Return a statement of one account."""
    about = f'<AccountInformation accountId="{account}" currency="{base}"/>'
    inner = "\n".join(elements)
    return (
        '<FlexQueryResponse queryName="q" type="AF">\n<FlexStatements count="1">\n'
        f'<FlexStatement accountId="{account}" fromDate="20240101" toDate="20241231">\n{about}\n{inner}\n'
        "</FlexStatement></FlexStatements></FlexQueryResponse>"
    )


def element(name: str, defaults: dict[str, str], changes: dict[str, str]) -> str:
    """Return an element with its usual attributes, some of which are others."""
    return f"<{name} " + " ".join(f'{key}="{value}"' for key, value in (defaults | changes).items()) + "/>"


def new_trade(**changes: str) -> str:
    """Return a purchase as `trade` does, of an instrument that nobody else has."""
    return trade(**{"symbol": unique_symbol(), "isin": own_isin(), "listingExchange": "IBIS", **changes})


def trade(**changes: str) -> str:
    """Return a purchase of ten shares at 20 for a commission of 1."""
    usual = {
        "accountId": "U7",
        "currency": "USD",
        "fxRateToBase": "0.9",
        "assetCategory": "STK",
        "symbol": "ACME",
        "conid": "11",
        "isin": "US0378331005",
        "listingExchange": "NYSE",
        "multiplier": "1",
        "tradeID": "501",
        "dateTime": "20240304;093000",
        "tradeDate": "20240304",
        "transactionType": "ExchTrade",
        "quantity": "10",
        "tradePrice": "20",
        "tradeMoney": "200",
        "taxes": "0",
        "ibCommission": "-1",
        "ibCommissionCurrency": "USD",
        "netCash": "-201",
        "buySell": "BUY",
        "openCloseIndicator": "O",
        "levelOfDetail": "EXECUTION",
        "transactionID": "9001",
    }
    return element("Trade", usual, changes)


def cash(**changes: str) -> str:
    """Return a dividend of 5 dollars."""
    usual = {
        "accountId": "U7",
        "currency": "USD",
        "fxRateToBase": "0.9",
        "assetCategory": "STK",
        "symbol": "ACME",
        "conid": "11",
        "isin": "US0378331005",
        "description": "ACME CASH DIVIDEND",
        "dateTime": "20240315;202000",
        "reportDate": "20240318",
        "amount": "5",
        "type": "Dividends",
        "transactionID": "7001",
        "levelOfDetail": "DETAIL",
    }
    return element("CashTransaction", usual, changes)


def action(**changes: str) -> str:
    """Return one side of a corporate action."""
    usual = {
        "accountId": "U7",
        "currency": "USD",
        "assetCategory": "STK",
        "conid": "11",
        "reportDate": "2024-06-18",
        "dateTime": "2024-06-17, 20:25:00",
        "proceeds": "0",
        "value": "0",
    }
    return element("CorporateAction", usual, changes)
