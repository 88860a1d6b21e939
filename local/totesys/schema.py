"""The tables of ToteSys, as declared by its owner."""

from dataclasses import dataclass
from typing import LiteralString

ENUMS: dict[LiteralString, tuple[LiteralString, ...]] = {
    "PaymentTypeName": ("SALES_RECEIPT", "SALES_REFUND", "PURCHASE_PAYMENT", "PURCHASE_REFUND"),
    "TransactionType": ("SALE", "PURCHASE"),
}


@dataclass(frozen=True)
class Column:
    """One column beside the key and the two timestamps. `references` names the table whose key it holds."""

    name: LiteralString
    type: LiteralString
    nullable: bool = False
    unique: bool = False
    references: LiteralString | None = None
    on_delete: LiteralString = "RESTRICT"

    def __post_init__(self) -> None:
        if self.on_delete not in ("RESTRICT", "SET NULL"):
            raise ValueError(f"column {self.name}: on_delete is RESTRICT or SET NULL, not {self.on_delete}")
        if self.on_delete == "SET NULL" and not self.nullable:
            raise ValueError(f"column {self.name}: SET NULL needs a nullable column")


@dataclass(frozen=True)
class Table:
    """One table. Its key is a serial integer named after it; timestamps are common to all tables."""

    name: LiteralString
    columns: tuple[Column, ...]

    @property
    def key(self) -> LiteralString:
        """The name of the primary key column."""
        return self.name + "_id"


def text(name: LiteralString) -> Column:
    """A text column that must have a value."""
    return Column(name, "text")


def optional_text(name: LiteralString) -> Column:
    """A text column that may be NULL; an empty string is a different value."""
    return Column(name, "text", nullable=True)


def integer(name: LiteralString) -> Column:
    """An integer column that must have a value."""
    return Column(name, "integer")


def money(name: LiteralString) -> Column:
    """An amount with two decimals."""
    return Column(name, "numeric(10,2)")


def reference(table: LiteralString, name: LiteralString = "") -> Column:
    """A reference to a table's key, named like that key unless said otherwise."""
    return Column(name or table + "_id", "integer", references=table)


def one_to_one(table: LiteralString, *, optional: bool = False) -> Column:
    """A unique reference to a table's key; an optional one becomes NULL when its target is deleted."""
    return Column(
        table + "_id",
        "integer",
        nullable=optional,
        unique=True,
        references=table,
        on_delete="SET NULL" if optional else "RESTRICT",
    )


# In an order in which every table comes after those that it refers to.
TABLES = (
    Table(
        "address",
        (
            text("address_line_1"),
            optional_text("address_line_2"),
            optional_text("district"),
            text("city"),
            text("postal_code"),
            text("country"),
            text("phone"),
        ),
    ),
    Table(
        "counterparty",
        (
            text("counterparty_legal_name"),
            reference("address", "legal_address_id"),
            optional_text("commercial_contact"),
            optional_text("delivery_contact"),
        ),
    ),
    Table("currency", (Column("currency_code", "varchar(3)"),)),
    Table("department", (text("department_name"), optional_text("location"), optional_text("manager"))),
    Table("design", (text("design_name"), text("file_location"), text("file_name"))),
    Table("staff", (text("first_name"), text("last_name"), reference("department"), text("email_address"))),
    Table("payment_type", (Column("payment_type_name", '"PaymentTypeName"'),)),
    Table(
        "sales_order",
        (
            reference("design"),
            reference("staff"),
            reference("counterparty"),
            integer("units_sold"),
            money("unit_price"),
            reference("currency"),
            text("agreed_delivery_date"),
            text("agreed_payment_date"),
            reference("address", "agreed_delivery_location_id"),
        ),
    ),
    Table(
        "purchase_order",
        (
            reference("staff"),
            reference("counterparty"),
            text("item_code"),
            integer("item_quantity"),
            money("item_unit_price"),
            reference("currency"),
            text("agreed_delivery_date"),
            text("agreed_payment_date"),
            reference("address", "agreed_delivery_location_id"),
        ),
    ),
    Table(
        "transaction",
        (
            Column("transaction_type", '"TransactionType"'),
            one_to_one("sales_order", optional=True),
            one_to_one("purchase_order", optional=True),
        ),
    ),
    Table(
        "payment",
        (
            one_to_one("transaction"),
            reference("counterparty"),
            money("payment_amount"),
            reference("currency"),
            reference("payment_type"),
            Column("paid", "boolean"),
            text("payment_date"),
            integer("company_ac_number"),
            integer("counterparty_ac_number"),
        ),
    ),
)

TABLE = {table.name: table for table in TABLES}
# The tables that grow with trade; the others are small.
DEAL_TABLES = tuple(TABLE[name] for name in ("sales_order", "purchase_order", "transaction", "payment"))
