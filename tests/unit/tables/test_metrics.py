"""A metric that is nonsense, that would add currencies, or show a person, is refused when it is made, with its name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from include.common.errors import DeclarationError
from include.tables.declarations import Declarations, collect
from include.tables.figures import By, Count, Is, Past, Share, Sum, Value
from include.tables.metrics import Metric
from include.tables.star import Column, Fact
from tests.declared import replacing
from tests.shop import DECLARED

OWED = DECLARED.metrics["owed"]
TAKINGS = DECLARED.metrics["takings_by_day"]
SALE = TAKINGS.fact
COUNT = Count("sales")


def metric(*values: Value, by: tuple[By, ...] = (), fact: Fact = SALE, **fields: object) -> Metric:
    made = Metric("figure", "Figure", fact, by, values or (COUNT,))
    return replace(made, **fields)  # type: ignore[arg-type]


def second_amount() -> Fact:
    return replace(SALE, columns=(*SALE.columns, Column("fee", "numeric(10,2)", "unit_price", currency="product_id")))


WRONG: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "money that is not by its currency": (
        lambda: metric(Sum("takings", ("unit_price",))),
        ("figure.takings", "several currencies", "by currency_id"),
    ),
    "money that is by what the currency is called": (
        lambda: metric(Sum("takings", ("unit_price",)), by=(By(("currency_id", "currency_code")),)),
        ("figure.takings", "several currencies"),
    ),
    "a product with money that is not by its currency": (
        lambda: metric(Sum("takings", ("units_sold", "unit_price")), by=(By("created_date"),)),
        ("figure.takings", "several currencies"),
    ),
    "money times money": (
        lambda: metric(Sum("square", ("unit_price", "unit_price")), by=(By("currency_id"),)),
        ("figure.square", "money by money"),
    ),
    "a share of one currency in another": (
        lambda: metric(
            Sum("one", ("unit_price",)), Sum("other", ("fee",)), Share("part", "one", "other"),
            by=(By("currency_id"), By("product_id")), fact=second_amount(),
        ),
        ("figure.part", "one and other", "one currency"),
    ),
    "by what is personal": (
        lambda: metric(by=(By(("clerk_id", "email_address")),)),
        ("figure", "email_address", "personal"),
    ),
    "where something personal has a value": (
        lambda: metric(where=(Is(("clerk_id", "last_name"), "Smith"),)),
        ("figure", "last_name", "personal"),
    ),
    "where for a single count something personal has a value": (
        lambda: metric(Count("smiths", (Is(("clerk_id", "last_name"), "Smith"),))),
        ("figure", "last_name", "personal"),
    ),
    "by a column that is not there": (lambda: metric(by=(By("shelf"),)), ("figure", "fact_sale", "shelf")),
    "by a column that its dimension has not": (
        lambda: metric(by=(By(("product_id", "weight")),)),
        ("figure", "product_id", "weight"),
    ),
    "by a column of what is no dimension": (
        lambda: metric(by=(By(("units_sold", "shelf")),)),
        ("figure", "fact_sale.units_sold", "no dimension"),
    ),
    "two columns of one name": (lambda: metric(by=(By("product_id", "sales"),)), ("figure", "twice", "sales")),
    "a name in capitals": (lambda: metric(name="Figure"), ("'Figure'", "lower-case")),
    "no title": (lambda: metric(title=""), ("figure", "title")),
    "no values": (lambda: metric(values=()), ("figure", "no values")),
    "a sum of nothing": (lambda: metric(Sum("none", ())), ("figure.none", "nothing")),
    "a sum of texts": (
        lambda: metric(Sum("days", ("created_date",))),
        ("figure.days", "created_date is date", "exact numbers"),
    ),
    "a share of what is not there": (lambda: metric(COUNT, Share("part", "few", "sales")), ("figure.part", "sales")),
    "past, and no day": (lambda: metric(where=(Past("units_sold"),)), ("figure", "units_sold", "integer")),
    "a number that is to be a text": (lambda: metric(where=(Is("units_sold", "one"),)), ("units_sold", "integer")),
    "a truth that is to be a number": (lambda: metric(where=(Is("units_sold", True),)), ("units_sold", "integer")),
}  # fmt: skip


def refused(declare: Callable[[], object], *named: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        declare()
    missing = [name for name in named if name not in str(raised.value)]
    assert not missing, f"{str(raised.value)!r} does not name {missing}"


@pytest.mark.parametrize(("declare", "named"), WRONG.values(), ids=WRONG.keys())
def test_a_metric_that_is_wrong_is_refused(declare: Callable[[], object], named: tuple[str, ...]) -> None:
    refused(declare, *named)


def test_money_may_be_summed_by_its_currency() -> None:
    made = metric(Sum("takings", ("unit_price",)), by=(By("currency_id", "money"),))
    assert made.currencies == {"takings": "money"}


def test_a_metric_of_a_fact_that_is_another_than_the_stars_is_refused() -> None:
    other = replace(OWED, fact=replace(OWED.fact, description="Another"))
    star = DECLARED.star.values()
    refused(lambda: Declarations.of(DECLARED.sources.values(), star, [other]), "owed", "'fact_payment'", "not among")


def test_two_metrics_of_one_name_are_refused() -> None:
    star = DECLARED.star.values()
    refused(lambda: Declarations.of(DECLARED.sources.values(), star, [OWED, OWED]), "owed", "twice")


def test_a_metric_that_is_called_as_a_table_is_refused() -> None:
    table = replace(DECLARED.star["dim_method"], name="metric_owed")
    others = [other for other in DECLARED.star.values() if other.name != "fact_payment"]
    figure = replace(TAKINGS, name="owed")
    refused(lambda: Declarations.of(DECLARED.sources.values(), [*others, table], [figure]), "metric_owed")


def test_a_currency_that_no_column_tells_is_refused() -> None:
    payment = OWED.fact
    wrong = replace(payment, columns=(*payment.columns, Column("fee", "numeric(10,2)", "payment_amount", currency="x")))
    refused(lambda: replacing(DECLARED, wrong), "fact_payment.fee", "no column x")


def test_a_metric_tells_its_columns_tables_and_money() -> None:
    assert OWED.columns == {
        "currency_id": "integer",
        "method": "text",
        "payments": "bigint",
        "overdue": "bigint",
        "overdue_share": "numeric(38,4)",
        "owed": "numeric(38,2)",
    }
    assert OWED.tables == ("fact_payment", "dim_method")
    assert OWED.currencies == {"owed": "currency_id"}
    assert (OWED.by_day, TAKINGS.by_day) == (True, False)
    assert (OWED.view, OWED.view_as_of) == ("metric_owed", "metric_owed_as_of")
    assert DECLARED.metrics["takings_by_shelf"].view_as_of == ""


def test_a_metric_tells_whoever_draws_it_what_is_money_and_in_which_currency() -> None:
    assert TAKINGS.tile == {
        "title": "Takings by day",
        "description": "Sales, by the day that they were made.",
        "by": [
            {"name": "day", "type": "date", "of": "created_date"},
            {"name": "currency_id", "type": "integer", "of": "currency_id"},
            {"name": "currency_code", "type": "text", "of": "currency_id"},
        ],
        "values": [
            {"name": "sales", "kind": "count", "currency": None},
            {"name": "units", "kind": "sum", "currency": None},
            {"name": "takings", "kind": "sum", "currency": "currency_id"},
        ],
    }


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("none", "", ("made_of_none/metrics/takings.py", "no metric")),
        (
            "another",
            "from tests.shop.metrics.owed import owed",
            ("made_of_another/metrics/takings.py", "owed", "do not begin"),
        ),
    ],
)
def test_a_file_that_declares_no_metric_of_its_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, named: tuple[str, ...]
) -> None:
    package = tmp_path / f"made_of_{name}"
    for folder in ("star", "metrics"):
        (package / folder).mkdir(parents=True)
    for module in ("__init__", "sources", "star/__init__", "metrics/__init__"):
        (package / f"{module}.py").write_text("")
    (package / "metrics" / "takings.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    refused(lambda: collect(package.name), *named)
