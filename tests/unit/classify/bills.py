"""The declarations of a ledger: bills, the firms that send them, and a question about them."""

from dataclasses import replace
from datetime import date

from include.tables.declarations import Declarations
from include.tables.question import Feature, Named, Question, Settled
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Calendar, Column, Dimension, Fact

DAYS = Calendar("days", "date_id", (Column("date_id", "date"),), date(2020, 1, 1), date(2030, 12, 31))
MONEY = SourceTable("money", "id", (SourceColumn("id", "integer"), SourceColumn("code", "text")))
FIRM = SourceTable("firm", "id", (SourceColumn("id", "integer"), SourceColumn("name", "text")))
BILL = SourceTable(
    "bill",
    "id",
    (
        SourceColumn("id", "integer"),
        SourceColumn("firm_id", "integer", references="firm"),
        SourceColumn("money_id", "integer", references="money"),
        SourceColumn("amount", "numeric(10,2)"),
        SourceColumn("paid", "boolean"),
        SourceColumn("code", "integer"),
        SourceColumn("due_on", "date"),
        SourceColumn("made_at", "timestamp(3)"),
        SourceColumn("written_at", "timestamp(3)"),
    ),
    stamp="written_at",
    created="made_at",
)
DIM_MONEY = Dimension("dim_money", "id", MONEY, (Column("id", "integer", "id"), Column("code", "text", "code")))
DIM_FIRM = Dimension("dim_firm", "id", FIRM, (Column("id", "integer", "id"), Column("name", "text", "name")))
FACT = Fact(
    "fact_bill",
    "bill_record_id",
    "id",
    BILL,
    (
        Column("id", "integer", "id"),
        Column("made_on", "date", "made_at", references=DAYS),
        Column("written_on", "date", "written_at", references=DAYS),
        Column("firm_id", "integer", "firm_id", references=DIM_FIRM),
        Column("money_id", "integer", "money_id", references=DIM_MONEY),
        Column("amount", "numeric(10,2)", "amount"),
        Column("paid", "boolean", "paid"),
        Column("code", "integer", "code"),
        Column("due_on", "date", "due_on", references=DAYS),
    ),
)
FIRM_NUMBER = Feature("firm", "value", ("firm_id",), "its firm is number {}")
CODE = Feature("code", "value", ("code",), "its code is {}")
CALENDAR = (
    Feature("due_weekday", "weekday", ("due_on",), "it falls due on {}"),
    Feature("days_until_due", "days", ("made_on", "due_on"), "it falls due {} days after it was made"),
)
OTHERS = (FIRM_NUMBER, Feature("digits", "magnitude", ("amount",), "its amount has {} digits"))
QUESTION = Question(
    name="bill_settles",
    fact=FACT,
    label=Settled(done="paid", due="due_on", stamped="written_on"),
    created="made_on",
    features=(*CALENDAR, *OTHERS),
    description="Will this bill be paid on its day?",
    scores="bill_score",
    amount="amount",
    currency=Named("money_id", "code"),
    party=Named("firm_id", "name"),
    by_hand=(("due_weekday", 1, 5), ("days_until_due", 1, 31)),
)
WITHOUT_CALENDAR = replace(QUESTION, name="without_calendar", features=OTHERS, scores="", by_hand=())
DECLARED = Declarations.of(
    (MONEY, FIRM, BILL), (DAYS, DIM_MONEY, DIM_FIRM, FACT), questions=(QUESTION, WITHOUT_CALENDAR)
)
