"""The shop's tables. They are read in this order."""

from include.tables.source import SourceColumn, SourceTable


def _table(name: str, *columns: SourceColumn) -> SourceTable:
    """A table of the shop: its key, its own columns, and the two stamps that every one of them has."""
    key = f"{name}_id"
    stamps = (SourceColumn("created_at", "timestamp(3)"), SourceColumn("last_updated", "timestamp(3)"))
    own = (SourceColumn(key, "integer"), *stamps, *columns)
    return SourceTable(name, key, own, stamp="last_updated", created="created_at")


def _reference(table: str) -> SourceColumn:
    return SourceColumn(f"{table}_id", "integer", references=table)


def _text(name: str, nullable: bool = False) -> SourceColumn:
    return SourceColumn(name, "text", nullable)


branch = _table("branch", _text("branch_name"), _text("town", nullable=True), _text("manager", nullable=True))

currency = _table("currency", SourceColumn("currency_code", "varchar(3)"))

method = _table("method", _text("method_name"))

product = _table("product", _text("product_name"), _text("shelf"), _text("label"))

clerk = _table("clerk", _text("first_name"), _text("last_name"), _reference("branch"), _text("email_address"))

sale = _table(
    "sale",
    _reference("product"),
    _reference("clerk"),
    SourceColumn("units_sold", "integer"),
    SourceColumn("unit_price", "numeric(10,2)"),
    _reference("currency"),
    _text("delivery_date"),
)

payment = _table(
    "payment",
    _reference("sale"),
    SourceColumn("payment_amount", "numeric(10,2)"),
    _reference("currency"),
    _reference("method"),
    SourceColumn("paid", "boolean"),
    _text("payment_date"),
)
