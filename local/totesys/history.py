"""Fills an empty ToteSys with a past: as many deals as asked for, and the parties to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from psycopg import sql

from local.totesys import ddl, parties, rows, texts, wire
from local.totesys.connection import Connection
from local.totesys.deals import Book
from local.totesys.errors import SimulatorError
from local.totesys.parties import Row
from local.totesys.schema import DEAL_TABLES, TABLE, TABLES, Table
from local.totesys.settling import RULE, Rule

# Source: totesys.md, sizes on 2024-08-22.
SALES_ORDERS = 9_845
PURCHASE_ORDERS = 4_114
DESIGNS = 424
# Above this, transaction ids would outgrow an integer.
MOST_SALES_ORDERS = 1_500_000_000
# Source: totesys.md, rows rewritten in three months without their last_updated changing.
SILENT_REWRITES = {
    "sales_order": ("staff_id", 24),
    "purchase_order": ("staff_id", 23),
    "design": ("file_location", 26),
}


@dataclass(frozen=True)
class Oddities:
    """What a past may have that is not as it should be.

    bad_rows: how many rows hold an impossible date. rule: which payments were paid on their day.
    """

    bad_rows: int = 0
    rule: Rule = RULE


NONE = Oddities()


def fill(
    connection: Connection,
    sales_orders: int = SALES_ORDERS,
    seed: int = 0,
    *,
    only_sales: bool = False,
    oddities: Oddities = NONE,
) -> dict[str, int]:
    """On an open connection, fills the empty tables; gives the number of rows by table.

    One transaction, which the caller commits unless the connection does. Purchase orders are in the measured
    proportion to sales orders, transactions and payments are one for each order, designs grow with the root
    of the size; `only_sales` leaves out the former three. Payments are paid by the rule, and rows are valid, but for
    the oddities. The same arguments give the same rows.
    Raises: SimulatorError when the schema is missing, a table has rows, or a number is out of range.
    """
    check_sizes(sales_orders, seed, oddities.bad_rows)
    ddl.require_schema(connection)
    book = Book(
        seed=seed,
        sales=sales_orders,
        purchases=0 if only_sales else round(sales_orders * PURCHASE_ORDERS / SALES_ORDERS),
        designs=round(DESIGNS * max(1.0, sales_orders / SALES_ORDERS) ** 0.5),
        rule=oddities.rule,
    )
    tables = DEAL_TABLES[:1] if only_sales else DEAL_TABLES
    with connection.transaction():
        require_empty(connection)
        copy_parties(connection, book)
        copy_deals(connection, book, tables)
        rewrite_silently(connection, book)
        spoil_dates(connection, tables, oddities.bad_rows)
        return finish(connection)


def check_sizes(sales_orders: int, seed: int, bad_rows: int) -> None:
    """Raises: SimulatorError when a number is out of range."""
    for name, value in (("sales orders", sales_orders), ("seed", seed), ("bad rows", bad_rows)):
        if value < 0:
            raise SimulatorError(f"{name} must not be negative: {value}")
    if sales_orders > MOST_SALES_ORDERS:
        raise SimulatorError(f"sales orders must not be more than {MOST_SALES_ORDERS}: {sales_orders}")
    if bad_rows > sales_orders:
        raise SimulatorError(f"bad rows ({bad_rows}) must not outnumber sales orders ({sales_orders})")


def require_empty(connection: Connection) -> None:
    """Raises: SimulatorError when a table has a row."""
    for table in TABLES:
        query = sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(table.name))
        if connection.execute(query).fetchone() is not None:
            raise SimulatorError(f"table {table.name} has rows already; run create --replace first")


def copy_parties(connection: Connection, book: Book) -> None:
    """Copies the small tables in, row by row."""
    for name, party_rows in parties.party_rows(book.seed, book.designs).items():
        copy_rows(connection, TABLE[name], party_rows)


def copy_rows(connection: Connection, table: Table, table_rows: Sequence[Row]) -> None:
    """Copies whole rows, in the order of the table's columns."""
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table.name))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in table_rows:
            copy.write_row(row)


def copy_deals(connection: Connection, book: Book, tables: Sequence[Table]) -> None:
    """Copies deals into these tables, which stand without keys and references meanwhile, for speed."""
    connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
    ddl.drop_constraints(connection, DEAL_TABLES)
    for table in tables:
        copy_chunks(connection, book, table)
    ddl.add_keys(connection, DEAL_TABLES)
    ddl.add_references(connection, DEAL_TABLES)


def copy_chunks(connection: Connection, book: Book, table: Table) -> None:
    """Copies one table, made anew from the book chunk by chunk so that memory stays bounded."""
    encode = rows.ROWS[table.name]
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(table.name))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(wire.HEADER)
        for deals in book.chunks():
            copy.write(encode(deals))
        copy.write(wire.TRAILER)


def rewrite_silently(connection: Connection, book: Book) -> None:
    """Exchanges a column between a few rows of the tables that do so, and leaves last_updated as it is."""
    rng = Random(f"rewrites {book.seed}")
    sizes = {"sales_order": book.sales, "purchase_order": book.purchases, "design": book.designs}
    for name, (column, count) in SILENT_REWRITES.items():
        keys = rng.sample(range(1, sizes[name] + 1), min(count, sizes[name]))
        values = [rng.choice(texts.FOLDERS) if name == "design" else rng.randrange(1, parties.STAFF + 1) for _ in keys]
        overwrite(connection, TABLE[name], column, keys, values)


def spoil_dates(connection: Connection, tables: Sequence[Table], bad_rows: int) -> None:
    """Puts impossible dates into so many of the first rows, dealt out over the tables in turn."""
    for place, table in enumerate(spoilt := [table for table in tables if table.name in texts.SPOILT_COLUMN]):
        turns = range(place, bad_rows, len(spoilt))
        bad_dates = [texts.BAD_DATES[turn % len(texts.BAD_DATES)] for turn in turns]
        overwrite(connection, table, texts.SPOILT_COLUMN[table.name], range(1, len(turns) + 1), bad_dates)


def overwrite(connection: Connection, table: Table, column: str, keys: Sequence[int], values: Sequence[object]) -> None:
    """Sets one column of the rows with these keys to these values, one for each."""
    statement = sql.SQL("UPDATE {} SET {} = %s WHERE {} = %s").format(
        sql.Identifier(table.name), sql.Identifier(column), sql.Identifier(table.key)
    )
    connection.cursor().executemany(statement, list(zip(values, keys, strict=True)))


def finish(connection: Connection) -> dict[str, int]:
    """Moves sequences past the last keys and gathers statistics; gives the number of rows by table."""
    counts = {}
    for table in TABLES:
        name, key = sql.Identifier(table.name), sql.Identifier(table.key)
        (count, last), *_ = connection.execute(sql.SQL("SELECT count(*), max({}) FROM {}").format(key, name))
        if last is not None:
            connection.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [table.name, table.key, last])
        connection.execute(sql.SQL("ANALYZE {}").format(name))
        counts[table.name] = count
    return counts
