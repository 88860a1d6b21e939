"""Names of the source's things as the warehouse, tasks and files can have them."""

import keyword
import re
from collections.abc import Iterable
from unicodedata import category
from unicodedata import name as name_of

from slugify import slugify

PLAIN = re.compile(r"[a-z][a-z0-9_]*")
"""Names that can stay."""

WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
LONGEST = 48
"""So that what is put before and behind a name still fits: `current_`, `_record_id`, the name of a foreign key."""


def fold(name: str) -> str:
    """A name in lower-case words of a to z and digits: "order_lines" for "OrderLines", "tovary" for "товары".

    One that has no letters is told by those of its signs: "rocket" for "🚀".
    """
    if PLAIN.fullmatch(name) and len(name) <= LONGEST:
        return name
    plain = _in_latin(name) or _in_latin(" ".join(name_of(sign) for sign in name if category(sign) == "So").lower())
    words = [word.lower() for part in plain.split() for word in WORD.findall(part)]
    folded = "_".join(words)[:LONGEST].rstrip("_") or "unnamed"
    return f"n{folded}" if folded[0].isdigit() else folded


def _in_latin(name: str) -> str:
    return slugify(name, lowercase=False, separator=" ", entities=False, decimal=False, hexadecimal=False)


def distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """These names, those that stood before, or are taken, with a number behind."""
    used, made = set(taken), list[str]()
    for name in names:
        number, candidate = 2, name
        while candidate in used:
            candidate, number = f"{name}_{number}", number + 1
        used.add(candidate)
        made.append(candidate)
    return made


def singular(noun: str) -> str:
    """A noun of a table's name as one row is called: "category" for "categories", "box" for "boxes"."""
    if noun.endswith("ies"):
        return f"{noun.removesuffix('ies')}y"
    if noun.endswith(("sses", "xes", "ches", "shes")):
        return noun.removesuffix("es")
    return noun if noun.endswith(("ss", "us", "is")) else noun.removesuffix("s")


def variable(name: str) -> str:
    """A name as one of Python's."""
    return f"{name}_" if keyword.iskeyword(name) or keyword.issoftkeyword(name) else name
