"""The plugin that gives a run its note never stands in the scheduler's way, nor in a person's."""

import logging
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from local.airflow import DAG_FILE

LINE = "1 new, 0 changed, 0 deleted, 0 rejected in 1 table; lag 2 s"


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(DAG_FILE.parents[1] / "plugins")
    module = import_module("totesys_note")
    monkeypatch.setattr(module, "_left_by_record", lambda *_: LINE)
    monkeypatch.setattr(module, "_session_of", lambda _: object())
    return module


def run(**given: Any) -> Any:
    return SimpleNamespace(**{"dag_id": "totesys_warehouse", "run_id": "r", "dag_run_note": None, "note": None} | given)


def test_a_run_gets_the_line_that_record_left_however_it_ends(plugin: Any) -> None:
    succeeded, failed = run(), run()
    plugin.on_dag_run_success(succeeded)
    plugin.on_dag_run_failed(failed, msg="task_failure")
    assert succeeded.note == failed.note == LINE


def test_a_line_is_cut_to_what_airflow_keeps(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "_left_by_record", lambda *_: "x" * 2000)
    ended = run()
    plugin.on_dag_run_failed(ended, msg="task_failure")
    assert len(ended.note) == 1000


def test_what_somebody_wrote_stays(plugin: Any) -> None:
    ended = run(dag_run_note=SimpleNamespace(user_id="7"), note="do not clear")
    plugin.on_dag_run_success(ended)
    assert ended.note == "do not clear"


def test_runs_of_other_dags_are_let_alone(plugin: Any) -> None:
    ended = run(dag_id="another")
    plugin.on_dag_run_success(ended)
    assert ended.note is None


def test_an_error_is_told_in_the_log_and_goes_no_further(
    plugin: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no database")

    monkeypatch.setattr(plugin, "_left_by_record", fail)
    with caplog.at_level(logging.ERROR):
        plugin.on_dag_run_success(run())
    assert "the run r of totesys_warehouse was given no note" in caplog.text


def test_outside_the_scheduler_there_is_no_note_and_no_error(
    plugin: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plugin, "_session_of", lambda _: None)
    ended = run()
    plugin.on_dag_run_success(ended)
    assert (ended.note, caplog.records) == (None, [])
