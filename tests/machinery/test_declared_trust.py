"""What a catalogue says and does not keep, or does not say: `declare` makes a star that runs, and tells the rest."""

from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from include.declare.command import Wanted, draw_up
from include.declare.write import _text
from include.pipeline import audit_tables
from include.tables.star import Fact
from tests.machinery.conftest import DeclareIt, MakeSystem, declare, declared_in
from tests.system import System


def run_declared(system: System) -> None:
    """A run of what was declared that rejects nothing, and an audit that finds all equal."""
    system.declared = declared_in()
    assert not any(load.rejected for load in system.run_cleanly().of_kind("load").values())
    assert all(audit.equal and not audit.left_out for audit in audit_tables(system.declared, ()))


def references(system: System, fact: str) -> dict[str, str]:
    """Column → the dimension that it refers to."""
    return {column.name: column.references.name for column in system.declared.star[fact].columns if column.references}


def test_a_reference_that_does_not_hold_for_every_row_is_told_and_none(
    system_of: MakeSystem, declare_it: DeclareIt
) -> None:
    system = system_of(declare(), """
        CREATE TABLE project (id bigint PRIMARY KEY); CREATE TABLE author (id bigint PRIMARY KEY);
        CREATE TABLE parent (id bigint PRIMARY KEY, project bigint REFERENCES project);
        CREATE TABLE child () INHERITS (parent);
        CREATE TABLE issue (id bigint PRIMARY KEY, project bigint, author bigint, kept bigint REFERENCES author);
        INSERT INTO author VALUES (1); INSERT INTO issue VALUES (1, 7, 8, 1); INSERT INTO child VALUES (1, 7);
        ALTER TABLE issue ADD FOREIGN KEY (project) REFERENCES project NOT VALID,
                          ADD FOREIGN KEY (author) REFERENCES author NOT ENFORCED""")  # fmt: skip
    told = declare_it()
    why = "as it is not kept for every row (NOT VALID, NOT ENFORCED, or of a table with heirs)"
    for table, column, target in (
        ("issue", "project", "project"), ("issue", "author", "author"), ("parent", "project", "project"),
    ):  # fmt: skip
        assert f"not declared: public.{table}: its reference ({column}) to public.{target}, {why}" in told
    run_declared(system)
    assert references(system, "fact_issue") == {"kept": "dim_author"}


def test_heirs_are_read_with_their_table_by_a_key_that_holds_for_both_or_whole(
    system_of: MakeSystem, declare_it: DeclareIt
) -> None:
    system = system_of(declare(), """
        CREATE TABLE city (name text PRIMARY KEY, people integer); CREATE TABLE capital (state text) INHERITS (city);
        CREATE TABLE asset (id integer PRIMARY KEY); CREATE TABLE vehicle (wheels integer) INHERITS (asset);
        CREATE TABLE lorry (load integer) INHERITS (vehicle);
        INSERT INTO city VALUES ('Mariposa', 1); INSERT INTO capital VALUES ('Mariposa', 1, 'CA');
        INSERT INTO asset VALUES (1); INSERT INTO vehicle VALUES (2, 4); INSERT INTO lorry VALUES (3, 6, 9)
    """)  # fmt: skip
    told = declare_it()
    whole = "read whole in each run, as it has no key that holds for the rows of its heirs too"
    assert f"public.city: the fact fact_city, {whole}" in told
    for heir, table, columns in (
        ("capital", "city", "state"), ("lorry", "asset", "wheels, load"), ("vehicle", "asset", "wheels"),
    ):  # fmt: skip
        assert (
            f"not declared: public.{heir}: its rows are read with those of public.{table}, "
            f"without its own columns, {columns}"
        ) in told
    run_declared(system)
    assert system.warehouse("SELECT id FROM dim_asset ORDER BY id") == [(1,), (2,), (3,)]
    assert system.warehouse("SELECT name, people FROM fact_city") == [("Mariposa", 1), ("Mariposa", 1)]


