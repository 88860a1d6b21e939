"""Scores for the lake: what a scoring said anew, and of which rows it says nothing any more, as files that it notes."""

from datetime import datetime

import psycopg
from psycopg import sql

from include.common.keys import KeySet
from include.common.manifests import FileEntry, Inputs, StarFiles
from include.common.settings import LAKE_DATABASE, optional_variable
from include.lake.changelog import Said, new_load
from include.tables.question import Question, history_of, score_table
from include.warehouse.export import write_rows
from include.warehouse.told import found_keys, note, tell_keys

GONE = sql.SQL("""
    SELECT {keys} FROM {history} h WHERE ended_at = {now}
       AND NOT EXISTS (SELECT FROM {scores} s WHERE ({own}) = ({others}))""")


def note_scores(
    connection: psycopg.Connection, question: Question, inputs: Inputs, now: datetime, known: bool
) -> str | None:
    """Write and note files of what a scoring at `now` changed; gives the load's id, None where there is no lake.

    known: whether the lake has all that the table held before; else all of it is written.

    Raises: as `lake_errors`.
    """
    if not optional_variable(LAKE_DATABASE):
        return None
    load_id, table = new_load(), score_table(question)
    said = Said(load_id, now)
    which = sql.SQL("scored_at = {}").format(sql.Literal(now)) if known else sql.SQL("true")
    entries = write_rows(connection, table, said, which)
    if known:
        keys = found_keys(connection, table, _gone(question, now))
        entries += tell_keys(table, Said(load_id, now, "gone"), keys)
    note(connection, _files(question, load_id, inputs, entries), entries)
    return load_id


def _gone(question: Question, now: datetime) -> sql.Composed:
    """The keys whose score ended, and that have no other."""

    def of(alias: str) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(alias, key) for key in question.fact.key_columns)

    return GONE.format(
        keys=of("h"),
        history=sql.Identifier(history_of(question)),
        scores=sql.Identifier(question.scores),
        own=of("s"),
        others=of("h"),
        now=sql.Literal(now),
    )


def _files(question: Question, load_id: str, inputs: Inputs, entries: list[FileEntry]) -> StarFiles:
    return StarFiles(
        table=question.scores,
        load_id=load_id,
        inputs=inputs,
        source=None,
        files=entries,
        rejected=KeySet(),
        rejected_files=[],
        seconds=0,
    )
