"""A watchlist in a browser shows the market as it moves, told by the process that streams."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from django.db import connections

from tests.admin.live import Visit, opened, served
from tests.admin.world import to
from tests.factories import PASSWORD, make_instrument, make_quotes
from tests.portfolio.api.test_streams import now, streaming, tell, watching

pytestmark = pytest.mark.slow


def elsewhere(work: Callable[[], None]) -> None:
    """Do something in a thread: this one's loop belongs to the browser."""

    def alone() -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(alone).result()


class TestWatchlist:
    def test_follows_the_market_from_another_port_or_asks_again_and_again(self, alice, settings):
        instrument = make_instrument()
        make_quotes(instrument, [(now(), "10", "10.5")], at=now())
        quiet = make_instrument()
        page = to(type(watchlist := watching(alice, instrument, quiet)), "change", watchlist.pk)
        with served() as site, streaming(STREAM_ORIGINS=f":{urlsplit(site).port}") as port, opened() as browser:
            settings.STREAM_URL = f":{port}"
            visit = Visit(browser, site).enter(alice.email, PASSWORD).go(page)
            bid = visit.page.locator(f"[data-live='{instrument.key}'] [data-cell=bid]")
            assert bid.text_content() == "10"
            assert visit.page.locator(f"[data-live='{quiet.key}'] [data-cell=bid]").text_content() == "-"
            visit.page.wait_for_timeout(1500)
            elsewhere(lambda: tell(instrument, "11", "11.5"))
            visit.page.wait_for_function("document.querySelector('[data-cell=bid]').textContent === '11'")
            assert [fault for fault in visit.faults if not fault.startswith(f"outside: http://127.0.0.1:{port}/")] == []
            settings.STREAM_URL = ""
            visit.page.reload()
            elsewhere(lambda: make_quotes(instrument, [(now(), "12", "12.5")], at=now()))
            visit.page.wait_for_function("document.querySelector('[data-cell=bid]').textContent === '12'")
            visit.page.context.close()