def test_what_the_role_may_not_see_is_told_with_what_to_grant(
    system_of: MakeSystem, declare_it: DeclareIt, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = system_of(declare(), """
        CREATE TABLE box (id integer PRIMARY KEY);
        CREATE TABLE secret (id integer PRIMARY KEY, box integer REFERENCES box);
        CREATE TABLE policed (id integer PRIMARY KEY); ALTER TABLE policed ENABLE ROW LEVEL SECURITY;
        CREATE SCHEMA hidden CREATE TABLE vault (id integer PRIMARY KEY);
        DROP ROLE IF EXISTS declarer; CREATE ROLE declarer LOGIN;
        GRANT SELECT ON box, policed TO declarer""")  # fmt: skip
    parts = urlsplit(system.endpoints.source_url)
    url = urlunsplit(parts._replace(netloc=f"declarer@{parts.hostname}:{parts.port}"))
    monkeypatch.setenv("AIRFLOW_CONN_TOTESYS", url)
    told = declare_it()
    begun = "not to be seen whole by this role; grant it"
    assert f"not declared: public.secret: {begun}: GRANT SELECT ON public.secret TO declarer" in told
    assert f"not declared: public.policed: {begun}: ALTER ROLE declarer BYPASSRLS" in told
    usage = "GRANT USAGE ON SCHEMA hidden TO declarer; GRANT SELECT ON hidden.vault TO declarer"
    assert f"not declared: hidden.vault: {begun}: {usage}" in told
    run_declared(system)
    assert list(system.declared.star) == ["dim_box"]
    with psycopg.connect(system.endpoints.source_url) as connection:
        connection.execute("DROP OWNED BY declarer; DROP ROLE declarer")


def test_what_tells_of_events_is_a_fact_though_others_refer_to_it(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system = system_of(declare(), """
        CREATE TABLE customers (id integer PRIMARY KEY, create_date date, last_order_date date, birth date);
        CREATE TABLE labels (id integer PRIMARY KEY, a text, b text, c text, d text);
        CREATE TABLE products (id integer PRIMARY KEY, label integer REFERENCES labels, sell_start date, created date);
        CREATE TABLE orders (id integer PRIMARY KEY, customer integer REFERENCES customers, orderdate date);
        CREATE TABLE shop_bookings (id integer PRIMARY KEY, customer integer REFERENCES customers, created_at date);
        CREATE TABLE stock (id integer PRIMARY KEY, product integer REFERENCES products, label integer REFERENCES labels
        );
        CREATE TABLE lines ("order" integer REFERENCES orders, product integer REFERENCES products, quantity integer,
            booking integer REFERENCES shop_bookings, item integer REFERENCES stock, PRIMARY KEY ("order", product));
        CREATE TABLE parcels (id integer PRIMARY KEY, "order" integer NOT NULL REFERENCES orders);
        CREATE TABLE scans (parcel integer REFERENCES parcels, label integer REFERENCES labels);
        INSERT INTO customers SELECT n FROM generate_series(1, 9) n; INSERT INTO labels VALUES (1);
        INSERT INTO products SELECT n, 1 FROM generate_series(1, 4) n; INSERT INTO orders VALUES (1, 2, '2024-01-01');
        INSERT INTO stock SELECT n, 1, 1 FROM generate_series(1, 5) n; INSERT INTO lines VALUES (1, 1, 5, NULL, 2)
    """, "ANALYZE")  # fmt: skip
    declare_it()
    run_declared(system)
    facts = [name for name, table in system.declared.star.items() if isinstance(table, Fact)]
    assert facts == [
        "fact_lines", "fact_orders", "fact_parcels", "fact_scans", "fact_shop_bookings", "fact_stock",
    ]  # fmt: skip
    assert system.warehouse("SELECT orders_customer, orderdate FROM fact_lines") == [(2, "2024-01-01")]


def test_a_reference_of_several_columns_leads_each_of_them_on(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system = system_of(declare(), """
        CREATE TABLE offer (id integer PRIMARY KEY); CREATE TABLE product (id integer PRIMARY KEY);
        CREATE TABLE offered (
            offer integer REFERENCES offer, product integer REFERENCES product, PRIMARY KEY (offer, product));
        CREATE TABLE line (id integer PRIMARY KEY, offer integer NOT NULL, product integer NOT NULL, no integer,
            FOREIGN KEY (offer, product) REFERENCES offered, FOREIGN KEY (offer, no) REFERENCES offered,
            UNIQUE (no, offer, product));
        CREATE TABLE packed (no integer NOT NULL, offer integer NOT NULL, product integer NOT NULL,
            FOREIGN KEY (no, offer, product) REFERENCES line (no, offer, product));
        INSERT INTO offer VALUES (1); INSERT INTO product VALUES (2); INSERT INTO offered VALUES (1, 2);
        INSERT INTO line VALUES (1, 1, 2, 2); INSERT INTO packed VALUES (2, 1, 2)""")  # fmt: skip
    told = declare_it()
    assert [line for line in told if line.startswith("not declared")] == [
        f"not declared: public.{table}: its reference ({columns}) to public.{target}, as it is of several columns"
        for table, columns, target in (
            ("line", "offer, no", "offered"), ("line", "offer, product", "offered"),
            ("packed", "no, offer, product", "line"),
        )
    ]  # fmt: skip
    run_declared(system)
    assert references(system, "fact_offered") == {"offer": "dim_offer", "product": "dim_product"}
    assert references(system, "fact_line") == {"offer": "dim_offer", "product": "dim_product"}
    assert references(system, "fact_packed") == {"no": "dim_product", "offer": "dim_offer", "product": "dim_product"}


def test_a_key_that_is_referred_to_with_its_tenant_is_a_reference(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system = system_of(declare(), """
        CREATE TABLE tenant (id integer PRIMARY KEY);
        CREATE TABLE box (id integer PRIMARY KEY, tenant integer NOT NULL REFERENCES tenant, UNIQUE (tenant, id));
        CREATE TABLE sale (id integer PRIMARY KEY, tenant integer NOT NULL, box integer NOT NULL, other integer,
            FOREIGN KEY (tenant, box) REFERENCES box (tenant, id),
            FOREIGN KEY (tenant, other) REFERENCES box (tenant, id));
        INSERT INTO tenant VALUES (1); INSERT INTO box VALUES (2, 1); INSERT INTO sale VALUES (3, 1, 2, NULL)
    """)  # fmt: skip
    (line,) = [line for line in declare_it() if line.startswith("not declared")]
    assert line == "not declared: public.sale: its reference (tenant, other) to public.box, as it is of several columns"
    run_declared(system)
    assert references(system, "fact_sale") == {"tenant": "dim_tenant", "box": "dim_box"}


def test_a_table_of_partitions_that_are_still_to_come_is_declared(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system = system_of(declare(), "CREATE TABLE box (id integer PRIMARY KEY) PARTITION BY RANGE (id)")
    declare_it()
    run_declared(system)
    system.write("CREATE TABLE b1 PARTITION OF box FOR VALUES FROM (0) TO (9); INSERT INTO box VALUES (1)")
    run_declared(system)
    assert system.warehouse("SELECT id FROM dim_box") == [(1,)]


def test_columns_of_a_look_up_are_called_after_one_of_its_rows(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system_of(declare(), """
        CREATE TABLE categories (id integer PRIMARY KEY, category_name text, category text, picture text);
        CREATE TABLE product (id integer PRIMARY KEY, category_id integer REFERENCES categories);
        CREATE TABLE sale (id integer PRIMARY KEY, product integer REFERENCES product)""")  # fmt: skip
    declare_it()
    columns = list(declared_in().star["dim_product"].by_name)  # type: ignore[union-attr]
    assert columns == ["id", "category_id", "category_name", "category", "category_picture"]


def test_without_any_reference_names_and_dates_tell_facts_and_it_is_told(
    system_of: MakeSystem, declare_it: DeclareIt
) -> None:
    system_of(declare(), """
        CREATE TABLE users (id integer PRIMARY KEY, user_birth_date date, user_start date, date date);
        CREATE TABLE machines (id integer PRIMARY KEY, purchase_date date, due_date date);
        CREATE TABLE post (id integer PRIMARY KEY, post_date date);
        CREATE TABLE bookings (ref text PRIMARY KEY, at date);
        CREATE TABLE items (id integer PRIMARY KEY, "shipDate" date);
        CREATE TABLE refunds (id integer PRIMARY KEY)""")  # fmt: skip
    sentence = "No foreign key tells what refers to what"
    assert [line for line in declare_it() if line.startswith(sentence)]
    assert list(declared_in().star) == [
        "dim_machines",
        "dim_refunds",
        "dim_users",
        "fact_bookings",
        "fact_items",
        "fact_post",
    ]
    assert not [line for line in declare_it(tables=("users",)) if line.startswith(sentence)]


def test_a_look_up_is_joined_also_where_a_reference_may_be_empty(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system = system_of(declare(), """
        CREATE TABLE genre (id integer PRIMARY KEY, name text NOT NULL);
        CREATE TABLE track (id integer PRIMARY KEY, genre integer REFERENCES genre);
        CREATE TABLE sale (id integer PRIMARY KEY, track integer NOT NULL REFERENCES track);
        INSERT INTO genre VALUES (1, 'Rock'); INSERT INTO track VALUES (1, 1), (2, NULL)""")  # fmt: skip
    assert "public.track: the dimension dim_track, with genre joined" in declare_it()
    run_declared(system)
    assert system.warehouse("SELECT id, genre_name FROM dim_track ORDER BY id") == [(1, "Rock"), (2, None)]
    system.write("UPDATE genre SET name = 'Jazz'; UPDATE track SET genre = 3 - genre - 1")
    run_declared(system)
    assert system.warehouse("SELECT id, genre_name FROM dim_track ORDER BY id") == [(1, "Jazz"), (2, None)]


def test_a_text_may_refer_to_a_wider_one_and_a_key_of_another_type_is_not_joined(
    system_of: MakeSystem, declare_it: DeclareIt
) -> None:
    system = system_of(declare(), """
        CREATE TABLE client (id varchar(36) PRIMARY KEY); CREATE TABLE realm (id text PRIMARY KEY);
        CREATE TABLE kind (id numeric(5, 0) PRIMARY KEY, name text);
        CREATE TABLE device (id integer PRIMARY KEY, kind integer NOT NULL REFERENCES kind);
        CREATE TABLE login (id integer PRIMARY KEY, client varchar(9) REFERENCES client,
            realm varchar(9) REFERENCES realm, other varchar(99) REFERENCES client, device integer REFERENCES device);
        INSERT INTO client VALUES ('c'); INSERT INTO realm VALUES ('r'); INSERT INTO kind VALUES (1, 'k');
        INSERT INTO device VALUES (1, 1); INSERT INTO login VALUES (1, 'c', 'r', 'c', 1)""")  # fmt: skip
    told = declare_it()
    why = "as it is varchar(99), and the key varchar(36)"
    assert f"not declared: public.login: its reference (other) to public.client, {why}" in told
    run_declared(system)
    assert references(system, "fact_login") == {"client": "dim_client", "realm": "dim_realm", "device": "dim_device"}
    assert system.warehouse("SELECT client, realm FROM fact_login") == [("c", "r")]


def test_views_are_told_in_one_sentence(system_of: MakeSystem, declare_it: DeclareIt) -> None:
    system_of(declare(), """
        CREATE TABLE box (id integer PRIMARY KEY); CREATE VIEW a AS SELECT * FROM box;
        CREATE MATERIALIZED VIEW b AS SELECT * FROM box""")  # fmt: skip
    (line,) = [line for line in declare_it() if line.startswith("not declared")]
    assert line.startswith("not declared: public.a, public.b: no table, so nothing tells a key")


@pytest.mark.parametrize(
    "text", ["plain", 'a "b"', "it's", '"it\'s"', '"\\', '\\"', "\\", '"""x""" \\', "\x7f\n\t🎒", ""]
)
def test_any_comment_is_written_as_python_reads_it(text: str) -> None:
    assert eval(_text(text)) == text  # noqa: S307


@pytest.mark.parametrize("stamp", ["ModifiedDate", "modifieddate", "LAST_UPDATE", "lastUpdated"])
def test_a_stamp_is_known_however_its_words_are_joined(system_of: MakeSystem, stamp: str) -> None:
    system_of(declare(), f'CREATE TABLE box (id integer PRIMARY KEY, "{stamp}" timestamp)')
    assert draw_up(Wanted()).declared.sources["box"].stamp == stamp
