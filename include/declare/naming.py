"""Names of the source's things as the warehouse, tasks and files can have them."""

import keyword
import re
from collections.abc import Iterable
from unicodedata import normalize

WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
LONGEST = 48
"""So that what is put before and behind a name still fits: `current_`, `_record_id`, the name of a foreign key."""


def fold(name: str) -> str:
    """A name in lower-case words of a to z and digits: "order_lines" for "OrderLines", "strasse" for "Straße"."""
    plain = normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    words = [word.lower() for part in re.split(r"[^A-Za-z0-9]+", plain) for word in WORD.findall(part)]
    folded = "_".join(words)[:LONGEST].rstrip("_") or "unnamed"
    return f"n{folded}" if folded[0].isdigit() else folded


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


def variable(name: str) -> str:
    """A name as one of Python's."""
    return f"{name}_" if keyword.iskeyword(name) or keyword.issoftkeyword(name) else name
