"""What the page of an import shows: what was or would be done, what is asked, and the lines of the file."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from accounts.adapters import FORMATS
from accounts.admin.import_forms import TITLES
from accounts.domain.fates import counted, numbers_of
from accounts.models import ImportBatch, ImportQuestion, ImportStatus
from accounts.models.imports import BEING_DONE
from accounts.selectors.import_lines import Line, lines_of
from accounts.services.import_undo import DONE
from accounts.services.imports import FileGone, content_of
from marketdata.domain.display import money_text, price_text, quantity_text
from marketdata.models import Instrument
from marketdata.selectors.instruments import find_each

PAGE = 50
MOST_QUESTIONS = 50
MOST_MOVED = 200
FATES = {
    "posted": ("would be posted", "posted"),
    "known": ("known already", "known before"),
    "question": ("wait for an answer", "wait for an answer"),
    "refused": ("refused", "refused"),
    "skipped": ("passed over", "passed over"),
}
TONES = {"POSTED": "good", "PARTIAL": "warn", "REFUSED": "bad", "FAILED": "bad", "UNDONE": "", "PREVIEWED": "info"}


def page_of_import(batch: ImportBatch, query: Mapping[str, str], *, may_write: bool) -> dict[str, Any]:
    """Return what the page of an import shows."""
    preview = batch.status == ImportStatus.PREVIEWED
    asked = next((remark for remark in batch.remarks if "choices" in remark), None) if not batch.format else None
    writable = may_write and batch.account.closed_on is None
    page = {
        "title": batch.file_name,
        "batch": batch,
        "preview": preview,
        "busy": batch.status in BEING_DONE,
        "tone": TONES.get(batch.status, ""),
        "format_title": TITLES.get(batch.format, batch.format),
        "mapped": batch.options.get("mapping") is not None,
        "may_write": writable,
        "may_read_anew": writable and preview,
        "may_undo": writable and batch.status in DONE and bool(batch.spans),
        "may_try_again": writable and batch.status == ImportStatus.FAILED,
        "undone": sum(last - first + 1 for first, last in batch.undone),
        "remarks": [remark for remark in batch.remarks if remark is not asked],
        "asked": asked,
        "formats": [(name, TITLES[name]) for name in (asked or {}).get("choices", ()) if name in FORMATS],
    }
    if page["busy"]:  # what its preview said is no longer so, and what came of it not yet
        return page
    return page | {"figures": figures_of(batch), "questions": questions_of(batch)} | lines_page(batch, query)


def lines_page(batch: ImportBatch, query: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of the lines: of a kept file every line, else those that were refused."""
    content = _content(batch)
    counts = counted(batch.fates)
    fate = query.get("fate", "")
    fate = fate if fate in FATES and content else ""
    told = FATES if batch.status == ImportStatus.PREVIEWED else {name: (after, after) for name, (_, after) in FATES.items()}
    chips = [{"fate": name, "count": counts[name], "label": told[name][0]} for name in FATES if counts.get(name)]
    total = counts.get(fate, 0) if fate else sum(counts.values()) if content else len(batch.refused)
    last = max((total - 1) // PAGE, 0)
    page = min(_number(query.get("page", "")), last)
    if content:
        wanted = numbers_of(batch.fates, fate, page * PAGE, PAGE)
    else:
        wanted = [(one["line"], "refused") for one in batch.refused[page * PAGE : (page + 1) * PAGE]]
    return {
        "chips": chips,
        "fate": fate,
        "lines": [_line(line) for line in lines_of(batch, content, wanted)],
        "kept": bool(content),
        "page": page,
        "before": page - 1 if page else None,
        "after": page + 1 if page < last else None,
        "shown": f"{page * PAGE + 1:,} to {min((page + 1) * PAGE, total):,} of {total:,}" if total else "",
    }


def _content(batch: ImportBatch) -> bytes:
    """Return the content of a file, empty where it is not kept, or not read yet."""
    try:
        return content_of(batch) if batch.fates else b""
    except FileGone:
        return b""


def _number(text: str) -> int:
    """Return the number of a page, the first where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0  # noqa: PLR2004  digits


def _line(line: Line) -> dict[str, Any]:
    """Return a line as it is shown."""
    says = []
    for one in line.says:
        draft = one.draft
        traded = f"{quantity_text(draft.quantity, signed=True)}" if draft.quantity else ""
        at = f"at {price_text(draft.price)}" if draft.price is not None else ""
        says.append(
            {
                "kind": draft.kind.value.replace("_", " ").capitalize(),
                "day": f"{draft.occurred_at:%Y-%m-%d}" if one.day_only else f"{draft.occurred_at:%Y-%m-%d %H:%M}",
                "instrument": one.hints.key or one.instrument,
                "figures": f"{traded} {at}".strip(),
                "cash": f"{money_text(draft.cash, draft.currency, signed=True)} {draft.currency}" if draft.cash else "",
            }
        )
    return {"number": line.number, "fate": line.fate, "text": line.text, "says": says, "why": line.why}


def figures_of(batch: ImportBatch) -> dict[str, Any]:
    """Return cash and holdings before and after, and beside those of the statement."""
    found = batch.figures
    stated = found.get("statement", {})
    compared = [
        {
            "what": row.get("currency") or row.get("instrument"),
            "day": row["day"],
            "statement": _amount(row, "statement"),
            "ledger": _amount(row, "ledger"),
            "difference": _amount(row, "difference", signed=True),
            "agrees": row["agrees"],
        }
        for row in [*stated.get("cash", ()), *stated.get("holdings", ())]
    ]
    moved = [
        {"what": row.get("currency") or row.get("instrument"), "before": _amount(row, "before"), "after": _amount(row, "after")}
        for row in [*found.get("cash", ()), *found.get("holdings", ())]
    ]
    return {
        "moved": moved[:MOST_MOVED],
        "more_moved": max(len(moved) - MOST_MOVED, 0),
        "compared": sorted(compared, key=lambda row: row["agrees"])[:MOST_MOVED],
        "off": sum(not row["agrees"] for row in compared),
    }


def _amount(row: Mapping[str, Any], name: str, *, signed: bool = False) -> str:
    """Return an amount of cash, or a number of units."""
    number = Decimal(row[name])
    return money_text(number, row["currency"], signed=signed) if "currency" in row else quantity_text(number, signed=signed)


def questions_of(batch: ImportBatch) -> dict[str, Any]:
    """Return what a file leaves open, each with the instruments that come into question."""
    if not batch.format or batch.status == ImportStatus.UNDONE:
        return {"open": [], "more": 0}
    asked = list(ImportQuestion.objects.filter(batch=batch, instrument__isnull=True).order_by("first_line", "pk"))
    shown = asked[:MOST_QUESTIONS]
    known = find_each({key for question in shown for key in question.candidates}) if shown else {}
    rows = [
        {
            "question": question,
            "hints": {name: text for name, text in question.hints.items() if name in SAID},
            "candidates": [found for key in question.candidates if isinstance(found := known.get(key), Instrument)],
        }
        for question in shown
    ]
    return {"open": rows, "more": len(asked) - len(shown)}


SAID = ("name", "isin", "figi", "cusip", "wkn", "venue", "exchange", "currency")
