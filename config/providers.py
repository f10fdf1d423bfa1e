"""The sources of prices that the environment asks for, in their order, and the hosts that may be asked for market data."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from marketdata.domain.addresses import BadAddress, check_address

ADAPTERS = "marketdata.adapters"
HOSTS = [".alpaca.markets", "www.ecb.europa.eu", "api.exchange.coinbase.com", "api.kraken.com", "api.binance.com"]
FEEDS = ("iex", "sip", "delayed_sip")

Options = dict[str, Any]


def allowed_hosts(env: Env) -> list[str]:
    """Return the hosts that may be asked."""
    hosts: list[str] = env.list("PROVIDER_HOSTS", default=HOSTS)
    odd = [host for host in hosts if not host or set(host) & set("/:@*? ") or not host.isascii()]
    if odd:
        raise ImproperlyConfigured(f"PROVIDER_HOSTS must be names of hosts alone, with commas between them; {odd[0]!r} is none.")
    return hosts


def providers(env: Env, *, hosts: list[str], var: Path) -> dict[str, Options]:
    """Return the sources in the order in which they are asked: that of PROVIDERS, else all that are set up.

    :raises ImproperlyConfigured: naming the variable that is odd
    """
    there = _alpaca(env, hosts) | _crypto(env, hosts) | _files(env, var) | _ecb(env, hosts)
    wanted: list[str] = env.list("PROVIDERS", default=list(there))
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ImproperlyConfigured(
            f"PROVIDERS must name sources that are set up: {', '.join(there)}; {missing[0]!r} is unknown or lacks its variables."
        )
    return {name: there[name] for name in wanted}


def _alpaca(env: Env, hosts: list[str]) -> dict[str, Options]:
    options: Options = {
        "class": f"{ADAPTERS}.alpaca.AlpacaProvider",
        "key_id": env.str("ALPACA_KEY_ID", default=""),
        "secret_key": env.str("ALPACA_SECRET_KEY", default=""),
        "url": _checked("ALPACA_DATA_URL", env.str("ALPACA_DATA_URL", default="https://data.alpaca.markets"), hosts),
        "trading_url": _checked(
            "ALPACA_TRADING_URL", env.str("ALPACA_TRADING_URL", default="https://paper-api.alpaca.markets"), hosts
        ),
        "feed": env.str("ALPACA_FEED", default="iex"),
        "per_minute": env.int("ALPACA_RATE", default=200),
    }
    if options["feed"] not in FEEDS:
        raise ImproperlyConfigured(f"ALPACA_FEED must be one of {', '.join(FEEDS)}.")
    if options["per_minute"] < 1:
        raise ImproperlyConfigured("ALPACA_RATE must be at least 1 request a minute.")
    if bool(options["key_id"]) != bool(options["secret_key"]):
        raise ImproperlyConfigured("ALPACA_KEY_ID and ALPACA_SECRET_KEY must be set together, or neither.")
    return {"alpaca": options} if options["key_id"] else {}


def _crypto(env: Env, hosts: list[str]) -> dict[str, Options]:
    exchange = env.str("CRYPTO_EXCHANGE", default="")
    url = env.str("CRYPTO_URL", default="")
    checked = _checked("CRYPTO_URL", url, hosts) if url else ""
    return {"crypto": {"class": f"{ADAPTERS}.crypto.CryptoProvider", "exchange": exchange, "url": checked}} if exchange else {}


def _files(env: Env, var: Path) -> dict[str, Options]:
    folder = env.str("PRICES_FOLDER", default=str(var / "prices"))
    return {
        "sample": {"class": f"{ADAPTERS}.sample.SampleProvider"},
        "files": {"class": f"{ADAPTERS}.files.FolderProvider", "folder": folder},
    }


def _ecb(env: Env, hosts: list[str]) -> dict[str, Options]:
    url = env.str("ECB_URL", default="")
    package = {"class": f"{ADAPTERS}.ecb.EcbProvider"}
    if not url:
        return {"ecb": package}
    return {"ecb": {**package, "url": _checked("ECB_URL", url, hosts)}, "ecb-package": package}


def _checked(variable: str, url: str, hosts: list[str]) -> str:
    """Return an address that may be asked.

    :raises ImproperlyConfigured: if it is none, naming its variable
    """
    try:
        return check_address(url, hosts)
    except BadAddress as refusal:
        raise ImproperlyConfigured(f"{variable} must be an address that may be asked. {refusal}") from refusal
