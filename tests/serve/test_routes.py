"""Every table is served, with filters, order, columns and what its rows point to; nothing else is."""

import json
import re
from typing import Any

import httpx
import pytest

from serve.relations import relations
from tests.serve.server import Served
from tests.shop import DECLARED
from tests.system import System


def rows(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_declared_table_is_served(client: httpx.Client) -> None:
    for name, relation in relations(DECLARED).items():
        found = rows(client.get(f"/v1/{name}?limit=2"))
        assert list(found[0]) == list(relation.shown)


def test_a_row_is_found_by_its_key_as_the_warehouse_has_it(client: httpx.Client, loaded: System) -> None:
    (expected,) = loaded.warehouse("SELECT row_to_json(s)::text FROM (SELECT * FROM current_sale WHERE sale_id = 3) s")
    answer = client.get("/v1/fact_sale/3")
    assert answer.headers["content-type"] == "application/json"
    assert rows(answer) == json.loads(expected[0])
    assert client.get("/v1/fact_sale/3000").status_code == 404
    assert client.get("/v1/dim_date/2024-02-29").json()["day_name"] == "Thursday"


def test_a_row_has_what_it_points_to_inside(client: httpx.Client) -> None:
    row = rows(
        client.get("/v1/fact_sale/3?expand=clerk_id,product_id,delivery_date&select=sale_id,clerk_id.branch_name")
    )
    assert row == {"sale_id": 3, "expanded": {"clerk_id": {"branch_name": "Branch 5"}}}
    row = rows(client.get("/v1/fact_sale/3?expand=product_id"))
    assert row["expanded"]["product_id"]["product_name"] == f"Product {row['product_id']}"


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("units_sold=eq.30", "units_sold = 30"),
        ("units_sold=neq.30", "units_sold <> 30"),
        ("units_sold=gt.30&units_sold=lte.90", "units_sold > 30 AND units_sold <= 90"),
        ("unit_price=gte.100.5", "unit_price >= 100.5"),
        ("unit_price=lt.1.5e1", "unit_price < 15"),
        ("sale_id=in.3,5,7000", "sale_id IN (3, 5, 7000)"),
        ("delivery_date=lt.2024-04-01", "delivery_date < '2024-04-01'"),
        ("created_time=eq.10:00:00.123", "created_time = '10:00:00.123'"),
        ("valid_from=gt.2020-01-01T00:00:00Z", "valid_from > '2020-01-01'"),
        ("clerk_id=is.null", "clerk_id IS NULL"),
        ("fact_sale.sale_id=eq.4", "sale_id = 4"),
        ("expand=product_id&product_id.product_name=eq.Product 5", "product_id = 5"),
        ('expand=clerk_id&clerk_id.branch_name=in."Branch 1",Branch 2', "clerk_id % 8 + 1 IN (1, 2)"),
    ],
)
def test_a_filter_is_the_condition_that_it_says(
    client: httpx.Client, loaded: System, query: str, condition: Any
) -> None:
    expected = loaded.warehouse(f"SELECT sale_id FROM current_sale WHERE {condition} ORDER BY 1")  # type: ignore[arg-type]  # noqa: S608
    found = rows(client.get(f"/v1/fact_sale?select=sale_id&limit=1000&{query}"))
    assert [row["sale_id"] for row in found] == [key for (key,) in expected]


