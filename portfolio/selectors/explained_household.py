"""Why the figures of several accounts together are what they are: from those of each, which say why themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property

from marketdata.models import Instrument
from portfolio.domain.bridge import BEGINNING, NO_DAY, Leg, links
from portfolio.domain.contributions import Contribution
from portfolio.domain.exact import ONE, ZERO
from portfolio.domain.explain import Explanation
from portfolio.domain.explain_joint import HeldBy, OfAccount, explain_joint_day, explain_joint_position
from portfolio.domain.performance import Performance
from portfolio.selectors.explained import AT_A_GLANCE, explained_period
from portfolio.selectors.figures import Figures
from portfolio.selectors.household import Household, Joint
from portfolio.selectors.valued import gains_of

Address = Callable[[Figures, date], str]  # where an account says why of a day


class ExplainedHousehold:
    """The explanations of what several accounts are and hold together."""

    def __init__(self, household: Household) -> None:
        self.household = household

    def days(self, dates: Iterable[date], address: Address) -> dict[date, Explanation]:
        """Return why the accounts were worth what they were at the end of days."""
        series, legs, _ = self.household.parts
        rows, linked = {day.day: day for day in self.household.joined[0]}, links(self.household.joined[0])
        members = [
            (member, {day.day: day for day in days}, between)
            for member, days, between in zip(self.household.members, series, legs, strict=True)
        ]
        found = {}
        for day in dates:
            number = day.toordinal()
            accounts = [
                OfAccount(str(member.account.pk), own[number], between.get(number, Leg(ZERO, ZERO)), address(member, day))
                for member, own, between in members
                if number in own
            ]
            if number in rows:
                before, link = rows.get(number - 1, NO_DAY), linked.get(number - 1, BEGINNING)
                found[day] = explain_joint_day(rows[number], before, accounts, link)
        return found

    def period(
        self,
        *,
        start: date | None = None,
        end: date | None = None,
        risk_free: float = 0.0,
        benchmark: tuple[Instrument, bool] | None = None,
    ) -> tuple[Explanation, Performance] | None:
        """Return why the performance over [start, end) is what it is, and that; none where there is none."""
        kind = self.household.kind
        return explained_period(self.household, kind=kind, start=start, end=end, risk_free=risk_free, benchmark=benchmark)

    def summary(self, address: Address) -> Explanation | None:
        """Return why the accounts at a glance are what they are; none where no day was valued."""
        whole = self.period()
        if whole is None:
            return None
        last = self.household.joined[0][-1]
        found = self.days([last.date], address)[last.date]
        explanation, measured = whole
        found.tables |= {name: table for name, table in explanation.tables.items() if name in AT_A_GLANCE}
        found.steps += [step for step in explanation.steps if step.figure in AT_A_GLANCE]
        self._cash(found, last.date, address)
        found.tell("net_deposits", "sum(days.net_flow)", last.total_value - last.total_gain)
        found.tell("gain", "sum(days.day_gain)", last.total_gain)
        found.notes += [f"{name}: {why}" for name, why in measured.reasons.items() if name in AT_A_GLANCE]
        return found

    def _cash(self, found: Explanation, day: date, address: Address) -> None:
        """Add the balances of the accounts that each balance of cash is the sum of."""
        for currency, balance in sorted(self.household.balances().items()):
            if not balance:
                continue
            table = found.table(f"cash_{currency}", summed=("balance",))
            for member in self.household.members:
                if own := member.balances().get(currency):
                    table.add({"account": str(member.account.pk), "balance": own, "why": address(member, day)})
            found.tell(f"cash.{currency}", f"sum(cash_{currency}.balance)", balance)

    @cached_property
    def made(self) -> list[Mapping[str, Contribution]]:
        """What each instrument made in each account; nothing where a rate is missing."""
        if self.household.gap():
            return [{} for _ in self.household.members]
        return [gains_of(member, self.household.currency) for member in self.household.members]

    def positions(self, joint: Iterable[Joint], address: Address) -> list[Explanation]:
        """Return why the accounts hold together what they do, position by position."""
        days, gap = self.household.joined
        total = days[-1].total_value if days and not gap else ZERO
        return [
            explain_joint_position(
                self._held(one.instrument, address),
                price=one.market_price,
                value=one.market_value,
                weight=one.weight,
                total=total,
            )
            for one in joint
        ]

    def _held(self, instrument: Instrument, address: Address) -> list[HeldBy]:
        """Return what each account holds of an instrument, or once held."""
        found, days = [], self.household.joined[0]
        for member, made in zip(self.household.members, self.made, strict=True):
            gains = made.get(str(instrument.pk))
            position = next((one for one in member.positions() if one.instrument_id == instrument.pk), None)
            if position is None or not (position.quantity or gains):
                continue
            rates = self.household.rates.get(member.currency)
            rate: Decimal | None = ONE
            if rates is not None:
                rate = rates.value_at(days[-1].day) if days else None
            value = position.value_in_base if position.quantity else ZERO
            last = member.last_snapshot()
            why = address(member, last.date) if last else ""
            found.append(HeldBy(str(member.account.pk), position.quantity, value, rate, gains, why))
        return found
