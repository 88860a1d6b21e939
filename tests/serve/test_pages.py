"""A walk over pages sees one state, in any order, whatever is loaded meanwhile; what changed has another ETag."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import own_clients  # noqa: F401
from tests.serve.server import Served, serving, settings_for
from tests.system import System


def walk(client: httpx.Client, path: str) -> Iterator[list[Any]]:
    """The pages of a walk, each asked for when it is wanted."""
    while path:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        path = answer.links.get("next", {}).get("url", "")


def ordered(column: str, table: str, condition: str, order: str) -> Any:
    return f"SELECT {column} FROM {table} WHERE {condition} ORDER BY {order}"  # noqa: S608 - the test's own


def all_rows(client: httpx.Client, path: str) -> list[Any]:
    return [row for page in walk(client, path) for row in page]


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", "sale_id"),
        ("order=sale_id:desc", "sale_id DESC"),
        ("order=clerk_id", "clerk_id, sale_id"),
        ("order=clerk_id:desc,unit_price", "clerk_id DESC, unit_price, sale_id"),
        ("order=unit_price:desc", "unit_price DESC, sale_id"),
        ("order=delivery_date,created_time:desc", "delivery_date, created_time DESC, sale_id"),
        ("order=valid_from", "valid_from, sale_id"),
        ("units_sold=gt.90&order=currency_id:desc", "currency_id DESC, sale_id"),
    ],
)
@pytest.mark.parametrize("as_of", ["", "as_of=2999-01-01"])
def test_pages_put_together_are_the_whole_in_order(
    client: httpx.Client, loaded: System, query: str, order: Any, as_of: str
) -> None:
    where = "units_sold > 90" if "units_sold" in query else "true"
    expected = [key for (key,) in loaded.warehouse(ordered("sale_id", "current_sale", where, order))]
    for limit in (1, 7, 100) if not as_of else (7,):
        pages = list(walk(client, f"/v1/fact_sale?select=sale_id&limit={limit}&{query}&{as_of}"))
        assert [row["sale_id"] for page in pages for row in page] == expected
        assert {len(page) for page in pages[:-1]} == {limit}


@pytest.mark.parametrize("order", ["town", "town:desc", "town,branch_name:desc", "town:desc,clerk_id:desc"])
def test_rows_without_a_value_have_their_place_in_the_order(client: httpx.Client, loaded: System, order: str) -> None:
    words = ", ".join(part.replace(":", " ") for part in [*order.split(","), "clerk_id"])
    expected = [key for (key,) in loaded.warehouse(ordered("clerk_id", "dim_clerk", "true", words))]
    found = all_rows(client, f"/v1/dim_clerk?select=clerk_id&limit=3&order={order}")
    assert [row["clerk_id"] for row in found] == expected


def test_rows_are_in_order_by_what_they_point_to(client: httpx.Client, loaded: System) -> None:
    query = "SELECT sale_id FROM current_sale JOIN dim_clerk c USING (clerk_id) ORDER BY c.town DESC, sale_id"
    found = all_rows(client, "/v1/fact_sale?select=sale_id&expand=clerk_id&order=clerk_id.town:desc&limit=13")
    assert [row["sale_id"] for row in found] == [key for (key,) in loaded.warehouse(query)]


def test_a_cursor_is_good_for_its_own_request_alone(client: httpx.Client, plain: httpx.Client) -> None:
    answer = client.get("/v1/fact_sale?units_sold=gt.3&limit=5")
    link = answer.links["next"]["url"]
    assert client.get(link).status_code == 200
    assert client.get(link.replace("limit=5", "limit=6")).status_code == 200
    cursor = link.rpartition("cursor=")[2]
    others = [
        link.replace("gt.3", "gt.4"),
        link.replace("fact_sale", "fact_payment"),
        f"/v1/fact_sale?cursor={cursor}",
        f"{link}&order=units_sold",
        link[:-1],
        link[:-3] + "AAA",
        "/v1/fact_sale?cursor=",
        "/v1/fact_sale?cursor=%00%FF",
        "/v1/fact_sale?cursor=é",
    ]
    for other in others[:6]:
        assert client.get(other).status_code == 422, other
    assert plain.get(link).status_code == 422
    assert [client.get(other).status_code for other in others[6:]] == [200, 400, 422]


def test_the_number_of_rows_is_told_exactly_where_that_is_cheap(client: httpx.Client) -> None:
    def told(path: str) -> tuple[str | None, str | None]:
        headers = client.get(path).headers
        return headers.get("total-count"), headers.get("total-count-is")

    assert told("/v1/fact_sale?limit=1000") == ("200", "exact")
    assert told("/v1/fact_sale?limit=10") == (None, None)
    assert told("/v1/fact_sale?limit=10&count=true") == ("200", "exact")
    assert told("/v1/fact_sale?limit=10&count=true&units_sold=gt.30&as_of=2999-01-01") == ("190", "exact")
    number, kind = told("/v1/dim_date?limit=10&count=true")
    assert kind == "estimate"
    assert abs(int(number or 0) - 10_958) < 500


@pytest.fixture
def own(system: System, tmp_path: Path) -> Iterator[tuple[System, Served]]:
    """A system of this test's own, loaded, and a server on it."""
    system.run_cleanly()
    with serving(settings_for(system.endpoints.warehouse_url, tmp_path), system.declared) as served:
        yield system, served


