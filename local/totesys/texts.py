"""Text as a careless source holds it: everything that a CSV, a shell or a type guess could break."""

from random import Random
from typing import LiteralString

AWKWARD = (
    "O'Keefe's",
    "Côte d'Ivoire",
    'the "old" depot',
    "Lane, Park & Sons",
    "first line\nsecond line",
    "carriage\r\nreturn",
    "column\tcolumn",
    "back\\slash",
    "\\.",
    "\\N",
    "  leading",
    "trailing  ",
    "Łódź",
    "東京都千代田区",
    "crate 📦🚚",
    "e\u0301 decomposed",
    "NULL",
    "null",
    "NA",
    "nan",
    "007",
    "1e5",
    "TRUE",
    "",
    " ",
    '"',
    "'",
    ",",
    "a;b|c",
    "{x}",
    "%s",
    "--",
)
FORENAMES = ("Jeremie", "Deron", "Jeanette", "Ana", "Magdalena", "Zoë", "Björn", "Oswaldo", "Siân", "Nadia")
SURNAMES = (
    "Franey",
    "O'Connell",
    "Beier",
    "Glover",
    "Zieme",
    "D'Amore",
    "Núñez",
    "van der Berg",
    "Kuhn",
    "Lee",
)
STREETS = ("Herzog Via", "Alexie Cliffs", "Sincere Fort", "Kozey Hill", "O'Hara Row", "Hanover Mews")
CITIES = ("New Patienceburgh", "Aliso Viejo", "Lake Charles", "Olsonside", "Fort Shadburgh", "Hackensack")
COUNTRIES = (
    "Turkey",
    "San Marino",
    "Lao People's Democratic Republic",
    "Cote d'Ivoire",
    "Saint Barthélemy",
    "Iran",
)
DISTRICTS = ("Avon", "Bedfordshire", "Cambridgeshire", "Borders")
DEPARTMENTS = (
    "Sales",
    "Purchasing",
    "Production",
    "Dispatch",
    "Finance",
    "Facilities",
    "Communications",
    "HR",
)
DESIGNS = ("Wooden", "Bronze", "Soft", "Frozen", "Granite", "Rubber", "Concrete", "Cotton")
FOLDERS = ("/usr", "/lib", "/private", "/opt/include", "/Users", "/usr/ports")
# Dates of the right type (text), none of which is a day between 1900 and 2100 written YYYY-MM-DD.
BAD_DATES = ("2023-02-30", "not a date", "", "20230101", "2023-1-5", "1899-12-31", "2101-01-01")
# Which column of which table a bad date goes into.
SPOILT_COLUMN: dict[str, LiteralString] = {
    "sales_order": "agreed_delivery_date",
    "purchase_order": "agreed_payment_date",
    "payment": "payment_date",
}


def awkward_or(rng: Random, plain: str, share: float = 0.15) -> str:
    """The plain text, or in that share of the calls (0 to 1) an awkward one instead."""
    return rng.choice(AWKWARD) if rng.random() < share else plain


def optional(rng: Random, plain: str) -> str | None:
    """For a nullable column: NULL or an empty string, each in a fifth of the calls, or text."""
    roll = rng.random()
    if roll < 0.2:
        return None
    return "" if roll < 0.4 else awkward_or(rng, plain)


def person(rng: Random) -> str:
    """A forename and a surname."""
    return rng.choice(FORENAMES) + " " + rng.choice(SURNAMES)


def digits(rng: Random, length: int) -> str:
    """That many digits; leading zeros are as likely as any other."""
    return "".join(rng.choices("0123456789", k=length))


def phone(rng: Random) -> str:
    """A phone number such as `0081 009772`."""
    return f"0{digits(rng, 3)} {digits(rng, 6)}"


def postal_code(rng: Random) -> str:
    """A postal code such as `08841`; half of them begin with zero."""
    return rng.choice("0123456789000000000") + digits(rng, 4)


def item_code(rng: Random) -> str:
    """Seven digits or capital letters."""
    return "".join(rng.choices("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", k=7))
