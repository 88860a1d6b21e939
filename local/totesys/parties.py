"""The rows of the small tables: who trades, from where, in what."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from local.totesys import texts
from local.totesys.schema import ENUMS

Row = tuple[object, ...]

ADDRESSES = 30
COUNTERPARTIES = 20
STAFF = 20
CURRENCIES = ("GBP", "USD", "EUR")
AWKWARD_DESIGN_STEP = 8
FOUNDED_AT = datetime(2022, 11, 3, 14, 20, 49, 962000, tzinfo=UTC).replace(tzinfo=None)


def party_rows(seed: int, designs: int) -> dict[str, list[Row]]:
    """From a seed and a number of designs, the rows of the seven small tables by table name.

    Each row is its key (from 1), its columns as declared, created_at and last_updated (UTC, no time zone).
    Tables come in an order in which references hold. The same arguments give the same rows.
    """
    rng = Random(f"parties {seed}")
    return {
        "address": stamped(address(rng) for _ in range(ADDRESSES)),
        "counterparty": stamped(counterparty(rng, ADDRESSES) for _ in range(COUNTERPARTIES)),
        "currency": stamped((code,) for code in CURRENCIES),
        "department": stamped(department(rng, name) for name in texts.DEPARTMENTS),
        "design": list(dated_designs(rng, designs)),
        "staff": stamped(employee(rng, len(texts.DEPARTMENTS)) for _ in range(STAFF)),
        "payment_type": stamped((label,) for label in ENUMS["PaymentTypeName"]),
    }


def stamped(values: Iterator[Row]) -> list[Row]:
    """Rows numbered from 1 and dated to the first day."""
    return [(key, *columns, FOUNDED_AT, FOUNDED_AT) for key, columns in enumerate(values, 1)]


def dated_designs(rng: Random, count: int) -> Iterator[Row]:
    """Designs numbered from 1, one new one every day; the names of some go through all awkward texts."""
    for key in range(1, count + 1):
        created_at = FOUNDED_AT + timedelta(days=key % 640, milliseconds=rng.randrange(10_000_000))
        name, *file = design(rng)
        if key % AWKWARD_DESIGN_STEP == 0:
            name = texts.AWKWARD[key // AWKWARD_DESIGN_STEP % len(texts.AWKWARD)]
        yield (key, name, *file, created_at, created_at)


def address(rng: Random) -> Row:
    """The columns of an address."""
    return (
        texts.awkward_or(rng, f"{rng.randrange(1, 9999)} {rng.choice(texts.STREETS)}"),
        texts.optional(rng, f"Flat {rng.randrange(1, 99)}"),
        texts.optional(rng, rng.choice(texts.DISTRICTS)),
        texts.awkward_or(rng, rng.choice(texts.CITIES)),
        texts.postal_code(rng),
        texts.awkward_or(rng, rng.choice(texts.COUNTRIES)),
        texts.phone(rng),
    )


def counterparty(rng: Random, addresses: int) -> Row:
    """The columns of a counterparty whose legal address is one of the first so many."""
    return (
        texts.awkward_or(rng, rng.choice(texts.SURNAMES) + " and Sons"),
        rng.randrange(1, addresses + 1),
        texts.optional(rng, texts.person(rng)),
        texts.optional(rng, texts.person(rng)),
    )


def department(rng: Random, name: str) -> Row:
    """The columns of a department of that name."""
    return (name, texts.optional(rng, rng.choice(texts.CITIES)), texts.optional(rng, texts.person(rng)))


def design(rng: Random) -> Row:
    """The columns of a design."""
    name = rng.choice(texts.DESIGNS)
    file_name = f"{name.lower()}-2022{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}-{texts.digits(rng, 4)}.json"
    return (texts.awkward_or(rng, name), rng.choice(texts.FOLDERS), texts.awkward_or(rng, file_name))


def employee(rng: Random, departments: int) -> Row:
    """The columns of a member of staff in one of the first so many departments."""
    forename, surname = rng.choice(texts.FORENAMES), rng.choice(texts.SURNAMES)
    email = f"{forename}.{surname}@terrifictotes.com".lower().replace(" ", "")
    return (
        texts.awkward_or(rng, forename),
        texts.awkward_or(rng, surname),
        rng.randrange(1, departments + 1),
        email,
    )
