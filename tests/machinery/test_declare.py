"""A live database's catalogue becomes declarations, and they a running star."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.common.errors import DeclarationError
from include.declare.command import Wanted, draw_up, find_disagreements, show
from include.declare.naming import distinct, fold
from include.pipeline import audit_tables
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Calendar, Fact
from tests.machinery.conftest import DeclareIt, MakeSystem, declare, declared_in
from tests.system import System

SAMPLES = {file.stem: file.read_text() for file in sorted((Path(__file__).parent / "samples").glob("*.sql"))}


@pytest.fixture
def rental(system_of: MakeSystem) -> System:
    """A pipeline without declarations whose source is a film rental."""
    return system_of(declare(), SAMPLES["rental"])


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_becomes_a_running_star(system_of: MakeSystem, declare_it: DeclareIt, sample: str) -> None:
    system = system_of(declare(), SAMPLES[sample])
    declare_it()
    system.declared = declared_in()
    done = system.run_cleanly()
    assert not any(load.rejected for load in done.of_kind("load").values())
    assert not any(read.changed for read in system.run_cleanly().of_kind("ingest").values())
    assert all(audit.equal for audit in audit_tables(system.declared, ()))
    for table in system.declared.star.values():
        assert not isinstance(table, Calendar)
        counted = done.of_kind("load")[table.name].new
        (rows,) = system.source(f'SELECT count(*) FROM "{table.source.schema}"."{table.source.found_name}"')[0]  # type: ignore[arg-type]  # noqa: S608
        assert counted == rows


def test_what_is_referenced_is_a_dimension_what_refers_a_fact_and_a_small_look_up_is_joined(
    rental: System, declare_it: DeclareIt
) -> None:
    told = declare_it()
    declared = declared_in()
    assert list(declared.star) == [
        "dim_actor",
        "dim_customer",
        "dim_film",
        "dim_staff",
        "fact_film_actor",
        "fact_rental",
    ]
    film, fact = declared.star["dim_film"], declared.star["fact_rental"]
    assert film.source_names == ("film", "language")
    assert [column.name for column in film.columns][-1] == "language_name"
    assert film.description == "A film that can be rented."
    assert isinstance(fact, Fact)
    references = {column.name: column.references.name for column in fact.columns if column.references}
    assert references == {"film_id": "dim_film", "customer_id": "dim_customer", "staff_id": "dim_staff"}
    assert fact.source.stamp == "last_update"
    assert "public.film: the dimension dim_film, with language joined" in told
    assert declared.star["fact_film_actor"].key_columns == ("actor_id", "film_id")
    assert any(line.startswith("not declared: public.film_list: no table, so nothing tells a key") for line in told)
    assert told[-2:] == ["7 source tables, 4 dimensions and 2 facts", "written to own"]


def test_tables_and_columns_can_be_left_out_and_facts_chosen(rental: System, declare_it: DeclareIt) -> None:
    declare_it(exclude=("public.customer", "staff.password", "film.fulltext"), facts=("film",))
    declared = declared_in()
    assert list(declared.star) == ["dim_film_actor", "dim_language", "dim_rental", "fact_film"]
    assert "password" not in declared.sources["staff"].by_name
    assert "fulltext" not in declared.sources["film"].by_name
    declare_it(tables=("film", "public.language"), schemas=("public",))
    assert list(declared_in().sources) == ["film", "language"]


def test_names_of_every_kind_are_folded_and_told_apart(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system_of(declare(), SAMPLES["shop"])
    told = declare_it()
    declared = declared_in()
    assert list(declared.sources) == [
        "countries", "customers", "sales_order_lines", "sales_orders", "products",
        "log", "measured", "public_order_lines", "public_orders",
    ]  # fmt: skip
    lines = declared.star["fact_sales_order_lines"]
    assert [column.name for column in lines.columns] == [
        "line_id", "order_id", "product_id", "quantity", "net", "valid_from_2",
        "customer_id", "order_date", "ship_to", "bill_to",
    ]  # fmt: skip
    references = [column.references.name for column in lines.columns if column.references]
    assert references == ["dim_products", "dim_customers", "dim_countries", "dim_countries"]
    assert "public.log: the fact fact_log, read whole in each run, as it has no key" in told
    assert declared.sources["measured"].key == ("id", "at")
    assert declared.sources["public_orders"].key_types == ("uuid",)


def test_lines_take_what_their_header_refers_to_and_its_dates(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system = system_of(declare(), SAMPLES["shop"])
    told = declare_it(facts=("Sales.Orders", "OrderLines"))
    assert "Sales.OrderLines: the fact fact_sales_order_lines, with columns of sales_orders" in told
    system.declared = declared_in()
    lines = system.declared.star["fact_sales_order_lines"]
    taken = {column.name: column.source for column in lines.columns if not isinstance(column.source, str)}
    assert taken == {
        "customer_id": ("OrderID", "CustomerID"), "order_date": ("OrderID", "OrderDate"),
        "ship_to": ("OrderID", "ShipTo"), "bill_to": ("OrderID", "BillTo"),
    }  # fmt: skip
    system.run_cleanly()
    system.write("""UPDATE "Sales"."Orders" SET "OrderDate" = '2030-01-01' WHERE "OrderID" = 7""")
    system.run_cleanly()
    changed = "SELECT count(*) FROM current_sales_order_lines WHERE order_date = '2030-01-01'"
    assert system.warehouse(changed) == [(3,)]
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


def test_an_edited_file_is_not_overwritten_unless_told(rental: System, declare_it: DeclareIt) -> None:
    declare_it()
    file = Path("own/star/dim_film.py")
    declare_it()
    file.write_text(file.read_text().replace("A film that", "Whatever"))
    before = {path: path.read_text() for path in Path("own").rglob("*.py")}
    rental.write("CREATE TABLE more (id integer PRIMARY KEY)")
    with pytest.raises(DeclarationError, match=r"own/star/dim_film\.py: edited by hand; nothing was written"):
        declare_it()
    assert {path: path.read_text() for path in Path("own").rglob("*.py")} == before
    declare_it(overwrite=True)
    assert "Whatever" not in file.read_text()
    assert Path("own/star/dim_more.py").exists()


def test_what_is_no_longer_drawn_is_deleted_unless_somebody_edited_it(rental: System, declare_it: DeclareIt) -> None:
    declare_it()
    assert "own/star/dim_actor.py: deleted, as its table is no longer drawn" in declare_it(exclude=("actor",))
    assert "dim_actor" not in declared_in().star
    declare_it()
    file = Path("own/star/dim_actor.py")
    file.write_text(f"{file.read_text()}# mine\n")
    with pytest.raises(DeclarationError, match=r"own/star/dim_actor\.py: edited by hand"):
        declare_it(exclude=("actor",))
    assert "dim_actor" in declared_in().star


def test_a_dry_run_shows_the_files_and_writes_none(rental: System, declare_it: DeclareIt) -> None:
    told = "\n".join(show(draw_up(Wanted()), Path("own")))
    assert "# own/star/fact_rental.py" in told
    assert 'Column("rented_at", "timestamptz", "rented_at")' in told
    assert told.endswith("4 dimensions and 2 facts")
    assert not Path("own").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"tables": ("nothing",)}, "nothing"),
        ({"schemas": ("nowhere",)}, "nowhere"),
        ({"exclude": ("film.nothing",)}, r"film\.nothing"),
        ({"facts": ("film_list",)}, "film_list"),
        ({"tables": ("film_list",)}, r"nothing can be declared: public\.film_list"),
    ],
)
def test_what_is_not_there_is_named(rental: System, declare_it: DeclareIt, options: dict[str, Any], named: str) -> None:
    with pytest.raises(DeclarationError, match=named):
        declare_it(**options)
    assert not Path("own").exists()


def test_the_difference_between_source_and_declarations_is_told(rental: System, declare_it: DeclareIt) -> None:
    declare_it()
    declared = declared_in()
    assert find_disagreements(declared, Wanted()) == ["public.film_list: not declared"]
    rental.write(
        "ALTER TABLE customer DROP COLUMN email, ADD phone text, ALTER name DROP NOT NULL, ALTER active TYPE text;"
        "ALTER TABLE rental DROP CONSTRAINT rental_film_id_fkey; DROP TABLE film_actor, actor"
    )
    rental.write("ALTER TABLE rental ALTER film_id TYPE bigint")
    assert find_disagreements(declared, Wanted()) == [
        "actor: the source has no table public.actor",
        "customer.name: may be NULL, and is declared as never NULL",
        "customer.email: the source has no such column",
        "customer.active: is text, declared as boolean; it cannot be read",
        "customer.phone: not declared",
        "film_actor: the source has no table public.film_actor",
        "rental.film_id: is bigint, declared as integer; it is read on as that",
        "public.film_list: not declared",
    ]


def test_what_was_excluded_is_no_difference(rental: System, declare_it: DeclareIt) -> None:
    excluded = ("public.customer.email", "staff.password", "film_list", "language")
    declare_it(exclude=excluded)
    assert find_disagreements(declared_in(), Wanted(exclude=excluded)) == []
    assert len(find_disagreements(declared_in(), Wanted())) == len(excluded)


def test_a_key_may_be_declared_in_another_order(rental: System) -> None:
    columns = SourceColumn("film_id", "integer"), SourceColumn("actor_id", "integer")
    declared = declare(SourceTable("film_actor", ("film_id", "actor_id"), columns))
    told = find_disagreements(declared, Wanted(tables=("film_actor",)))
    assert not [line for line in told if "its key" in line]


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("OrderLines", "order_lines"), ("Straße Nr. 5", "strasse_nr_5"), ("HTTPServer", "http_server"),
        ("1st", "n1_st"), ("user_id", "user_id"), ("CustomerID", "customer_id"), ("Größe", "grosse"),
        ("東京", "dong_jing"), ("Заказы 2", "zakazy_2"), ("🚀", "rocket"), ("📦 Orders", "orders"),
        ("address2", "address2"), ("_id", "id"), ("Ünï__çode", "uni_code"), ("%", "unnamed"),
    ],
)  # fmt: skip
def test_names_are_folded_to_lower_case_words(name: str, folded: str) -> None:
    assert fold(name) == folded


def test_names_that_come_to_one_are_told_apart() -> None:
    assert distinct(["a", "a", "a_2", "a"], ["b"]) == ["a", "a_2", "a_2_2", "a_3"]


def test_five_hundred_tables_are_declared(system_of: MakeSystem, declare_it: DeclareIt, source_url: str) -> None:
    system_of(declare())
    with psycopg.connect(source_url) as connection:
        for number in range(500):
            connection.execute(f"CREATE TABLE t{number} (id integer PRIMARY KEY, name text)".encode())
    assert declare_it()[-2] == "500 source tables, 500 dimensions and 0 facts"
    assert len(declared_in().star) == 500


def test_tables_that_refer_to_each_other_and_to_themselves_are_declared(
    system_of: MakeSystem, declare_it: DeclareIt
) -> None:
    system = system_of(declare(), """
        CREATE TABLE team (id uuid PRIMARY KEY, lead integer, parent uuid REFERENCES team);
        CREATE TABLE member (id integer PRIMARY KEY, team uuid REFERENCES team, mentor integer REFERENCES member);
        ALTER TABLE team ADD FOREIGN KEY (lead) REFERENCES member;
        INSERT INTO team VALUES (md5('a')::uuid, NULL, NULL), (md5('b')::uuid, NULL, md5('a')::uuid);
        INSERT INTO member VALUES (1, md5('a')::uuid, NULL), (2, md5('b')::uuid, 1);
        UPDATE team SET lead = 2""")  # fmt: skip
    declare_it()
    for facts in ((), ("member",), ("team", "member")):
        declare_it(facts=facts, overwrite=True)
        system.declared = declared_in()
        assert not any(load.rejected for load in system.run_cleanly().of_kind("load").values())
        assert all(audit.equal for audit in audit_tables(system.declared, ()))


def test_references_that_the_star_has_not_are_told(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system_of(declare(), """
        CREATE TABLE period (year smallint, month smallint, PRIMARY KEY (year, month));
        CREATE TABLE currency (id integer PRIMARY KEY, code text UNIQUE NOT NULL);
        CREATE TABLE posting (id integer PRIMARY KEY, year smallint, month smallint, paid integer REFERENCES currency,
            code text REFERENCES currency (code), FOREIGN KEY (year, month) REFERENCES period)""")  # fmt: skip
    told = declare_it()
    begun = "not declared: public.posting: its reference"
    assert f"{begun} (year, month) to public.period, as it is of several columns" in told
    assert f"{begun} (code) to public.currency, as it is not to its key" in told
    assert not any("(paid)" in line for line in told)
    kept = {column.name: column.references for column in declared_in().star["fact_posting"].columns}
    assert [name for name, target in kept.items() if target] == ["paid"]


def test_the_instant_of_creation_is_found_by_its_name(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system_of(declare(), SAMPLES["tickets"])
    declare_it()
    assert "created_at" in {source.created for source in declared_in().sources.values()}


def test_names_that_the_warehouse_has_already_are_not_given(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system = system_of(declare(), """
        CREATE TABLE box (id integer PRIMARY KEY, "XMIN" integer, "Xmax" integer, "CTID" text);
        CREATE TABLE price (id integer PRIMARY KEY, box integer REFERENCES box);
        CREATE TABLE price_current (id integer PRIMARY KEY, box integer REFERENCES box);
        CREATE TABLE dim_box (id integer PRIMARY KEY, box integer REFERENCES box);
        INSERT INTO box VALUES (1, 2, 3, 'four');
        INSERT INTO price VALUES (1, 1); INSERT INTO price_current VALUES (1, 1)""")  # fmt: skip
    declare_it()
    system.declared = declared_in()
    assert list(system.declared.star) == [
        "dim_box", "fact_dim_box_2", "fact_price", "fact_price_current_2",
    ]  # fmt: skip
    assert not any(load.rejected for load in system.run_cleanly().of_kind("load").values())
    assert system.warehouse("SELECT * FROM dim_box") == [(1, 2, 3, "four")]


def test_an_integer_may_refer_to_a_wider_one(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system = system_of(declare(), """
        CREATE TABLE box (id bigint PRIMARY KEY); CREATE TABLE lid (id smallint PRIMARY KEY);
        CREATE TABLE price (id integer PRIMARY KEY, box integer REFERENCES box, lid integer REFERENCES lid);
        INSERT INTO box VALUES (1); INSERT INTO lid VALUES (1); INSERT INTO price VALUES (1, 1, 1)""")  # fmt: skip
    told = declare_it()
    system.declared = declared_in()
    kept = {column.name: (column.type, column.references) for column in system.declared.star["fact_price"].columns}
    assert kept["box"] == ("bigint", system.declared.star["dim_box"])
    assert kept["lid"] == ("integer", None)
    assert (
        "not declared: public.price: its reference (lid) to public.lid, as it is integer, and the key smallint" in told
    )
    system.run_cleanly()
    assert system.warehouse("SELECT id, box, lid FROM fact_price") == [(1, 1, 1)]


def test_a_column_that_refers_to_two_tables_joins_neither(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system_of(declare(), """
        CREATE TABLE colour (id integer PRIMARY KEY, name text); CREATE TABLE paint (id integer PRIMARY KEY, name text);
        CREATE TABLE box (id integer PRIMARY KEY, kind integer NOT NULL REFERENCES colour REFERENCES paint);
        CREATE TABLE price (id integer PRIMARY KEY, box integer REFERENCES box)""")  # fmt: skip
    declare_it()
    assert list(declared_in().star) == ["dim_box", "dim_colour", "dim_paint", "fact_price"]
