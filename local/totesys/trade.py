"""Ordinary business: orders come in, payments go out, the parties grow in number.

Every behaviour is one function: from a desk, inside the caller's transaction, to the ids that it touched in
the table that its name tells. Raises: NoRowError when there is no row to act on.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal

from psycopg import sql

from local.totesys import parties, texts
from local.totesys.desk import REFER, Desk, NoRowError, Touched, Values
from local.totesys.parties import Row
from local.totesys.schema import TABLE
from local.totesys.settling import PAYMENTS_PER_MILLISECOND, TERM_DAYS

MORE_CURRENCIES = ("JPY", "CHF", "SEK", "PLN", "AUD", "CAD", "INR", "BRL", "TRY", "NOK")
# The payments that do the opposite of what the rule says of them: the same ones whenever they are asked for.
UNRULY = sql.SQL("abs(mod(hashint4extended(payment_id, 0), 1000000)) < %(unruly)s * 1000000")
PAY_BATCH = sql.SQL("""
WITH due AS (
    SELECT payment_id FROM payment
     WHERE NOT paid AND payment_date = %(today)s AND created_at < %(today)s::date AND NOT ({unruly})
       FOR NO KEY UPDATE SKIP LOCKED
), ranked AS (
    SELECT payment_id, row_number() OVER (ORDER BY payment_id) - 1 AS place FROM due
)
UPDATE payment SET paid = true, last_updated = %(now)s::timestamp + place / %(together)s * interval '1 millisecond'
FROM ranked WHERE payment.payment_id = ranked.payment_id RETURNING payment.payment_id
""")
PAY_BY_HAND = sql.SQL("""
UPDATE payment SET paid = true, last_updated = payment_date::date + time '19:00:11'
 WHERE NOT paid AND payment_date = ANY(%(days)s) AND ({unruly})
   AND (payment_date = ANY(%(without)s) OR created_at >= payment_date::date)
