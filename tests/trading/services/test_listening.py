"""What a stream tells of an account makes its broker be asked."""

import asyncio

from websockets.asyncio.server import serve

from accounts.models.tenancy import acting_as
from tests.factories import make_account, make_user
from tests.trading.adapters.alpaca_standin import KEY, SECRET
from tests.trading.adapters.test_alpaca_stream import UPDATE, vendor
from tests.trading.services.test_sending import NOW
from trading.adapters.alpaca import NAME
from trading.services.connections import connect_broker
from trading.services.listening import Listener


def test_an_account_that_is_told_of_is_asked_about(settings):
    account = make_account(owner=make_user())
    with acting_as(account.owner_id):
        connect_broker(account=account, broker=NAME, now=NOW, key=KEY, secret=SECRET)
    message, asked = {"stream": "trade_updates", "data": UPDATE}, []

    def note(one):
        asked.append(one.account_id)
        listener.leave()

    async def work():
        async with serve(lambda socket: vendor(socket, [message]), "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            settings.BROKERS = {NAME: {"paper_url": url, "live_url": url}}
            settings.PROVIDER_HOSTS = ["127.0.0.1"]
            await asyncio.wait_for(listener.run(), 20)

    listener = Listener(sync=note, every=0.2, only=account.pk)
    asyncio.run(work())
    assert asked == [account.pk]
