"""Texts in files that people open with a spreadsheet, which takes some of them for formulas and runs them."""

import re

# what it passes over before it looks: blanks, signs that do not show, and apostrophes, of which one was perhaps ours; Polars
# reads the pattern, too
UNSEEN = r"\s\x00-\x20\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb'"
FORMULA = rf"^(?:[{UNSEEN}]*[=+\-@\u207a\u207b\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]|'*[\t\r\n])"
_FORMULA = re.compile(FORMULA)


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
