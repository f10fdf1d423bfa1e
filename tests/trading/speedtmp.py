import cProfile, pstats, time, random
from datetime import timedelta
from decimal import Decimal
from uuid_utils.compat import uuid7
from accounts.models import Account
from accounts.models.tenancy import acting_as
from tests.clients import browser
from tests.factories import make_account, make_instrument
from tests.trading.factories import AT
from trading.domain.fills import Fill as Filled
from trading.models import Order
from trading.services.past_orders import post_past
from django.utils import timezone
import pytest
from pathlib import Path
from uuid import UUID

N = 10_000

def fill_account(account, shape):
    chance = random.Random(1)
    instruments = [make_instrument() for _ in range(10)]
    with acting_as(account.owner_id):
        orders, fills = [], {}
        open_ = []
        def order(instrument, side, effect, at, q):
            key = uuid7()
            one = Order(id=key, account=account, client_order_id=str(key), instrument=instrument, side=side, effect=effect, type="MARKET",
                time_in_force="DAY", order_class="SIMPLE", quantity=q, door="IMPORT", actor=account.owner, broker="import", sending="SETTLED",
                status="ACCEPTED" if False else "NEW", created_at=at, updated_at=at)
            orders.append(one)
            fills[key] = [Filled(str(uuid7()), q, Decimal(chance.randrange(9000, 11000)) / 100, at, Decimal("0.35"))]
        for number in range(N):
            at = AT + timedelta(minutes=10 * number)
            instrument = instruments[number % 10]
            order(instrument, "BUY", "OPEN", at, Decimal(10))
            late = timedelta(minutes=5) if shape == "flat" else timedelta(minutes=355)
            order(instrument, "SELL", "CLOSE", at + late, Decimal(10))
            if len(orders) >= 500:
                post_past(account=account, orders=orders, fills=fills, actor=account.owner, now=timezone.now())
                orders.clear(); fills.clear()

@pytest.mark.parametrize("shape", ["flat", "deep"])
def test_speed(alice, shape):
    kept = Path(f"/tmp/speed_{shape}")
    account = User = None
    if kept.exists():
        who, which = kept.read_text().split()
        with acting_as(UUID(who)):
            account = Account.objects.select_related("owner").get(pk=which)
    if account is None:
        account = make_account(owner=alice, name=f"speed {shape}")
        kept.write_text(f"{alice.pk} {account.pk}")
        t = time.perf_counter(); fill_account(account, shape); print("made", time.perf_counter() - t)
    client = browser(account.owner)
    url = f"/api/v1/accounts/{account.pk}/journal/?limit=50"
    for query in ("", "&ordering=opened_at", "&outcome=win", ""):
        t = time.perf_counter(); a = client.get(url + query); t = time.perf_counter() - t
        assert a.status_code == 200, a.content
        print(shape, query, f"{t*1000:.0f} ms", len(a.json()["results"]))
    t = time.perf_counter(); a = client.get(f"/api/v1/accounts/{account.pk}/journal/statistics/"); t = time.perf_counter() - t
    print(shape, "statistics", f"{t*1000:.0f} ms", a.json()["total"]["net"])
    t = time.perf_counter(); a = client.get("/admin/trading/trade/"); t = time.perf_counter() - t
    print(shape, "admin", f"{t*1000:.0f} ms", a.status_code)
    p = cProfile.Profile(); p.enable(); client.get(url); p.disable()
    pstats.Stats(p).sort_stats("cumtime").print_stats(25)
