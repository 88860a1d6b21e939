"""What every declaration is held to: names, types and keys; a wrong one fails when it is made, with its name."""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from include.common.errors import DeclarationError
from include.tables.types import PLAIN, Type, known_type, parse

IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")

Key = str | tuple[str, ...]
"""The column that rows are known by, or several that tell them apart together."""

SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
"""What every table of PostgreSQL's has already. Source: "System Columns" in its manual."""

IDENTIFIER_BYTES = 63
"""The longest name in PostgreSQL. Source: NAMEDATALEN in its pg_config_manual.h."""


DIGEST_DIGITS = 8
"""How much of a digest ends a name that would be too long."""


def require(condition: bool, message: str) -> None:
    """Refuse a declaration. Raises: DeclarationError with the message, where the condition does not hold."""
    if not condition:
        raise DeclarationError(message)


TYPES = (
    f"{', '.join(sorted(PLAIN))}, varchar(n), char(n), numeric(p,s), with digits of a second time(n), timestamp(n), "
    'timestamptz(n), interval(n), arrays of these as integer[], or any other by its name in quotes, as "mood": it is '
    "read as its text"
)
"""What a declaration may say, for people."""


def require_type(declared: str, where: str) -> Type:
    """What is known of a type. Raises: DeclarationError that names where it is declared, for one that is unknown."""
    known = parse(declared)
    if known is None:
        raise DeclarationError(f"{where}: unknown type {declared!r}; use {TYPES}")
    return known


def require_names(table: str, columns: Iterable[str]) -> None:
    """Refuse names that the pipeline cannot give to what it makes: tables, columns, tasks and files."""
    names = [table, *columns]
    for name in names:
        require(bool(IDENTIFIER.fullmatch(name)), f"{table}: {name!r} is not a lower-case SQL identifier")
    require_once(table, names[1:])
    taken = sorted(set(names[1:]) & set(SYSTEM_COLUMNS))
    require(not taken, f"{table}: a column cannot be called {', '.join(taken)}, as PostgreSQL has such in every table")


def require_found_names(table: str, names: Iterable[str]) -> None:
    """Refuse names that nothing in a PostgreSQL database can have."""
    for name in names:
        size = len(name.encode(errors="surrogateescape"))
        fits = 0 < size <= IDENTIFIER_BYTES and "\0" not in name
        require(fits, f"{table}: {name!r} is no name in PostgreSQL, which has 1 to {IDENTIFIER_BYTES} bytes")


def require_key(table: str, key: tuple[str, ...], kinds: Mapping[str, str]) -> None:
    """Refuse a key that is none. kinds: column → its type."""
    require(bool(key), f"{table}: it has no key")
    require_once(table, list(key))
    for name in key:
        require(name in kinds, f"{table}: the key {name!r} is not among its columns")
        comparable = known_type(kinds[name]).comparable
        require(comparable, f"{table}: the key {name!r} is {kinds[name]}, and no two of those are compared")


def as_tuple(key: Key) -> tuple[str, ...]:
    """The columns of a key."""
    return (key,) if isinstance(key, str) else key


def fitting(name: str) -> str:
    """A name that is made of others: as it is, or where PostgreSQL would cut it with a digest for an end."""
    if len(name) <= IDENTIFIER_BYTES:
        return name
    return f"{name[: IDENTIFIER_BYTES - DIGEST_DIGITS - 1]}_{sha256(name.encode()).hexdigest()[:DIGEST_DIGITS]}"


def require_once(table: str, columns: list[str]) -> None:
    """Refuse columns that are declared twice."""
    twice = {name for name in columns if columns.count(name) > 1}
    require(not twice, f"{table}: declared twice: {sorted(twice)}")
