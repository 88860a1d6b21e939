"""The eleven tables of ToteSys that the pipeline reads, in the words of their DDL. They are read in this order."""

from include.tables.source import SourceColumn, SourceTable


def _table(name: str, *columns: SourceColumn) -> SourceTable:
    """A ToteSys table: its key, its own columns, and the two stamps that every one of them has."""
    key = f"{name}_id"
    stamps = (SourceColumn("created_at", "timestamp(3)"), SourceColumn("last_updated", "timestamp(3)"))
    own = (SourceColumn(key, "integer"), *stamps, *columns)
    return SourceTable(name, key, own, stamp="last_updated", created="created_at")


def _reference(name: str, table: str, nullable: bool = False) -> SourceColumn:
    return SourceColumn(name, "integer", nullable, references=table)


def _text(name: str, nullable: bool = False) -> SourceColumn:
    return SourceColumn(name, "text", nullable)


address = _table(
    "address",
    _text("address_line_1"),
    _text("address_line_2", nullable=True),
    _text("district", nullable=True),
    _text("city"),
    _text("postal_code"),
    _text("country"),
    _text("phone"),
)

counterparty = _table(
    "counterparty",
    _text("counterparty_legal_name"),
    _reference("legal_address_id", "address"),
    _text("commercial_contact", nullable=True),
    _text("delivery_contact", nullable=True),
)

currency = _table("currency", SourceColumn("currency_code", "varchar(3)"))

department = _table(
    "department",
    _text("department_name"),
    _text("location", nullable=True),
    _text("manager", nullable=True),
)

design = _table("design", _text("design_name"), _text("file_location"), _text("file_name"))

staff = _table(
    "staff",
    _text("first_name"),
    _text("last_name"),
    _reference("department_id", "department"),
    _text("email_address"),
)

sales_order = _table(
    "sales_order",
    _reference("design_id", "design"),
    _reference("staff_id", "staff"),
    _reference("counterparty_id", "counterparty"),
    SourceColumn("units_sold", "integer"),
    SourceColumn("unit_price", "numeric(10,2)"),
    _reference("currency_id", "currency"),
    _text("agreed_delivery_date"),
    _text("agreed_payment_date"),
    _reference("agreed_delivery_location_id", "address"),
)

purchase_order = _table(
    "purchase_order",
    _reference("staff_id", "staff"),
    _reference("counterparty_id", "counterparty"),
    _text("item_code"),
    SourceColumn("item_quantity", "integer"),
    SourceColumn("item_unit_price", "numeric(10,2)"),
    _reference("currency_id", "currency"),
    _text("agreed_delivery_date"),
    _text("agreed_payment_date"),
    _reference("agreed_delivery_location_id", "address"),
)

payment_type = _table("payment_type", SourceColumn("payment_type_name", '"PaymentTypeName"'))

transaction = _table(
    "transaction",
    SourceColumn("transaction_type", '"TransactionType"'),
    _reference("sales_order_id", "sales_order", nullable=True),
    _reference("purchase_order_id", "purchase_order", nullable=True),
)

payment = _table(
    "payment",
    _reference("transaction_id", "transaction"),
    _reference("counterparty_id", "counterparty"),
    SourceColumn("payment_amount", "numeric(10,2)"),
    _reference("currency_id", "currency"),
    _reference("payment_type_id", "payment_type"),
    SourceColumn("paid", "boolean"),
    _text("payment_date"),
    SourceColumn("company_ac_number", "integer"),
    SourceColumn("counterparty_ac_number", "integer"),
)
