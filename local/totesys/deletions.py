"""What the constraints allow to be deleted, though no dump has shown it yet.

Every behaviour is one function: from a desk, inside the caller's transaction, to the ids that it deleted from
the table that its name tells. Raises: NoRowError when there is no row to delete.
"""

from psycopg import sql

from local.totesys.desk import REMOVE, Desk, Touched

FIND_UNUSED_DESIGN = sql.SQL(
    "SELECT design_id FROM design WHERE NOT EXISTS"
    " (SELECT FROM sales_order WHERE sales_order.design_id = design.design_id)"
    " ORDER BY design_id DESC LIMIT 1 FOR UPDATE SKIP LOCKED"
)


def delete_payment(desk: Desk) -> Touched:
    """Deletes a payment; its transaction and order stay."""
    return delete_one(desk, "payment")


def delete_transaction(desk: Desk) -> Touched:
    """Deletes a transaction after its payment; its order stays."""
    key = desk.pick("transaction", REMOVE)
    desk.connection.execute("DELETE FROM payment WHERE transaction_id = %s", [key])
    desk.delete("transaction", key)
    return [key]


def delete_sale(desk: Desk) -> Touched:
    """Deletes a sales order, which silently sets its transaction's reference to NULL."""
    keys = delete_one(desk, "sales_order")
    desk.deleted_sales.extend(keys)
    return keys


def delete_purchase(desk: Desk) -> Touched:
    """Deletes a purchase order, which silently sets its transaction's reference to NULL."""
    return delete_one(desk, "purchase_order")


def delete_design(desk: Desk) -> Touched:
    """Deletes the newest design that no order uses."""
    key = desk.first(FIND_UNUSED_DESIGN)
    desk.delete("design", key)
    return [key]


def delete_one(desk: Desk, name: str) -> Touched:
    """Deletes one row of a table."""
    key = desk.pick(name, REMOVE)
    desk.delete(name, key)
    return [key]
