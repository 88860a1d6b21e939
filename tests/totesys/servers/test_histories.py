"""Standbys that lag, take over or take turns, and volumes that are put back: no row is lost or closed."""

import shutil
from collections.abc import Callable
from pathlib import Path

from include.common.errors import ServiceError
from include.tables.steps import Step
from tests.totesys.servers.conftest import Filled, Pipeline, catch_up, execute, own, server_of, standby_of, wait_until

DESIGN = Step("ingest", "design")
NEW = "INSERT INTO design (design_id, design_name, file_location, file_name, last_updated) VALUES"
CLOSED = "SELECT count(*) FROM pipeline.deleted"


def test_a_standby_is_read_as_its_primary(filled: Filled, pipeline_of: Callable[..., Pipeline], folder: Path) -> None:
    primary = filled(15)
    with standby_of(primary, folder / "standby") as standby:
        pipeline = pipeline_of(standby.url("totesys"))
        pipeline.system.run_cleanly()
        execute(primary, "UPDATE design SET design_name = 'x'; DELETE FROM payment WHERE payment_id < 4")
        catch_up(primary, standby)
        done = pipeline.system.run_cleanly()
        assert pipeline.differences(primary.url("totesys")) == []
        assert done.results[DESIGN].base is not None


def test_a_standby_that_lags_is_waited_for_and_closes_nothing(
    filled: Filled, pipeline_of: Callable[..., Pipeline], folder: Path
) -> None:
    primary = filled(18)
    with standby_of(primary, folder / "standby") as standby:
        catch_up(primary, standby)
        execute(standby, "SELECT pg_wal_replay_pause()")
        execute(primary, f"{NEW} (9001, 'n', '/', 'f', now())")
        pipeline = pipeline_of(primary.url("totesys"))
        pipeline.system.run_cleanly("design")
        pipeline.lead("totesys", standby.url("totesys"))
        error = pipeline.system.run("design").failures[DESIGN]
        assert type(error) is ServiceError
        assert "replica" in str(error)
        assert pipeline.system.warehouse(CLOSED) == [(0,)]
        execute(standby, "SELECT pg_wal_replay_resume()")
        catch_up(primary, standby)
        pipeline.system.run_cleanly("design")
        assert pipeline.system.warehouse(CLOSED) == [(0,)]


def test_lag_counts_from_what_a_standby_has_replayed(
    filled: Filled, pipeline_of: Callable[..., Pipeline], folder: Path
) -> None:
    primary = filled(18)
    with standby_of(primary, folder / "standby") as standby:
        execute(primary, f"{NEW} (9001, 'n', '/', 'f', now())")
        catch_up(primary, standby)
        execute(standby, "SELECT pg_wal_replay_pause()")
        execute(primary, f"{NEW} (9002, 'n', '/', 'f', now())")
        received = "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"
        wait_until(lambda: execute(standby, received) == [(True,)])
        ((replayed,),) = execute(standby, "SELECT pg_last_xact_replay_timestamp()")
        pipeline = pipeline_of(standby.url("totesys"))
        read = pipeline.system.run_cleanly("design").results[DESIGN]
        assert read.observed_at == replayed
        execute(standby, "SELECT pg_wal_replay_resume()")
        catch_up(primary, standby)
        read = pipeline.system.run_cleanly("design").results[DESIGN]
        assert read.observed_at == read.cursor.clock


def test_a_standby_that_takes_over_is_read_on(
    filled: Filled, pipeline_of: Callable[..., Pipeline], folder: Path
) -> None:
    primary = filled(18)
    with standby_of(primary, folder / "standby") as standby:
        pipeline = pipeline_of(primary.url("totesys"))
        catch_up(primary, standby)
        execute(standby, "ALTER SYSTEM SET primary_conninfo = ''")  # so that it never receives what follows
        execute(standby, "SELECT pg_reload_conf()")
        wait_until(lambda: execute(standby, "SELECT count(*) FROM pg_stat_wal_receiver") == [(0,)])
        execute(primary, f"{NEW} (9001, 'lost', '/', 'f', now())")
        execute(primary, "UPDATE design SET design_name = 'lost'")
        pipeline.system.run_cleanly()
        primary.stop()
        execute(standby, "SELECT pg_promote(wait => false)")
        wait_until(lambda: execute(standby, "SELECT pg_is_in_recovery()") == [(False,)])
        execute(standby, f"{NEW} (9001, 'kept', '/', 'f', now())")
        pipeline.lead("totesys", standby.url("totesys"))
        pipeline.system.run_cleanly()
        assert pipeline.differences(standby.url("totesys")) == []


def test_two_standbys_in_turn_are_read_as_one_and_known_again(
    filled: Filled, pipeline_of: Callable[..., Pipeline], folder: Path
) -> None:
    primary = filled(18)
    with standby_of(primary, folder / "a") as one, standby_of(primary, folder / "b") as other:
        pipeline = pipeline_of(primary.url("totesys"))
        bases = []
        for number, standby in enumerate([one, other] * 2):
            execute(primary, f"{NEW} ({9001 + number}, 'n', '/', 'f', now())")
            catch_up(primary, standby)
            pipeline.lead("totesys", standby.url("totesys"))
            bases.append(pipeline.system.run_cleanly("design").results[DESIGN].base is None)
        assert bases == [True, False, False, False]
        assert pipeline.system.warehouse("SELECT count(*) FROM dim_design WHERE design_id > 9000") == [(4,)]


def test_a_volume_that_is_put_back_loses_nothing_that_it_holds(
    filled: Filled, pipeline_of: Callable[..., Pipeline], folder: Path
) -> None:
    primary = filled(18)
    primary.stop()
    shutil.copytree(folder / "primary", folder / "copy")
    own(folder / "copy", folder / "primary")
    primary.start()
    pipeline = pipeline_of(primary.url("totesys"))
    execute(primary, "UPDATE design SET design_name = 'lost'")
    execute(primary, f"{NEW} (9001, 'lost', '/', 'f', now())")
    pipeline.system.run_cleanly()
    primary.stop()
    with server_of(18, folder / "copy") as restored:
        for _ in range(40):  # its transactions and its log go beyond what was read
            execute(restored, "UPDATE department SET location = location")
        execute(restored, f"{NEW} (9001, 'kept', '/', 'f', now())")
        execute(restored, "SELECT pg_switch_wal()")
        pipeline.lead("totesys", restored.url("totesys"))
        pipeline.system.run_cleanly()
        assert pipeline.differences(restored.url("totesys")) == []
