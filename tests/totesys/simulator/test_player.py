"""A player chooses by its seed, keeps its transactions in order, and survives races."""

from collections.abc import Callable

import pytest

from local.totesys import BEHAVIOURS, Player, SimulatorError, connect, create_schema, fill
from local.totesys.connection import Connection
from local.totesys.player import WEIGHTS
from tests.totesys.simulator.conftest import PLAYED_AT, SALES_ORDERS
from tests.totesys.simulator.reading import all_keys, contents, row, value


def test_savepoints_leave_rows_of_several_transaction_ids_and_none_that_was_rolled_back(
    filled: Connection, player: Player
) -> None:
    before = all_keys(filled, "sales_order")
    first, rewritten, second = player.perform("nest_savepoints")
    assert all_keys(filled, "sales_order") - before == {first, second}
    assert len({row(filled, "sales_order", key)["xmin"] for key in (first, rewritten, second)}) == 3


@pytest.mark.parametrize(("end", "appears"), [("commit_late_transaction", True), ("roll_back_late_transaction", False)])
def test_a_late_transaction_appears_only_when_it_commits(
    filled: Connection, player: Player, end: str, appears: bool
) -> None:
    inserted, *_ = player.perform("open_late_transaction")
    for _ in range(20):
        player.perform("insert_sale")
    assert row(filled, "sales_order", inserted) == {}
    player.perform(end)
    assert bool(row(filled, "sales_order", inserted)) is appears


def test_closing_a_player_ends_its_late_transactions(filled: Connection, player: Player) -> None:
    for _ in range(4):
        player.perform("open_late_transaction")
    assert player.tally.done["open_late_transaction"] == 3
    assert player.tally.idle["open_late_transaction"] == 1
    player.close()
    assert value(filled, "SELECT count(*) FROM sales_order") == SALES_ORDERS
    open_transactions = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state LIKE 'idle in%%'"
    assert value(filled, open_transactions, filled.info.dbname) == 0


def test_every_behaviour_ends_its_transaction(player: Player) -> None:
    for name in BEHAVIOURS:
        player.perform(name)
        assert player.connection.info.transaction_status.name == "IDLE", name
    assert player.tally.raced.total() == 0


def test_an_unknown_behaviour_is_named(player: Player) -> None:
    with pytest.raises(SimulatorError, match="no such behaviour: dance"):
        player.perform("dance")


def test_a_race_is_rolled_back_and_counted(filled: Connection, player: Player) -> None:
    before = contents(filled)
    player.connection.execute("SET lock_timeout = '10ms'")
    with connect(filled.info.dsn, autocommit=False) as other:
        other.execute("LOCK TABLE payment")
        assert player.perform("insert_sale") == []
        other.rollback()
    assert player.tally.raced == {"insert_sale": 1}
    assert contents(filled) == before


def test_equal_seeds_choose_and_write_the_same_when_alone(
    fresh_database: Callable[..., str],
) -> None:
    played = []
    for _ in range(2):
        url = fresh_database("played")
        with connect(url) as connection, player_on_new(connection, url) as player:
            for _ in range(300):
                player.perform(player.choose())
            played.append((player.tally, contents(connection)))
    assert played[0] == played[1]
    assert set(played[0][0].done) | set(played[0][0].idle) >= {
        "insert_sale",
        "nest_savepoints",
        "delete_sale",
    }


def player_on_new(connection: Connection, url: str) -> Player:
    """A player on a ToteSys that is made for it."""
    create_schema(connection)
    fill(connection, 40)
    return Player(url, seed=5, now=lambda: PLAYED_AT)


def test_another_seed_chooses_otherwise(filled: Connection) -> None:
    choices = []
    for seed in (1, 2):
        with Player(filled.info.dsn, seed) as player:
            choices.append([player.choose() for _ in range(50)])
    assert choices[0] != choices[1]
    assert {*choices[0], *choices[1]} <= {behaviour.__name__ for behaviour in WEIGHTS}


def test_a_missing_schema_is_named(source_url: str) -> None:
    with pytest.raises(SimulatorError, match="run create first"):
        Player(source_url)
