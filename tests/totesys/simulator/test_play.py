"""Business days are played to their limits, by one or by several players."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from local.totesys import Player, Rule, SimulatorError
from local.totesys.connection import Connection
from local.totesys.play import Pace, Play, Stage
from local.totesys.player import WEIGHTS
from tests.totesys.simulator.reading import value

FRIDAY = date(2025, 3, 7)


def play(player: Player, pace: Pace) -> list[str]:
    """Plays and gives the lines reported."""
    lines: list[str] = []
    Play(player, pace, Stage(pace.first_day)).run(lines.append)
    return lines


def test_ticks_limit_the_play_and_each_is_one_behaviour(player: Player) -> None:
    lines = play(player, Pace(FRIDAY, ticks=25))
    assert [line.split(":")[0] for line in lines] == ["day 1 (2025-03-07)", "total"]
    done, idle, raced = (int(part.split()[0]) for part in lines[-1].removeprefix("total: ").split(", ")[:3])
    assert done + idle + raced == 25 + 1  # and the batch of the morning


def test_days_follow_each_other_without_the_weekend(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.totesys.play.TICKS_PER_DAY", 5)
    lines = play(player, Pace(FRIDAY, days=2))
    assert [line.split(":")[0] for line in lines] == ["day 1 (2025-03-07)", "day 2 (2025-03-10)", "total"]


def test_a_batch_of_saturday_is_played_before_monday(filled: Connection) -> None:
    filled.execute("UPDATE payment SET paid = false, payment_date = '2025-03-08'")
    stage = Stage(FRIDAY + timedelta(days=3))
    with Player(filled.info.dsn, now=stage.now, rule=Rule(changes_on=FRIDAY)) as player:
        Play(player, Pace(stage.moment.date(), days=1, ticks=1), stage).run(lambda _: None)
    paid = "SELECT count(*) FROM payment WHERE last_updated::date = '2025-03-08'"
    assert value(filled, paid) == value(filled, "SELECT count(*) FROM payment WHERE payment_date = '2025-03-08'") > 0


def test_no_ticks_are_no_play(player: Player) -> None:
    assert play(player, Pace(FRIDAY, ticks=0)) == ["total: 0 done, 0 idle, 0 raced"]


def test_a_stopped_play_ends_at_once(player: Player) -> None:
    stage = Stage(FRIDAY)
    one = Play(player, Pace(FRIDAY), stage)
    one.stop.set()
    assert one.run(lambda _: None).done.total() == 0


def test_speed_makes_a_tick_last(player: Player) -> None:
    started_at = datetime.now(UTC)
    play(player, Pace(FRIDAY, ticks=3, speed=600))
    assert datetime.now(UTC) - started_at >= timedelta(seconds=0.3)


def test_simulated_time_is_written_when_the_stage_is_the_clock(filled: Connection) -> None:
    stage = Stage(FRIDAY)
    with Player(filled.info.dsn, now=stage.now) as player:
        Play(player, Pace(FRIDAY, ticks=30), stage).run(lambda _: None)
    assert value(filled, "SELECT max(created_at) FROM transaction") > datetime.combine(FRIDAY, datetime.min.time())
    assert value(filled, "SELECT max(created_at) FROM transaction") < datetime(2025, 3, 7, 8, 30)


def test_real_time_is_written_otherwise(filled: Connection) -> None:
    with Player(filled.info.dsn) as player:
        player.perform("insert_sale")
    newest = value(filled, "SELECT max(created_at) FROM sales_order").replace(tzinfo=UTC)
    assert timedelta(0) <= datetime.now(UTC) - newest < timedelta(seconds=10)


@pytest.mark.parametrize("limit", ["days", "ticks", "speed"])
def test_negative_limits_are_refused(limit: str) -> None:
    with pytest.raises(SimulatorError, match=f"{limit} must not be negative: -1"):
        Pace(FRIDAY, **{limit: -1})


def test_several_players_at_once_lose_races_and_nothing_else(filled: Connection) -> None:
    def turns(seed: int) -> int:
        with Player(filled.info.dsn, seed) as player:
            tally = Play(player, Pace(FRIDAY, ticks=200), Stage(FRIDAY)).run(lambda _: None)
        return tally.done.total() + tally.idle.total() + tally.raced.total()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(turns, range(3))) == [201, 201, 201]


def test_weights_are_of_about_a_thousand_ticks() -> None:
    assert 900 < sum(WEIGHTS.values()) < 1_200
