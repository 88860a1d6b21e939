"""What loads noted becomes part of the lake's tables: what the warehouse has committed, and nothing else."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

from include.common.errors import DataError, DeclarationError, ServiceError, border
from include.common.manifests import Inputs
from include.common.postgres import connect, postgres_errors
from include.common.settings import LAKE_DATABASE, WAREHOUSE_CONNECTION, optional_variable
from include.tables.declarations import Declarations
from include.tables.drift import with_columns
from include.tables.question import Question, score_table
from include.tables.star import StarTable
from include.warehouse.export import UNKNOWN, export

log = logging.getLogger(__name__)

NOTED = """
    SELECT table_name, load_id, inputs, wider, array_agg(key ORDER BY key) FROM pipeline.file
     GROUP BY table_name, load_id, inputs, wider ORDER BY min(noted)"""

LATER = """
    WITH told AS (DELETE FROM pipeline.file RETURNING table_name)
    UPDATE pipeline.load SET load_id = NULL WHERE table_name IN (SELECT table_name FROM told)"""

UNLISTED = "SELECT table_name FROM pipeline.load WHERE NOT listed AND load_id IS NOT NULL"

LISTED = "UPDATE pipeline.load SET listed = true WHERE table_name = %s"

LIST = """
    INSERT INTO pipeline.brought (key, table_name, rows, size_bytes, number)
    SELECT key, %(table)s, rows, size_bytes, first + row_number() OVER (ORDER BY key)
      FROM unnest(%(keys)s::text[], %(rows)s::bigint[], %(sizes)s::bigint[]) AS f (key, rows, size_bytes),
           (SELECT coalesce(min(number), 1) - cardinality(%(keys)s) - 1 AS first
              FROM pipeline.brought WHERE table_name = %(table)s) b
        ON CONFLICT DO NOTHING"""
"""Files that were brought before any that are listed: their keys begin with when the source was read."""


@dataclass(frozen=True)
class Noted:
    """A load that noted its files. wider: as in `StarFiles`. keys: of the files."""

    load_id: str
    inputs: Inputs
    wider: Mapping[str, str]
    keys: Sequence[str]


def publish_files(declared: Declarations) -> list[str]:
    """Have the lake's tables name the files of all loads that noted theirs; gives what went wrong, a sentence a table.

    Each table's become part of it in one snapshot. It may be repeated, and two may do it at once: what was lost on the
    way is noted still, and no load is added twice. Where no database of the catalogue is named, there is none.

    Raises: as `postgres_errors`.
    """
    database = optional_variable(LAKE_DATABASE)
    if not database:
        _begin_later()
        return []
    problems: dict[str, str] = {}
    for name in _find_tables(UNKNOWN) & declared.star.keys():
        with _telling(problems, name):
            export(declared.star[name])
    for name, loads in _find_noted().items():
        if name not in problems:
            with _telling(problems, name):
                _publish_table(database, _table_of(declared, name), loads)
    for name in _find_tables(UNLISTED) - problems.keys():
        with _telling(problems, name):
            _list_files(database, _table_of(declared, name))
    return list(problems.values())


def publish_scores(question: Question) -> None:
    """Have the lake's table of a question's scores name the files that scorings noted. It may be repeated.

    Raises: as `postgres_errors`, `aws_errors` and `lake_errors`.
    """
    database, loads = optional_variable(LAKE_DATABASE), _find_noted().get(question.scores)
    if database and loads:
        _publish_table(database, score_table(question), loads)


def _table_of(declared: Declarations, name: str) -> StarTable | None:
    """A table that files are noted of: the star's, or one of scores."""
    scores = {question.scores: question for question in declared.scored}
    return score_table(scores[name]) if name in scores else declared.star.get(name)


@contextmanager
def _telling(problems: dict[str, str], name: str) -> Iterator[None]:
    """What goes wrong with one table is told, and keeps no other from its own."""
    try:
        with border(f"the lake's table {name}"):
            yield
    except (DeclarationError, DataError, ServiceError) as error:
        problems[name] = f"the lake is behind: {error}"


def _publish_table(database: str, table: StarTable | None, loads: list[Noted]) -> None:
    if table is None:
        log.warning(
            "files that were loaded are no part of the lake, as their table is not declared any more: %s", loads
        )
        return
    from include.lake import iceberg  # which takes 50 MB and half a second, and runs without a change do without

    for load in loads:
        table = with_columns(table, load.wider)
    brought = [iceberg.Loaded(load.load_id, load.inputs, load.keys) for load in loads]
    first = iceberg.append(database, table, brought)
    _forget(table.name, [key for load in loads for key in load.keys], listed=first)


def _begin_later() -> None:
    """Keep no notes without a lake: one that is made later begins with what the warehouse holds then."""
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors("the loaded files"):
        if connection.execute("SELECT 1 FROM pipeline.file LIMIT 1").fetchone():
            connection.execute(LATER)
            connection.commit()


def _list_files(database: str, table: StarTable | None) -> None:
    """List the files that the lake's table names and the warehouse does not: it is younger than they are."""
    if table is None:
        return
    from include.lake import iceberg

    files = sorted(iceberg.named_files(database, table), key=lambda file: file.key)
    told = {"keys": [file.key for file in files], "rows": [file.rows for file in files]}
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors("the loaded files"):
        connection.execute(LISTED, [table.name])
        connection.execute(LIST, {"table": table.name, "sizes": [file.size_bytes for file in files], **told})
        connection.commit()


def _find_tables(query: LiteralString) -> set[str]:
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors("the loaded tables"):
        return {name for (name,) in connection.execute(query)}


def _find_noted() -> dict[str, list[Noted]]:
    """Warehouse table → the loads that noted files of it, in their order."""
    found: dict[str, list[Noted]] = {}
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors("the loaded files"):
        for table, load_id, inputs, wider, keys in connection.execute(NOTED):
            found.setdefault(table, []).append(Noted(load_id, inputs, wider, keys))
    return found


def _forget(table: str, keys: list[str], listed: bool) -> None:
    """Forget that the lake is still to have these files. listed: it names no others, so the warehouse knows all."""
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors("the loaded files"):
        connection.execute("DELETE FROM pipeline.file WHERE key = ANY(%s)", [keys])
        if listed:
            connection.execute(LISTED, [table])
        connection.commit()
