"""A run that is killed, wherever that is, is mended by the next one: nothing lost, nothing doubled."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, LiteralString

import pytest

from include.source import landing
from include.totesys import DECLARED
from include.warehouse import load
from tests.system import Servers, System, cloned_system, open_exactly
from tests.totesys.acceptance.crashes import AFTER_BLOCK, KILLED, Original, places_of_a_run, run_in_child
from tests.totesys.acceptance.faults import Fault
from tests.totesys.acceptance.history import shown_dimensions, shown_versions
from tests.totesys.acceptance.oracle import all_differences

CHANGES: LiteralString = """
    UPDATE department SET location = 'moved';
    UPDATE address SET postal_code = '0' || postal_code WHERE address_id <= 3;
    UPDATE counterparty SET counterparty_legal_name = 'renamed' WHERE counterparty_id = 1;
    UPDATE currency SET currency_code = 'JPY' WHERE currency_code = 'ZZZ';
    UPDATE design SET file_name = 'renamed' WHERE design_id = 1;
    UPDATE payment_type SET payment_type_name = 'SALES_REFUND' WHERE payment_type_id = 4;
    DELETE FROM sales_order WHERE sales_order_id = 1;
    UPDATE sales_order SET units_sold = 7 WHERE sales_order_id >= 3;
    UPDATE purchase_order SET item_quantity = 7 WHERE purchase_order_id <= 3;
    DELETE FROM payment WHERE payment_id = 1;
    UPDATE payment SET paid = true WHERE payment_id = 2;"""
"""Something for every table of the warehouse to load."""

PLACES = {
    ("later run", "before a step"): 8,
    ("later run", "after a step"): 8,
    ("later run", "before a request to S3"): 40,
    ("later run", "after a request to S3"): 40,
    ("later run", "in a COPY"): 20,
    ("later run", AFTER_BLOCK): 20,
    ("later run", "before a commit"): 12,
    ("later run", "after a commit"): 12,
    ("first run", AFTER_BLOCK): 16,
    ("first run", "after a commit"): 12,
    ("first run", "after PutObject"): 32,
}
"""Where runs are killed → every how many times that a run comes there; thoroughly, every time."""

SEED = int(os.environ.get("PROOF_SEED", "0"))
"""Which of those times; CI gives a fresh one, and prints it."""

SMALL = {(landing, "FILE_ROWS"): 2, (load, "FILL_ROWS"): 1}
"""Sizes at which a small run is made of many files, and fills empty tables the fast way."""

Outcome = dict[str, Any]


@pytest.fixture(scope="module")
def original(
    request: pytest.FixtureRequest, servers: Callable[[int], Servers], source_templates: Callable[[int], str]
) -> Iterator[Original]:
    """A source with rows that are not in the warehouse yet: all of them, or changes of every table."""
    with (
        pytest.MonkeyPatch.context() as patch,
        cloned_system(servers(18), DECLARED, source_templates(18)) as system,
    ):
        for (module, name), value in SMALL.items():
            patch.setattr(module, name, value)
        system.run_cleanly(*(["dim_date"] if request.param == "first run" else []))
        system.write(CHANGES)
        yield Original(servers(18), system)


@pytest.fixture(scope="module")
def undisturbed(original: Original) -> tuple[Counter[str], Outcome]:
    """What an undisturbed run comes to, and what it leaves in the warehouse."""
    with original.copied() as system:
        return places_of_a_run(system), outcome(system)


def outcome(system: System) -> Outcome:
    """What the warehouse holds, but for the instants; it equals the source."""
    endpoints = system.endpoints
    with open_exactly(endpoints.source_url) as source, open_exactly(endpoints.warehouse_url) as warehouse:
        assert all_differences(source, warehouse) == []
        versions = {
            table: {key: [(one.row, one.valid_to is None) for one in found] for key, found in facts.items()}
            for table, facts in shown_versions(warehouse).items()
        }
        return shown_dimensions(warehouse) | versions


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize(("original", "place"), PLACES, indirect=["original"])
def test_the_next_run_mends_one_that_was_killed(
    original: Original, undisturbed: tuple[Counter[str], Outcome], place: str, request: pytest.FixtureRequest
) -> None:
    reached, wanted = undisturbed
    assert reached[place]
    thorough = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
    every = 1 if thorough else PLACES[request.node.callspec.params["original"], place]
    for number in range(SEED % min(every, reached[place]), reached[place], every):
        with original.copied() as system:
            assert run_in_child(system, Fault(place, number)) == KILLED
            system.run_cleanly()
            assert outcome(system) == wanted, (place, number)


LONG_TEXT: LiteralString = "UPDATE design SET file_name = repeat('x', 3000000) "


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("original", ["later run"], indirect=True)
def test_an_upload_that_was_killed_between_its_parts_leaves_no_file(
    original: Original, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "FILE_ROWS", 100)
    with original.copied() as system:
        system.write(LONG_TEXT)
        before = system.data_files()
        assert run_in_child(system, Fault("after UploadPart", 0)) == KILLED
        assert not [key for key in system.data_files() - before if "/design/" in key]
        assert s3.list_multipart_uploads(Bucket=system.endpoints.buckets.ingestion)["Uploads"]
        system.run_cleanly()
        assert system.warehouse("SELECT count(*) FROM dim_design WHERE length(file_name) = 3000000") == [(4,)]
