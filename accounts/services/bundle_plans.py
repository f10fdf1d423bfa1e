"""What the members of an account that comes as a ZIP had decided about it, and what of the person who brings it goes along."""

from datetime import datetime
from decimal import Decimal

from accounts.adapters.bundles import BundleReader
from accounts.domain.bundles import PERSONAL, BundleRefused, Said
from accounts.domain.plans import TargetDraft
from accounts.models import (
    Account,
    ImportTemplate,
    InstrumentAnswer,
    Job,
    Policy,
    TargetAllocation,
    Taxonomy,
    TradeThresholds,
    User,
    Watchlist,
)
from accounts.services.bundle_market import Known
from accounts.services.import_templates import save_template
from accounts.services.jobs import reschedule_job
from accounts.services.policies import create_policy
from accounts.services.targets import create_allocation
from accounts.services.taxonomies import classify, create_taxonomy
from accounts.services.trade_thresholds import set_thresholds
from accounts.services.watchlists import create_watchlist

LONGEST_NAME = 100
COUNTS = ("window", "max_consecutive_losses")
SHARES = ("min_win_rate", "min_profit_factor", "min_expectancy", "max_drawdown_pct")


def take_plans(settings: Said, account: Account, known: Known, at: datetime) -> None:
    """Write down what was decided about an account, but for what is decided here already.

    :raises ValidationError: if something can't be
    :raises BundleRefused: if the ZIP says something that is none of its kind
    """
    for said in settings.each("jobs"):
        job = Job.objects.filter(account=account, kind=said.text("kind")).first()
        wanted = (said.text("schedule"), said.flag("enabled"))
        if job is not None and wanted != (job.schedule, job.enabled):
            reschedule_job(job=job, at=at, schedule=wanted[0], enabled=wanted[1])
    for said in settings.each("policies"):
        if not Policy.objects.filter(account=account, kind=said.text("kind")).exists():
            create_policy(
                account=account, kind=said.text("kind"), threshold=_needed(said, "threshold"), at=at, enabled=said.flag("enabled")
            )
    _take_bounds(settings, account)
    for said in settings.each("taxonomies"):
        _take_taxonomy(said, account, known, at)
    for said in sorted(settings.each("allocations"), key=lambda one: one.flag("in_force")):
        _take_allocation(said, account, known, at)


def take_personal(reader: BundleReader, user: User, known: Known, at: datetime) -> None:
    """Give a person the templates, watchlists and answers of a ZIP, but for those they have already."""
    said = reader.document(PERSONAL)
    for one in said.each("import_templates"):
        name, mapping = one.text("name", most=LONGEST_NAME), one.value.get("mapping")
        if not isinstance(mapping, dict):
            raise one.refusal("mapping", "an object")
        if not ImportTemplate.objects.visible_to(user).filter(name=name).exists():
            save_template(user=user, name=name, mapping=mapping, headings=one.texts("headings"), at=at)
    for one in said.each("watchlists"):
        name = one.text("name", most=LONGEST_NAME)
        if not Watchlist.objects.visible_to(user).filter(name=name).exists():
            watched = [known.instruments[key] for key in one.texts("instruments") if key in known.instruments]
            create_watchlist(user=user, name=name, instruments=watched, at=at)
    for one in said.each("answers"):
        InstrumentAnswer.objects.get_or_create(
            user=user,
            source=one.text("source", most=50),
            identity=one.text("identity", most=300),
            defaults={"instrument": known.of(one)},
        )


def _take_bounds(settings: Said, account: Account) -> None:
    """Write down when the last trades are reason to worry."""
    for said in settings.each("trade_thresholds")[:1]:
        if not TradeThresholds.objects.filter(pk=account.pk).exists():
            bounds = {name: said.whole(name) for name in COUNTS} | {name: said.number(name) for name in SHARES}
            set_thresholds(account=account, changes={name: value for name, value in bounds.items() if value is not None})


def _take_taxonomy(said: Said, account: Account, known: Known, at: datetime) -> None:
    """Write down a way of grouping instruments."""
    name = said.text("name", most=LONGEST_NAME)
    if Taxonomy.objects.filter(account=account, name=name).exists():
        return
    taxonomy = create_taxonomy(account=account, name=name, at=at)
    for one in said.each("classifications"):
        classify(
            taxonomy=taxonomy,
            instrument=known.of(one),
            category=one.text("category", most=LONGEST_NAME),
            weight=_needed(one, "weight"),
            account=account,
        )


def _take_allocation(said: Said, account: Account, known: Known, at: datetime) -> None:
    """Write down an allocation."""
    name = said.text("name", most=LONGEST_NAME)
    if TargetAllocation.objects.filter(account=account, name=name).exists():
        return
    targets = []
    for one in said.each("targets"):
        instrument = known.of(one) if one.text("instrument") else None
        targets.append(
            TargetDraft(
                _needed(one, "weight"),
                instrument.pk if instrument else None,
                one.text("category", most=LONGEST_NAME),
                instrument.key if instrument else "",
            )
        )
    grouped = said.text("taxonomy", most=LONGEST_NAME)
    create_allocation(
        account=account,
        name=name,
        targets=targets,
        at=at,
        basis=said.text("basis", most=11),
        taxonomy=Taxonomy.objects.filter(account=account, name=grouped).first() if grouped else None,
        in_force=said.flag("in_force"),
    )


def _needed(said: Said, name: str) -> Decimal:
    """Return a number that has to be there."""
    number = said.number(name)
    if number is None:
        raise BundleRefused("bad_file", f"{said.where}: {name} is missing.")
    return number
