"""Counterparties, each with its legal address."""

from include.tables.star import Column, Dimension, Join
from include.totesys.sources import address, counterparty


def _legal(name: str, source: str, nullable: bool = False, personal: bool = False) -> Column:
    return Column(f"counterparty_legal_{name}", "text", ("legal_address_id", source), nullable, personal=personal)


dim_counterparty = Dimension(
    name="dim_counterparty",
    key="counterparty_id",
    source=counterparty,
    joins=(Join(address, on="legal_address_id"),),
    description="A company that is sold to or bought from, with its legal address as it is now.",
    columns=(
        Column("counterparty_id", "integer", "counterparty_id", description="The source's key."),
        Column("counterparty_legal_name", "text", "counterparty_legal_name"),
        _legal("address_line_1", "address_line_1", personal=True),
        _legal("address_line_2", "address_line_2", nullable=True, personal=True),
        _legal("district", "district", nullable=True),
        _legal("city", "city"),
        _legal("postal_code", "postal_code"),
        _legal("country", "country"),
        _legal("phone_number", "phone", personal=True),
    ),
)
