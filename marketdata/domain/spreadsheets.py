"""Texts in files that people open with a spreadsheet, which takes some of them for formulas and runs them."""

import re

# what it passes over before it looks: blanks, quotes, signs that do not show, and apostrophes, of which one was perhaps ours;
# Polars reads the patterns, too
UNSEEN_INSIDE = (
    r"\x00-\x08\x0b\x0c\x0e-\x20\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb'"
    + '"'
)
UNSEEN = rf"\s{UNSEEN_INSIDE}"
STARTERS = r"=+\-@\u207a\u207b\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
FORMULA = rf"^(?:[{UNSEEN}]*[{STARTERS}]|'*[\t\r\n])"
# where cells end for a spreadsheet that takes something else than commas for their ends, or does not mind quotes inside a line
CELL_IN_TEXT = rf"([;\t\r\n])([{UNSEEN_INSIDE}]*[{STARTERS}])"
_FORMULA = re.compile(FORMULA)
_CELL_IN_TEXT = re.compile(CELL_IN_TEXT)
_TOLD_IN_TEXT = re.compile(CELL_IN_TEXT.replace(")(", ")'(", 1))
_CELL_IN_JSON = re.compile(rf";(?=[{UNSEEN_INSIDE}]*[{STARTERS}])")


def looks_like_formula(text: str) -> bool:
    """Say whether a spreadsheet could take a text for a formula, or would if it lost an apostrophe in front.

    >>> looks_like_formula("=1+1"), looks_like_formula(" '-2"), looks_like_formula("Acme (A=B)")
    (True, True, False)
    """
    return _FORMULA.match(text) is not None


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one that it could take for one stands behind an apostrophe.

    >>> harmless("=1+1"), harmless("@SUM(A1)"), harmless(" -2"), harmless("Acme (A=B)")
    ("'=1+1", "'@SUM(A1)", "' -2", 'Acme (A=B)')
    """
    return f"'{text}" if looks_like_formula(text) else text


def harmless_in_csv(text: str) -> str:
    """Return a text that holds no formula either for a spreadsheet that parts cells elsewhere, as many do at semicolons.

    >>> harmless_in_csv("=1"), harmless_in_csv("Acme;=1+1"), harmless_in_csv("Acme; Inc.")
    ("'=1", "Acme;'=1+1", 'Acme; Inc.')
    """
    return harmless(_CELL_IN_TEXT.sub(r"\1'\2", text))


def harmless_json(text: str) -> str:
    r"""Return JSON of which no part is taken for a formula if cells are parted at semicolons; it says the same.

    >>> print(harmless_json('{"name": "Acme;=1+1"}'))
    {"name": "Acme\u003b=1+1"}
    """
    return _CELL_IN_JSON.sub(r"\\u003b", text)


def as_it_was(cell: str) -> str:
    """Return what a cell said before it was made harmless in a CSV file.

    >>> as_it_was("'=1"), as_it_was("Acme;'=1+1"), as_it_was("'tis")
    ('=1', 'Acme;=1+1', "'tis")
    """
    bare = cell[1:] if cell.startswith("'") and looks_like_formula(cell) else cell
    return _TOLD_IN_TEXT.sub(r"\1\2", bare)
