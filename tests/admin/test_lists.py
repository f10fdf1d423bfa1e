"""Lists write their rows themselves: every cell is the one that Unfold's own list would show."""

import re

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import resolve, reverse, set_script_prefix
from django.utils import timezone
from django.utils.html import escape
from unfold.templatetags.unfold_list import results

from accounts.models.tenancy import acting_as
from marketdata.admin.addresses import page_of
from marketdata.models import Bar, Instrument, Quote
from tests.admin.world import AdminWorld, looks, pages, to

MODELS = sorted(pages(), key=lambda model: model._meta.label)


@pytest.fixture(scope="module")
def world():
    world = AdminWorld()
    assert world.records
    return world


def shown(model, user, query=""):
    """Return a list as a user gets it."""
    request = RequestFactory().get(f"{to(model, 'changelist')}?{query}")
    request.user = user
    request.session = {}
    request.resolver_match = resolve(request.path)
    listed = admin.site._registry[model].get_changelist_instance(request)
    listed.formset = None
    if query:
        listed.preserved_filters += "%26z%3D%27%22%3Cy%3E"  # as a filter might have it
    return listed


def cells(listed):
    """Return the cells of each row that we write, and of each that Unfold writes.

    Unfold takes a first column that leads nowhere for the box that selects a row, and names it so; ours has its own name.
    """
    first = f'data-label="{escape(listed.headers[0]["text"])}"'
    ours = re.findall(r"<tr class=\"data-row [^>]*>(.*?)</tr>", listed.rows, flags=re.DOTALL)
    return ours, ["".join(row).replace('data-label="Select record"', first) for row in results(listed)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
@pytest.mark.parametrize("query", ["", "p=1", "q=A"])
def test_every_cell_is_the_one_that_unfold_shows(model, query, world):
    with acting_as(world.alice.pk):
        ours, theirs = cells(shown(model, world.alice, query))
    assert ours == theirs
    assert ours or query == "q=A"


@pytest.mark.parametrize("key", ["x", "a/b c", "ä&<'\">", "_5F%7E~?#", "-1"])
def test_an_address_is_the_one_that_django_gives(key):
    record = Instrument(symbol="X")
    record.pk = key
    quoted = admin.utils.quote(key)
    assert page_of(record) == reverse("admin:marketdata_instrument_change", args=[quoted])


def test_an_address_follows_the_prefix_of_the_site():
    record = Instrument(symbol="X")
    before = page_of(record)
    set_script_prefix("/desk/")
    try:
        assert page_of(record) == f"/desk{before}"
    finally:
        set_script_prefix("/")


@pytest.mark.parametrize("model", [Bar, Quote], ids=lambda model: model._meta.label)
def test_a_popup_is_left_to_unfold(model, world):
    plain, popup = (
        looks(world.operator).get(f"{to(model, 'changelist')}?{query}").content.decode() for query in ("", "_popup=1")
    )
    assert "data-popup-opener" in popup
    assert "data-popup-opener" not in plain


def test_a_list_is_ready_for_whatever_a_column_gives(world):
    today = timezone.now()

    def odd(row):
        return [today, today.date(), None, True, 3, ["a", "<b>"], "<i>"][row.place]

    def labelled(row):
        return [("OPEN", "<o>"), "OPEN", None, ("x", "y"), "<l>", 1, True][row.place]

    odd.short_description = "<Odd>"
    odd.empty_value_display = "<none>"
    labelled.short_description = "Label"
    labelled.label = {"OPEN": "info", None: ""}
    listed = shown(Instrument, world.operator)
    listed.list_display = ["symbol", odd, labelled, "active", "__str__", "currency", "followed_since"]
    listed.list_display_links = [odd, "currency"]
    listed.result_list = [Instrument.objects.get(pk=world.instrument.pk) for _ in range(7)]
    for place, row in enumerate(listed.result_list):
        row.place = place
    ours, theirs = cells(listed)
    assert ours == theirs
    assert len(ours) == 7
