"""A real file through the admin in a real browser: dropped, its columns said, looked at, asked about, posted and undone."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from accounts.models import Account, AccountImport, ImportBatch, ImportStatus, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.bundles import write_bundle
from accounts.services import bundle_queue
from accounts.services.import_posting import work_on
from tests.accounts.kept_files import NOW, bought, deposits, schwab
from tests.admin.live import Visit, opened, served
from tests.admin.world import to
from tests.factories import PASSWORD, make_account, make_instrument, make_user, post, unique_symbol

DESK = {"viewport": {"width": 1400, "height": 900}}
DARK = {"viewport": {"width": 1400, "height": 900}, "color_scheme": "dark"}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
SCREENS = {"desk": DESK, "dark": DARK, "phone": PHONE}
DROP = """([name, text]) => {
    const carried = new DataTransfer();
    carried.items.add(new File([text], name, { type: "text/csv" }));
    for (const kind of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
    }
}"""


@pytest.fixture(scope="module")
def site():
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser(site):
    with opened() as browser:
        yield browser


def table(symbol: str) -> str:
    """Return the export of a bank nobody knows: a preamble, German numbers and words, a sum, a line that is none."""
    return (
        "Sparbank Musterstadt\nDepot 4711;Stand 31.12.2024\n\n"
        "Datum;Vorgang;Wertpapier;Stück;Kurs;Betrag;Währung\n"
        "02.01.2024;Einzahlung;;;;10.000,00;USD\n"
        f"13.01.2024;Kauf;{symbol};12;150,25;-1.803,00;USD\n"
        f"14.02.2024;Ausschüttung;{symbol};;;33,10;USD\n"
        f"15.02.2024;Kauf;{symbol};zwei;1;-1,00;USD\n"
        "28.03.2024;Gebühr;;;;-4,50;USD\n"
        "Summe;;;;;8.225,60;\n"
    )


def elsewhere(call):
    """Return a call that runs in a thread of its own, away from the browser's loop, with connections that end with it."""

    def run(*args):
        def work():
            try:
                return call(*args)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(work).result()

    return run


@elsewhere
def own(account, model):
    """Return what an account has of something."""
    with acting_as(account.owner_id):
        return list(model.objects.filter(account=account))


@elsewhere
def work(batch):
    """Let a worker post an import."""
    work_on(batch_id=batch.pk, clock=lambda: NOW)


@elsewhere
def person(*exchanges):
    """Return somebody with an account, and the symbol of an instrument listed on some exchanges."""
    symbol = unique_symbol()
    for exchange in exchanges:
        make_instrument(symbol=symbol, exchange=exchange, currency="USD", name=f"Invented Corp ({exchange})")
    return make_account(owner=make_user("alice"), name="Growth"), symbol


@pytest.mark.parametrize("screen", SCREENS)
def test_takes_a_file_from_dropping_it_to_undoing_it(browser, site, screen):  # noqa: PLR0915  it is one visit
    account, symbol = person("XNAS")
    visit = Visit(browser, site, **SCREENS[screen]).enter(account.owner.email, PASSWORD).go(to(ImportBatch, "add"))
    page, wide = visit.page, {}

    def look(name):
        wide[name] = visit.too_wide()

    page.evaluate(DROP, ["umsaetze.csv", table(symbol)])
    page.wait_for_selector("text=umsaetze.csv, 1 KB")
    look("upload")
    page.click("text=Look at it")
    page.click("text=No: say what the columns are")  # it looks like another program's, but is not
    page.wait_for_selector("text=1 not understood")
    look("columns")
    assert page.input_value("[name=headings_line]") == "4"
    assert "2024-01-13" in page.inner_text(".column:has-text('Datum')")
    assert "-1803" in page.inner_text(".column:has-text('Betrag')")
    page.select_option(".column:has-text('Wertpapier') select", "symbol")
    page.select_option("label:has-text('Ausschüttung') select", "DIVIDEND")
    page.fill("[name=template]", "Sparbank")
    page.click("button[name=use]")

    page.wait_for_selector("text=4 entries would be posted")
    look("preview")
    assert "8,225.60" in page.inner_text("#moved")
    page.click(".chips .refused")
    page.wait_for_selector(".chips .refused[aria-current]")
    assert page.locator(".lines > li").count() == 1
    assert "zwei" in page.inner_text(".lines")
    look("refused")

    page.click("text=Post 4 entries")
    page.wait_for_selector("text=Waits for a worker")
    look("waiting")
    (batch,) = own(account, ImportBatch)
    work(batch)
    page.wait_for_selector("text=4 entries were posted")
    look("posted")
    with page.expect_download() as download:
        page.click("text=Download the refused lines")
    assert "zwei" in download.value.path().read_text()
    page.click("summary:has-text('Undo this import')")
    page.fill("[name=explanation]", "Into the wrong account")
    look("undo")
    page.click("text=Undo 4 entries")
    page.wait_for_selector("text=4 reversals took back")
    look("undone")
    assert sum(entry.cash for entry in own(account, LedgerEntry)) == 0
    visit.go(to(ImportBatch, "changelist"))
    assert "UNDONE" in page.inner_text("#result_list").upper()
    look("history")
    assert ({name: much for name, much in wide.items() if much > 0}, visit.faults) == ({}, [])
    page.context.close()