def test_a_walk_sees_one_state_while_loads_go_on(own: tuple[System, Served]) -> None:
    system, served = own
    expected = system.warehouse("SELECT sale_id, units_sold FROM current_sale ORDER BY 1")
    with served.client() as client:
        pages = walk(client, "/v1/fact_sale?select=sale_id,units_sold&limit=60")
        found = next(pages)
        system.write("DELETE FROM payment WHERE sale_id > 150; DELETE FROM sale WHERE sale_id > 150")
        system.write("UPDATE sale SET units_sold = -1")
        system.run_cleanly("sale", accept=("sale",))
        found += next(pages)
        system.write("UPDATE sale SET units_sold = -2")
        system.run_cleanly("sale")
        found += [row for page in pages for row in page]
        assert [(row["sale_id"], row["units_sold"]) for row in found] == expected
        assert {row["units_sold"] for row in all_rows(client, "/v1/fact_sale")} == {-2}


def test_a_walk_over_what_was_filled_anew_is_gone(own: tuple[System, Served]) -> None:
    system, served = own
    with served.client() as client:
        link = client.get("/v1/fact_sale?limit=60").links["next"]["url"]
        assert client.get(link).status_code == 200
        system.edit_warehouse("TRUNCATE fact_sale")
        system.run_cleanly("sale", full_refresh=True)
        assert client.get(link).status_code == 410


def test_an_etag_changes_exactly_when_what_is_shown_does(own: tuple[System, Served]) -> None:
    system, served = own
    paths = ["/v1/fact_sale", "/v1/fact_sale/3", "/v1/fact_sale?expand=product_id", "/v1/dim_product",
             "/v1/fact_payment", "/v1/fact_sale/3/history", "/v1/fact_sale?format=csv"]  # fmt: skip
    with served.client() as client:

        def changed(before: dict[str, str]) -> set[str]:
            answers = {path: client.get(path, headers={"If-None-Match": before[path]}) for path in paths}
            for answer in answers.values():
                assert answer.status_code in (200, 304)
                assert answer.headers["cache-control"] == "private, no-cache"
                assert not (answer.status_code == 304 and answer.content)
            return {path for path, answer in answers.items() if answer.status_code == 200}

        def etags() -> dict[str, str]:
            return {path: client.get(path).headers["etag"] for path in paths}

        first = etags()
        assert len(set(first.values())) == len(paths)
        assert changed(first) == set()
        system.write("UPDATE sale SET last_updated = last_updated")
        system.run_cleanly("sale")
        assert changed(first) == set()
        system.write("UPDATE product SET label = 'new' WHERE product_id = 400")
        system.run_cleanly()
        assert changed(first) == {"/v1/fact_sale?expand=product_id", "/v1/dim_product"}
        second = etags()
        system.write("DELETE FROM payment WHERE payment_id = 5")
        system.run_cleanly()
        assert changed(second) == {"/v1/fact_payment"}
        for header in ("*", f"W/{etags()['/v1/fact_sale']}", f'"x", {etags()["/v1/fact_sale"]}'):
            assert client.get("/v1/fact_sale", headers={"If-None-Match": header}).status_code == 304


def test_an_answer_tells_when_the_source_was_read_and_what_is_proven(
    client: httpx.Client, loaded: System, served: Served
) -> None:
    headers = client.get("/v1/fact_sale").headers
    assert headers["source-read-at"] >= headers["as-of"][:19]
    assert 0 <= float(headers["values-proven"]) <= 1
    assert headers["last-modified"].endswith("GMT")
