"""What is asked of ToteSys's rows. The first is worth an answer; the others are asked to show that they have none."""

from include.tables.question import Exceeds, Feature, Named, Question, Settled
from include.totesys.star.fact_payment import fact_payment
from include.totesys.star.fact_sales_order import fact_sales_order

CURRENCY = Feature("currency", "value", ("currency_id",), "its currency is number {}")
COUNTERPARTY = Feature("counterparty", "value", ("counterparty_id",), "its counterparty is number {}")
CREATED_ON = Feature("created_weekday", "weekday", ("created_date",), "it was created on {}")
PAYMENT_TYPE = Feature("payment_type", "value", ("payment_type_id",), "its payment type is number {}")
AMOUNT = Feature("amount_digits", "magnitude", ("payment_amount",), "its amount has {} digits")

payment_settles = Question(
    name="payment_settles",
    fact=fact_payment,
    label=Settled(done="paid", due="payment_date", stamped="last_updated_date"),
    created="created_date",
    features=(
        Feature("due_weekday", "weekday", ("payment_date",), "it falls due on {}"),
        Feature("days_until_due", "days", ("created_date", "payment_date"), "it falls due {} days after its creation"),
        CREATED_ON,
        COUNTERPARTY,
        CURRENCY,
        PAYMENT_TYPE,
        AMOUNT,
    ),
    description="Will this payment settle on its date?",
    scores="payment_score",
    amount="payment_amount",
    currency=Named("currency_id", "currency_code"),
    party=Named("counterparty_id", "counterparty_legal_name"),
    by_hand=(("due_weekday", 1, 5), ("days_until_due", 1, 31)),
    not_for="It tells when the back office pays, not whether a counterparty can: never judge one by it.",
)

counterparty_pays = Question(
    name="counterparty_pays",
    fact=fact_payment,
    label=Settled(done="paid", due="payment_date", stamped="last_updated_date"),
    created="created_date",
    features=(COUNTERPARTY, CURRENCY, PAYMENT_TYPE, AMOUNT),
    description="Does the counterparty, the currency or the amount tell whether a payment settles?",
    not_for="It is asked to show that they tell nothing.",
)

order_is_large = Question(
    name="order_is_large",
    fact=fact_sales_order,
    label=Exceeds(("units_sold", "unit_price"), 150_000),
    created="created_date",
    features=(
        COUNTERPARTY,
        CURRENCY,
        Feature("staff", "value", ("sales_staff_id",), "it was sold by number {}"),
        Feature("design", "value", ("design_id",), "its design is number {}"),
        CREATED_ON,
    ),
    description="Do counterparty, staff, design or currency tell whether a sales order is a large one?",
    not_for="It is asked to show that they tell nothing.",
)
