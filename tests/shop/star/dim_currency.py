"""Currencies, with a name that is looked up."""

from include.tables.star import Column, Dimension

from ..sources import currency

NAMES = {"GBP": "Pound Sterling", "USD": "US Dollar", "EUR": "Euro"}


def name_of(code: str) -> str:
    """The English name of the currency with this code.

    Raises: LookupError where it has none; the row is rejected with its message.
    """
    if code not in NAMES:
        raise LookupError(f"{code!r} is no code of a currency")
    return NAMES[code]


dim_currency = Dimension(
    name="dim_currency",
    key="currency_id",
    source=currency,
    description="A currency that prices are in.",
    columns=(
        Column("currency_id", "integer", "currency_id"),
        Column("currency_code", "text", "currency_code"),
        Column("currency_name", "text", "currency_code", derive=name_of),
    ),
)
