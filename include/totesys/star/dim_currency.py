"""Currencies, with their English names from ISO 4217."""

from include.tables.star import Column, Dimension
from include.totesys.sources import currency


def iso_4217_name(code: str) -> str:
    """The English name of the currency with this alphabetic code, "Pound Sterling" for "GBP".

    Raises: LookupError where ISO 4217 has no such code; the row is rejected with its message.
    Source: ISO 4217, as the package pycountry holds it.
    """
    import pycountry  # not at import: a DAG file that is parsed must stay cheap

    currency = pycountry.currencies.get(alpha_3=code)
    if currency is None:
        raise LookupError(f"{code!r} is not a currency code of ISO 4217")
    return str(currency.name)


dim_currency = Dimension(
    name="dim_currency",
    key="currency_id",
    source=currency,
    description="A currency that prices are in.",
    columns=(
        Column("currency_id", "integer", "currency_id", description="The source's key."),
        Column("currency_code", "text", "currency_code", description="ISO 4217 alphabetic code."),
        Column(
            "currency_name",
            "text",
            "currency_code",
            derive=iso_4217_name,
            description="ISO 4217 English name.",
        ),
    ),
)