def test_asks_which_instrument_is_meant(browser, site):
    account, symbol = person("XETR", "XFRA")
    visit = Visit(browser, site, **PHONE).enter(account.owner.email, PASSWORD).go(to(ImportBatch, "add"))
    page = visit.page
    page.evaluate(DROP, ["history.csv", schwab(bought(symbol), *deposits(2)).decode()])
    page.click("text=Look at it")
    page.wait_for_selector("#questions")
    assert visit.too_wide() <= 0
    page.fill(".question input[type=text]", f"{symbol}:XFRA")
    page.click("#questions button")
    page.wait_for_selector("text=1 answer was kept")
    assert "3 entries would be posted" in page.inner_text(".verdict")
    assert own(account, ImportBatch)[0].status == ImportStatus.PREVIEWED
    assert visit.faults == []
    page.context.close()


@elsewhere
def zipped(account):
    """Return an account as its ZIP, with an entry."""
    file = io.BytesIO()
    post(account, "DEPOSIT", cash="1000")
    with acting_as(account.owner_id):
        write_bundle(account=account, user=account.owner, file=file, at=NOW)
    return file.getvalue()


@elsewhere
def take(person):
    """Let a worker take the ZIP that somebody brought."""
    with acting_as(person.pk):
        made = AccountImport.objects.get(user=person)
    bundle_queue.work_on(import_id=made.pk, clock=lambda: NOW)


@pytest.mark.parametrize("screen", SCREENS)
def test_brings_a_whole_account_in(browser, site, screen, tmp_path):
    account, _ = person("XNAS")
    newcomer, _ = person("XNAS")
    file = tmp_path / "growth-account.zip"
    file.write_bytes(zipped(account))
    visit = (
        Visit(browser, site, **SCREENS[screen]).enter(newcomer.owner.email, PASSWORD).go(f"{to(Account, 'changelist')}bring-in/")
    )
    page, wide = visit.page, {}

    def look(name):
        wide[name] = visit.too_wide()

    page.set_input_files("#id_file", str(file))
    page.wait_for_selector("text=growth-account.zip, ")
    look("upload")
    page.click("button:has-text('Bring it in')")
    page.wait_for_selector("text=Waits for a worker")
    look("waiting")
    take(newcomer.owner)
    page.wait_for_selector("text=1 was posted")
    look("taken")
    visit.go(to(AccountImport, "changelist"))
    look("history")
    assert ({name: much for name, much in wide.items() if much > 0}, visit.faults) == ({}, [])
    page.context.close()


def test_works_without_scripts(browser, site, tmp_path):
    account, symbol = person("XNAS")
    file = tmp_path / "umsaetze.csv"
    file.write_text(table(symbol))
    context = browser.new_context(java_script_enabled=False, **DESK)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{site}/admin/login/?next={to(ImportBatch, 'add')}")
    page.fill("#id_username", account.owner.email)
    page.fill("#id_password", PASSWORD)
    page.locator("#login-form button[type=submit]").dispatch_event("click")
    page.set_input_files("#id_file", str(file))
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("link", name="No: say what the columns are").click()
    page.select_option(".column:has-text('Wertpapier') select", "symbol")
    page.locator("button[name=use]").click()
    page.get_by_role("button", name="Post 3 entries").click()
    page.wait_for_selector("text=Waits for a worker")
    (batch,) = own(account, ImportBatch)
    work(batch)
    page.wait_for_selector("text=3 entries were posted")
    page.locator("summary", has_text="Undo this import").click()
    page.get_by_role("button", name="Undo 3 entries").click()
    page.wait_for_selector("text=3 reversals took back")
    context.close()