RETURNING payment_id
""")


def insert_sale(desk: Desk) -> Touched:
    """Inserts a sales order, its transaction and its payment, all created in the same millisecond."""
    return [place_sale(desk, {})]


def reinsert_sale(desk: Desk) -> Touched:
    """Inserts a new sales order, transaction and payment under the id of an order that this desk deleted."""
    if not desk.deleted_sales:
        raise NoRowError("no sales order was deleted at this desk")
    return [place_sale(desk, {"sales_order_id": desk.deleted_sales.pop()})]


def insert_purchase(desk: Desk) -> Touched:
    """Inserts a purchase order, its transaction and its payment, all created in the same millisecond."""
    now, rng = desk.now(), desk.rng
    quantity, price = rng.randint(1, 999), hundredths(rng.randint(332, 99_907))
    terms = agree_terms(desk, now)
    goods = {
        "item_code": texts.awkward_or(rng, texts.item_code(rng), 0.02),
        "item_quantity": quantity,
        "item_unit_price": price,
    }
    order = desk.insert("purchase_order", {**goods, **terms}, now)
    transaction = {"transaction_type": "PURCHASE", "purchase_order_id": order}
    owe(
        desk,
        transaction,
        terms,
        {"payment_amount": quantity * price, "payment_type_id": payment_type(desk, 3)},
        now,
    )
    return [order]


def pay_batch(desk: Desk) -> Touched:
    """Pays what is due today and was created before, at most PAYMENTS_PER_MILLISECOND in one millisecond."""
    now = desk.now()
    if not desk.rule.runs_on(now.date()):
        raise NoRowError("no batch runs today")
    asked = {"today": now.date().isoformat(), "now": now, "together": PAYMENTS_PER_MILLISECOND}
    return pay(desk, PAY_BATCH, asked)


def pay_by_hand(desk: Desk) -> Touched:
    """Pays, as of their evening, unruly payments that were due in the last days and that no batch pays."""
    days = [desk.now().date() - timedelta(days=days) for days in range(1, 4)]  # since Friday's batch, on a Monday
    without = [day for day in days if not desk.rule.runs_on(day)]
    return pay(desk, PAY_BY_HAND, {"days": texts_of(days), "without": texts_of(without)})


def pay(desk: Desk, statement: sql.SQL, asked: dict[str, object]) -> Touched:
    """Pays what a statement finds; gives the ids. Raises: NoRowError when it finds nothing."""
    unruly = UNRULY if desk.rule.unruly else sql.SQL("false")
    paid = desk.connection.execute(statement.format(unruly=unruly), {**asked, "unruly": desk.rule.unruly}).fetchall()
    if not paid:
        raise NoRowError("no payment is to be paid")
    return sorted(key for (key,) in paid)


def texts_of(days: list[date]) -> list[str]:
    """Days as the source writes them."""
    return [day.isoformat() for day in days]


def insert_design(desk: Desk) -> Touched:
    """Inserts a design that no order uses yet."""
    return [insert_party(desk, "design", parties.design(desk.rng))]


def insert_counterparty(desk: Desk) -> Touched:
    """Inserts a counterparty at a new address."""
    address = insert_party(desk, "address", parties.address(desk.rng))
    name, _, *contacts = parties.counterparty(desk.rng, 1)
    return [insert_party(desk, "counterparty", (name, address, *contacts))]


def insert_department(desk: Desk) -> Touched:
    """Inserts a department without staff."""
    return [insert_party(desk, "department", parties.department(desk.rng, "New ventures"))]


def insert_staff(desk: Desk) -> Touched:
    """Inserts a member of staff in some department."""
    forename, surname, _, email = parties.employee(desk.rng, 1)
    return [insert_party(desk, "staff", (forename, surname, desk.pick("department", REFER), email))]


def insert_currency(desk: Desk) -> Touched:
    """Inserts a currency that is not there yet, until there are thirteen."""
    known = {code for (code,) in desk.connection.execute("SELECT currency_code FROM currency")}
    unknown = [code for code in MORE_CURRENCIES if code not in known]
    if not unknown:
        raise NoRowError("every currency is there")
    return [insert_party(desk, "currency", (desk.rng.choice(unknown),))]


def place_sale(desk: Desk, key: Values) -> int:
    """Inserts a sale whole, under the given key if there is one; gives the id of the order."""
    now, rng = desk.now(), desk.rng
    units, price = rng.randint(1_001, 99_973), hundredths(rng.randint(200, 400))
    terms = agree_terms(desk, now)
    goods = {"design_id": desk.pick("design", REFER), "units_sold": units, "unit_price": price}
    order = desk.insert("sales_order", {**key, **goods, **terms}, now)
    transaction = {"transaction_type": "SALE", "sales_order_id": order}
    owe(
        desk,
        transaction,
        terms,
        {"payment_amount": units * price, "payment_type_id": payment_type(desk, 1)},
        now,
    )
    return order


def agree_terms(desk: Desk, now: datetime) -> dict[str, object]:
    """The columns that sales and purchase orders have in common."""
    return {
        "staff_id": desk.pick("staff", REFER),
        "counterparty_id": desk.pick("counterparty", REFER),
        "currency_id": desk.pick("currency", REFER),
        "agreed_delivery_date": coming_date(desk, now),
        "agreed_payment_date": due_date(desk, now),
        "agreed_delivery_location_id": desk.pick("address", REFER),
    }


def owe(desk: Desk, transaction: Values, terms: Values, amount: Values, now: datetime) -> None:
    """Inserts an order's transaction and its payment, not paid yet."""
    payment = {
        "transaction_id": desk.insert("transaction", transaction, now),
        "counterparty_id": terms["counterparty_id"],
        "currency_id": terms["currency_id"],
        "paid": False,
        "payment_date": terms["agreed_payment_date"],
        "company_ac_number": desk.rng.randrange(10_000_000, 100_000_000),
        "counterparty_ac_number": desk.rng.randrange(10_000_000, 100_000_000),
    }
    desk.insert("payment", {**payment, **amount}, now)


def insert_party(desk: Desk, name: str, row: Row) -> int:
    """Inserts a row, given as its columns in the declared order; gives its key."""
    columns = (column.name for column in TABLE[name].columns)
    return desk.insert(name, dict(zip(columns, row, strict=True)), desk.now())


def payment_type(desk: Desk, receipt_id: int) -> int:
    """The id of a payment type: the given one, or in 3 of 100 calls the refund that follows it."""
    return receipt_id + (desk.rng.random() < 0.03)


def due_date(desk: Desk, now: datetime) -> str:
    """The day of a moment in the next TERM_DAYS days, as the source writes days; it may be today."""
    return (now + timedelta(days=TERM_DAYS) * desk.rng.random()).date().isoformat()


def coming_date(desk: Desk, now: datetime) -> str:
    """A day of the next week as the source writes days, YYYY-MM-DD."""
    return (now + timedelta(days=desk.rng.randint(1, 7))).date().isoformat()


def hundredths(count: int) -> Decimal:
    """That many hundredths, exactly."""
    return Decimal(count).scaleb(-2)
