"""A declaration that is nonsense is refused when it is made, with its name."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from include.common.errors import DeclarationError
from include.tables.checking import Key
from include.tables.coherence import check_star
from include.tables.declarations import Declarations, as_document, collect
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Calendar, Column, Dimension, Fact, Join
from tests.declared import replacing
from tests.shop import DECLARED

KEY = SourceColumn("shop_id", "integer")
STAMP = SourceColumn("last_updated", "timestamp(3)")
JANUARY = date(2000, 1, 1)
NAME = Column("name", "text", "label")
PRODUCT_KEY = Column("product_id", "integer", "product_id")


def source(*columns: SourceColumn, name: str = "shop", key: Key = "shop_id", **fields: object) -> SourceTable:
    return SourceTable(name, key, columns or (KEY, STAMP), **fields)  # type: ignore[arg-type]


SOURCES, STAR = DECLARED.sources, DECLARED.star


def dimension(*columns: Column, **fields: object) -> Dimension:
    made = Dimension("dim_shop", "product_id", SOURCES["product"], (PRODUCT_KEY, *columns))
    return replace(made, **fields)  # type: ignore[arg-type]


def fact(*columns: Column, record_id: str = "record_id", **fields: object) -> Fact:
    made = Fact("fact_shop", record_id, "product_id", SOURCES["product"], (PRODUCT_KEY, *columns))
    return replace(made, **fields)  # type: ignore[arg-type]


ALONE: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "unknown type": (lambda: SourceColumn("price", "money"), ("price", "'money'", "numeric(p,s)")),
    "a type with SQL in it": (lambda: Column("price", "integer; DROP"), ("price", "unknown type")),
    "numbers that a type does not take": (lambda: Column("price", "integer(4)"), ("price", "'integer(4)'")),
    "a warehouse's column of a type that arrives as text": (lambda: Column("mood", '"mood"'), ("mood", "text")),
    "name in capitals": (lambda: source(name="Shop"), ("'Shop'", "lower-case")),
    "column without a name": (lambda: source(KEY, SourceColumn("", "integer")), ("shop", "''", "63")),
    "column whose name is too long": (lambda: source(KEY, SourceColumn("ä" * 32, "integer")), ("shop", "ä" * 32)),
    "schema that no database can have": (lambda: replace(source(), schema="a\0b"), ("shop", "63")),
    "name that is too long": (lambda: source(name="s" * 64), ("s" * 64,)),
    "column twice": (lambda: source(KEY, STAMP, KEY), ("shop", "twice", "shop_id")),
    "key that is no column": (lambda: source(key="id"), ("shop", "'id'", "not among its columns")),
    "key that cannot be compared": (
        lambda: source(SourceColumn("shop_id", "json"), STAMP),
        ("shop", "shop_id", "json", "no two of those are compared"),
    ),
    "key of two columns, one of which is none": (
        lambda: source(KEY, STAMP, key=("shop_id", "line")), ("shop", "'line'", "not among its columns")),
    "key of one column twice": (lambda: source(KEY, key=("shop_id", "shop_id")), ("shop", "twice", "shop_id")),
    "no key, and changes are to be found": (lambda: source(KEY, key=()), ("shop", "no key", "followed whole")),
    "key that may be NULL": (
        lambda: source(SourceColumn("shop_id", "integer", nullable=True), STAMP),
        ("shop", "shop_id", "NULL"),
    ),
    "stamp that is no column": (lambda: replace(source(KEY), stamp="changed"), ("shop", "'changed'", "not among")),
    "stamp of another type": (
        lambda: replace(source(KEY, SourceColumn("changed", "date")), stamp="changed"),
        ("shop", "'changed'", "timestamptz"),
    ),
    "instant of creation that is no column": (
        lambda: replace(source(KEY), created="made"),
        ("shop", "'made'", "not among"),
    ),
    "following a stamp that there is not": (lambda: replace(source(), follow="stamp"), ("shop", "declares none")),
    "negative overlap": (lambda: source(overlap_seconds=-1), ("shop", "overlap_seconds")),
    "unknown way to follow": (lambda: replace(source(), follow="triggers"), ("shop", "'triggers'")),  # type: ignore[arg-type]
    "dimension's column twice": (lambda: dimension(NAME, NAME), ("dim_shop", "twice", "name")),
    "dimension's key that is no column": (lambda: dimension(key="shop_id"), ("dim_shop", "'shop_id'")),
    "fact's key that is no column": (lambda: fact(key="shop_id"), ("fact_shop", "'shop_id'")),
    "fact's record id as a column": (lambda: fact(record_id="product_id"), ("fact_shop", "twice", "product_id")),
    "fact's own valid_from": (lambda: fact(Column("valid_from", "date", "created_at")), ("fact_shop", "valid_from")),
    "calendar that is personal": (
        lambda: Calendar("days", "date_id", (Column("date_id", "date", personal=True),), JANUARY, JANUARY),
        ("days.date_id", "personal"),
    ),
    "calendar that ends before it begins": (
        lambda: replace(STAR["dim_date"], last=date(1999, 1, 1)),
        ("dim_date", "1999-01-01"),
    ),
    "calendar with a column that nobody knows": (
        lambda: Calendar("days", "date_id", (Column("date_id", "date"), Column("mood", "text")), JANUARY, JANUARY),
        ("days", "mood"),
    ),
}  # fmt: skip

TOGETHER: dict[str, tuple[Callable[[], Dimension | Fact], tuple[str, ...]]] = {
    "unknown source table": (lambda: dimension(source=source()), ("dim_shop", "'shop'", "declared")),
    "unknown joined table": (lambda: dimension(joins=(Join(source(), "product_id"),)), ("dim_shop", "'shop'")),
    "unknown source column": (lambda: dimension(Column("n", "text", "nothing")), ("dim_shop.n", "product.nothing")),
    "column of a table that is not joined": (
        lambda: dimension(Column("city", "text", ("address_id", "city"))),
        ("dim_shop.city", "address_id", "joins nothing"),
    ),
    "join on a column that is not there": (
        lambda: dimension(joins=(Join(SOURCES["branch"], "branch_id"),)),
        ("dim_shop", "branch_id"),
    ),
    "join on a text": (
        lambda: dimension(joins=(Join(SOURCES["branch"], "label"),)),
        ("dim_shop", "label", "integer"),
    ),
    "impossible conversion": (
        lambda: dimension(Column("n", "integer", "label")),
        ("dim_shop.n", "text cannot become integer"),
    ),
    "derived from a number": (
        lambda: dimension(Column("n", "text", "product_id", derive=str)),
        ("dim_shop.n", "only text is derived from text"),
    ),
    "reference to nothing": (
        lambda: fact(Column("n", "integer", "product_id", references=dimension())),
        ("fact_shop.n", "'dim_shop'", "not among"),
    ),
    "reference to a fact": (
        lambda: fact(Column("n", "integer", "product_id", references=STAR["fact_payment"])),  # type: ignore[arg-type]
        ("fact_shop.n", "'fact_payment'", "no dimension"),
    ),
    "reference of another type than the key": (
        lambda: fact(Column("n", "text", "label", references=STAR["dim_clerk"])),
        ("fact_shop.n", "dim_clerk"),
    ),
    "key that is not the source's key": (
        lambda: Dimension("dim_shop", "clerk_id", SOURCES["sale"], (Column("clerk_id", "integer", "clerk_id"),)),
        ("dim_shop", "clerk_id", "sale_id"),
    ),
    "key that is personal": (
        lambda: dimension(columns=(replace(PRODUCT_KEY, personal=True),)),
        ("dim_shop", "product_id", "cannot be personal"),
    ),
    "personal in one table and not in another": (
        lambda: dimension(Column("tag", "text", "label", personal=True)),
        ("product.label", "dim_product.label", "dim_shop.tag", "mark both"),
    ),
    "a text that may not fit": (
        lambda: dimension(Column("n", "varchar(3)", "label")),
        ("dim_shop.n", "varchar(3)"),
    ),
    "a second fact of one source": (
        lambda: Fact(
            "fact_shop", "record_id", "payment_id", SOURCES["payment"], (Column("payment_id", "integer", "payment_id"),)
        ),
        ("fact_shop", "current_payment"),
    ),
}


def refused(declare: Callable[[], object], *named: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        declare()
    missing = [name for name in named if name not in str(raised.value)]
    assert not missing, f"{str(raised.value)!r} does not name {missing}"


@pytest.mark.parametrize(("declare", "named"), ALONE.values(), ids=ALONE.keys())
def test_a_declaration_that_is_wrong_by_itself_is_refused(
    declare: Callable[[], object], named: tuple[str, ...]
) -> None:
    refused(declare, *named)


@pytest.mark.parametrize(("declare", "named"), TOGETHER.values(), ids=TOGETHER.keys())
def test_a_warehouse_table_that_does_not_fit_the_others_is_refused(
    declare: Callable[[], Dimension | Fact], named: tuple[str, ...]
) -> None:
    def check() -> None:
        table = declare()
        check_star({**STAR, table.name: table}, SOURCES)

    refused(check, *named)


def test_a_second_calendar_is_refused() -> None:
    star = {**STAR, "days": replace(STAR["dim_date"], name="days")}
    refused(lambda: check_star(star, SOURCES), "calendar", "dim_date", "days")


def test_tables_that_refer_to_each_other_in_a_circle_are_refused() -> None:
    tables = {name: source(KEY, SourceColumn("other", "integer"), name=name) for name in ("one", "two")}
    key = Column("shop_id", "integer", "shop_id")
    dimensions = {name: Dimension(f"dim_{name}", "shop_id", own, (key,)) for name, own in tables.items()}
    facts = [
        Fact(f"fact_{name}", "record_id", "shop_id", tables[name], (
            key, Column("other", "integer", "other", references=dimensions[other])))
        for name, other in (("one", "two"), ("two", "one"))
    ]  # fmt: skip
    Declarations.of(tables.values(), [*dimensions.values(), facts[0]])
    refused(lambda: Declarations.of(tables.values(), [*dimensions.values(), *facts]), "one, two", "in a circle")


def test_what_is_declared_fits() -> None:
    check_star(STAR, SOURCES)
    assert len(SOURCES) == len(STAR) == 7


@pytest.mark.parametrize(
    "other",
    [
        replace(STAR["dim_clerk"], key="first_name"),
        replace(STAR["dim_clerk"], joins=(Join(SOURCES["branch"], on="clerk_id"),)),
        replace(STAR["dim_clerk"], source=SOURCES["branch"]),
        replace(STAR["dim_clerk"], columns=STAR["dim_clerk"].columns[:-1]),
        replace(STAR["dim_clerk"], name="dim_people"),
    ],
    ids=["key", "join", "source", "columns", "name"],
)
def test_a_changed_declaration_is_another_document(other: Dimension) -> None:
    assert as_document(other) != as_document(STAR["dim_clerk"])


def test_another_way_to_follow_a_table_is_another_document() -> None:
    assert as_document(replace(SOURCES["clerk"], key="branch_id")) != as_document(SOURCES["clerk"])


def test_a_description_is_no_reason_to_read_a_table_again() -> None:
    assert as_document(replace(STAR["dim_clerk"], description="Other")) == as_document(STAR["dim_clerk"])


def test_a_mark_as_personal_is_no_reason_to_read_a_table_again() -> None:
    clerk = STAR["dim_clerk"]
    unmarked = replace(clerk, columns=tuple(replace(column, personal=False) for column in clerk.columns))
    assert unmarked != clerk
    assert as_document(unmarked) == as_document(clerk)


def test_what_a_function_makes_of_something_personal_need_not_be() -> None:
    initial = Column("initial", "text", "email_address", derive=lambda text: text[0])
    table = Dimension("dim_initial", "clerk_id", SOURCES["clerk"], (Column("clerk_id", "integer", "clerk_id"), initial))
    check_star({**STAR, table.name: table}, SOURCES)


def test_a_fingerprint_changes_with_what_a_source_feeds() -> None:
    clerk = STAR["dim_clerk"]
    other = replacing(DECLARED, replace(clerk, columns=clerk.columns[:-1]))
    assert other.fingerprint("clerk") != DECLARED.fingerprint("clerk")
    assert other.fingerprint("product") == DECLARED.fingerprint("product")
    narrower = tuple(column for column in DECLARED.sources["branch"].columns if column.name != "manager")
    joined = replacing(DECLARED, replace(DECLARED.sources["branch"], columns=narrower))
    assert joined.fingerprint("clerk") == DECLARED.fingerprint("clerk")  # which takes nothing of it
    assert joined.fingerprint("branch") != DECLARED.fingerprint("branch")


def test_a_package_that_declares_no_table_in_a_file_of_its_star_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop" / "star").mkdir(parents=True)
    for name in ("__init__", "sources", "star/__init__", "star/dim_date"):
        (tmp_path / "shop" / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    refused(lambda: collect("shop"), "shop/star/dim_date.py", "dim_date")
