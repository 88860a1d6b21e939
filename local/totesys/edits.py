"""Changes to rows that exist, with and without a trace in last_updated.

Every behaviour is one function: from a desk, inside the caller's transaction, to the ids that it touched in
the table that its name tells. Raises: NoRowError when there is no row to act on.
"""

from psycopg import sql

from local.totesys import texts
from local.totesys.desk import REFER, REMOVE, Desk, Touched
from local.totesys.schema import TABLE
from local.totesys.trade import coming_date, hundredths

# Source: totesys.md for orders and designs; the columns of the others are those that a warehouse shows.
REVISABLE: dict[str, tuple[str, ...]] = {
    "sales_order": ("design_id", "staff_id", "agreed_delivery_date", "agreed_delivery_location_id"),
    "purchase_order": ("staff_id", "agreed_delivery_date", "agreed_delivery_location_id", "item_code"),
    "design": ("file_location", "file_name", "design_name"),
    "payment": ("payment_amount", "company_ac_number", "counterparty_ac_number"),
    "department": ("department_name", "location", "location", "manager"),
    "address": tuple(column.name for column in TABLE["address"].columns),
    "staff": tuple(column.name for column in TABLE["staff"].columns),
    "counterparty": tuple(column.name for column in TABLE["counterparty"].columns),
}


def rewrite_sale_silently(desk: Desk) -> Touched:
    """Rewrites a column of a sales order and leaves last_updated as it is."""
    return revise(desk, "sales_order", silently=True)


def rewrite_purchase_silently(desk: Desk) -> Touched:
    """Rewrites a column of a purchase order and leaves last_updated as it is."""
    return revise(desk, "purchase_order", silently=True)


def rewrite_design_silently(desk: Desk) -> Touched:
    """Rewrites a column of a design and leaves last_updated as it is."""
    return revise(desk, "design", silently=True)


def rewrite_payment_silently(desk: Desk) -> Touched:
    """Rewrites an amount or an account number of a payment and leaves last_updated as it is."""
    return revise(desk, "payment", silently=True)


def amend_sale(desk: Desk) -> Touched:
    """Rewrites a column of a sales order and stamps last_updated."""
    return revise(desk, "sales_order", silently=False)


def amend_purchase(desk: Desk) -> Touched:
    """Rewrites a column of a purchase order and stamps last_updated."""
    return revise(desk, "purchase_order", silently=False)


def touch_sale(desk: Desk) -> Touched:
    """Stamps last_updated of a sales order and changes nothing else."""
    key = desk.pick("sales_order")
    desk.update("sales_order", key, {"last_updated": desk.now()})
    return [key]


def rewrite_sale_unchanged(desk: Desk) -> Touched:
    """Writes a sales order again with the values it has: a new row version, and no change."""
    key = desk.pick("sales_order")
    desk.connection.execute("UPDATE sales_order SET units_sold = units_sold WHERE sales_order_id = %s", [key])
    return [key]


def renumber_sale(desk: Desk) -> Touched:
    """Changes the id of a sales order, and by cascade its transaction's reference; gives old id and new."""
    key = desk.pick("sales_order", REMOVE)
    new_key = desk.first(sql.SQL("SELECT nextval(pg_get_serial_sequence('sales_order', 'sales_order_id'))"))
    desk.update("sales_order", key, {"sales_order_id": new_key})
    return [key, new_key]


def edit_department(desk: Desk) -> Touched:
    """Rewrites a column of a department, silently or not."""
    return revise(desk, "department", silently=desk.rng.random() < 0.5)


def edit_address(desk: Desk) -> Touched:
    """Rewrites a column of an address, silently or not."""
    return revise(desk, "address", silently=desk.rng.random() < 0.5)


def edit_staff(desk: Desk) -> Touched:
    """Rewrites a column of a member of staff, silently or not."""
    return revise(desk, "staff", silently=desk.rng.random() < 0.5)


def edit_counterparty(desk: Desk) -> Touched:
    """Rewrites a column of a counterparty, silently or not."""
    return revise(desk, "counterparty", silently=desk.rng.random() < 0.5)


def spoil_sale_date(desk: Desk) -> Touched:
    """Puts an impossible date into a sales order, silently."""
    return spoil(desk, "sales_order")


def repair_sale_date(desk: Desk) -> Touched:
    """Puts a possible date into the first sales order with an impossible one, silently."""
    return repair(desk, "sales_order")


def spoil_purchase_date(desk: Desk) -> Touched:
    """Puts an impossible date into a purchase order, silently."""
    return spoil(desk, "purchase_order")


def repair_purchase_date(desk: Desk) -> Touched:
    """Puts a possible date into the first purchase order with an impossible one, silently."""
    return repair(desk, "purchase_order")


def spoil_payment_date(desk: Desk) -> Touched:
    """Puts an impossible date into a payment, silently."""
    return spoil(desk, "payment")


def repair_payment_date(desk: Desk) -> Touched:
    """Puts a possible date into the first payment with an impossible one, silently."""
    return repair(desk, "payment")


def spoil(desk: Desk, name: str) -> Touched:
    """Puts an impossible date into a row of a table."""
    key = desk.pick(name)
    desk.update(name, key, {texts.SPOILT_COLUMN[name]: desk.rng.choice(texts.BAD_DATES)})
    return [key]


def repair(desk: Desk, name: str) -> Touched:
    """Puts a possible date into the first row of a table with an impossible one."""
    column = texts.SPOILT_COLUMN[name]
    find = sql.SQL("SELECT {0} FROM {1} WHERE {2} = ANY(%s) ORDER BY {0} LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED").format(
        sql.Identifier(TABLE[name].key), sql.Identifier(name), sql.Identifier(column)
    )
    key = desk.first(find, list(texts.BAD_DATES))
    desk.update(name, key, {column: coming_date(desk, desk.now())})
    return [key]


def revise(desk: Desk, name: str, *, silently: bool) -> Touched:
    """Rewrites one column of one row of a table; stamps last_updated unless silently."""
    key = desk.pick(name)
    column = desk.rng.choice(REVISABLE[name])
    stamp = {} if silently else {"last_updated": desk.now()}
    desk.update(name, key, {column: new_value(desk, name, column), **stamp})
    return [key]


def new_value(desk: Desk, name: str, column: str) -> object:
    """A value such as that column holds: a reference to a row that exists, a date, a number or text."""
    declared = next(one for one in TABLE[name].columns if one.name == column)
    if declared.references:
        return desk.pick(declared.references, REFER)
    if column.endswith("_date"):
        return coming_date(desk, desk.now())
    if declared.type == "integer":
        return desk.rng.randrange(10_000_000, 100_000_000)
    if declared.type.startswith("numeric"):
        return hundredths(desk.rng.randint(200, 40_000_000))
    if declared.nullable:
        return texts.optional(desk.rng, texts.person(desk.rng))
    return new_text(desk, column)


def new_text(desk: Desk, column: str) -> str:
    """Text for a column that must have some: of the right form if it has one, else awkward half the time."""
    formed = {"postal_code": texts.postal_code, "phone": texts.phone, "item_code": texts.item_code}
    if column in formed:
        return formed[column](desk.rng)
    return texts.awkward_or(desk.rng, texts.person(desk.rng), 0.5)