def test_texts_are_sought_by_pattern(client: httpx.Client) -> None:
    found = rows(client.get("/v1/dim_product", params={"product_name": "like.%t 1_2", "limit": 1000}))
    assert {row["product_name"] for row in found} == {f"Product 1{n}2" for n in range(10)}


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/v1/nothing", 404, "/v1/fact_sale"),
        ("/v1/fact_sale/3/4", 404, "/v1/fact_sale/{key}"),
        ("/v1/dim_product/3/history", 404, "/v1/dim_product"),
        ("/v1/fact_sale?colour=eq.1", 422, "units_sold"),
        ("/v1/fact_sale?units_sold=30", 422, "eq.value"),
        ("/v1/fact_sale?units_sold=eq.many", 422, "an integer of 64 bits"),
        ("/v1/fact_sale?units_sold=eq.99999999999999999999", 422, "an integer of 64 bits"),
        ("/v1/fact_sale?delivery_date=eq.2023-02-30", 422, "a day"),
        ("/v1/fact_sale?units_sold=like.3", 422, "only text"),
        ("/v1/fact_sale?select=colour", 422, "units_sold"),
        ("/v1/fact_sale?select=clerk_id.branch_name", 422, "units_sold"),
        ("/v1/fact_sale?expand=sale_id", 422, "clerk_id"),
        ("/v1/fact_sale?expand=", 422, "clerk_id"),
        ("/v1/fact_sale?expand=clerk_id,", 422, "product_id"),
        ("/v1/fact_sale?order=units_sold:up", 422, "desc"),
        ("/v1/fact_sale?order=", 422, "units_sold"),
        ("/v1/fact_sale?select=", 422, "units_sold"),
        ("/v1/fact_sale?limit=0", 422, "10000"),
        ("/v1/fact_sale?limit=10001", 422, "format=csv"),
        ("/v1/fact_sale?as_of=yesterday", 422, "2024-08-22"),
        ("/v1/dim_product?as_of=2024-01-01", 422, "latest state"),
        ("/v1/fact_sale?limit=1&limit=2", 422, "twice"),
        ("/v1/fact_sale?" + "&".join(["units_sold=gt.1"] * 51), 422, "50"),
        ("/v1/fact_sale?sale_id=in." + ",".join(["1"] * 1001), 422, "1000"),
        ("/v1/fact_sale?format=xml", 422, "parquet"),
        ("/v1/fact_sale/3?format=csv", 406, "json"),
        ("/v1/fact_sale/three", 422, "an integer"),
        ("/v1/fact_sale/3,4", 422, "sale_id"),
        ("/v1/fact_sale?units_sold=eq.%FF", 400, "UTF-8"),
        ("/elsewhere", 404, "no such"),
    ],
)
def test_what_is_not_known_is_refused_with_what_is(client: httpx.Client, path: str, status: int, told: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert told in answer.text, answer.text


def test_only_reading_is_answered(client: httpx.Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = client.request(method, "/v1/fact_sale")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    head = client.head("/v1/fact_sale")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["etag"] == client.get("/v1/fact_sale").headers["etag"]


def test_versions_have_a_history_and_an_instant(client: httpx.Client) -> None:
    versions = rows(client.get("/v1/fact_sale/3/history"))
    assert [version["units_sold"] for version in versions] == [9, 10]
    first, second = versions
    assert first["valid_to"] == second["valid_from"]
    assert second["valid_to"] is None

    before = client.get("/v1/fact_sale/3", params={"as_of": first["valid_from"]})
    assert before.json()["units_sold"] == 9
    assert "valid_to" not in before.json()

    (gone,) = rows(client.get("/v1/fact_payment/7/history"))
    assert gone["valid_to"]
    assert rows(client.get("/v1/fact_payment/7", params={"as_of": gone["valid_from"]}))["payment_id"] == 7
    assert client.get("/v1/fact_payment/7", params={"as_of": gone["valid_to"]}).status_code == 404
    assert client.get("/v1/fact_payment/7").status_code == 404


def test_an_instant_beyond_what_is_loaded_is_set_back_and_the_answer_says_so(client: httpx.Client) -> None:
    answer = client.get("/v1/fact_sale?as_of=2999-01-01T00:00:00Z&limit=1000")
    assert answer.headers["as-of-set-back-from"].startswith("2999-01-01")
    assert answer.headers["as-of"] < "2999"
    assert answer.json() == client.get("/v1/fact_sale?limit=1000").json()
    assert client.get("/v1/fact_sale?expand=clerk_id").headers["latest-state-of"] == "dim_clerk"
    assert client.get("/v1/dim_clerk").headers["latest-state-of"] == "dim_clerk"


def test_metrics_are_served_as_their_views_show_them_and_as_of_an_instant(client: httpx.Client, loaded: System) -> None:
    for name, metric in DECLARED.metrics.items():
        (count,) = loaded.warehouse(f"SELECT count(*) FROM {metric.view}")[0]  # type: ignore[arg-type]  # noqa: S608
        answer = client.get(f"/v1/metrics/{name}?limit=10000")
        assert len(rows(answer)) == count
        assert list(answer.json()[0]) == list(metric.columns)
        paged, path = [], f"/v1/metrics/{name}?limit=7"
        while path:
            page = client.get(path)
            paged += rows(page)
            path = page.links.get("next", {}).get("url", "")
        assert sorted(map(repr, paged)) == sorted(map(repr, answer.json()))
        past = client.get(f"/v1/metrics/{name}?as_of=2000-01-01")
        assert past.status_code == 200 if metric.as_of else 422


def test_the_start_page_and_the_description_tell_of_every_metric(served: Served) -> None:
    paths = httpx.get(f"{served.url}/openapi.json").json()["paths"]
    told = {path: said["get"]["x-metric"] for path, said in paths.items() if "x-metric" in said["get"]}
    assert told == {f"/v1/metrics/{metric.name}": metric.tile for metric in DECLARED.metrics.values()}
    page = httpx.get(f"{served.url}/")
    assert page.headers["Content-Type"].startswith("text/html")
    for asset in re.findall(r'(?:href|src)="(/page/[^"]+)"', page.text):
        loaded = httpx.get(f"{served.url}{asset}")
        assert loaded.status_code == 200, asset
        assert "default-src 'self'" in loaded.headers["Content-Security-Policy"]
