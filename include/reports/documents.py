"""What Airflow's UI tells of the DAG and of each task: the table's columns, and the SQL or the mapping that makes them.

Plain text, so that a DAG file stays cheap to parse; a test holds the statements against those that are executed.
"""

from collections.abc import Iterable

from include.reports.dictionary import origin, table_document
from include.tables.checking import IDENTIFIER
from include.tables.declarations import Declarations
from include.tables.source import SourceTable
from include.tables.star import Calendar, StarTable, is_versioned
from include.tables.steps import Step

ABOUT = """\
### ToteSys warehouse

Every 20 minutes: what changed in each source table goes to CSV in the ingestion bucket (`ingest`), becomes typed
Parquet in the processed bucket (`dimensions`, `facts`), is merged into the warehouse (`load`), compared with the
source (`check`) and only then recorded in `latest_update.json` (`record`).

* A table without a change is skipped, and so is what hangs on it alone.
* A failed run loses nothing: the next one repeats what was not recorded.
* **Trigger** with `tables` to bring some tables up to date, with `full_refresh` to read them whole.
* What is learned of the rows (`classify`) is watched, trained and asked beside that: `record` does not wait for it.
* Rows that cannot be right are set aside under `rejected/` in the processed bucket, and read again by every run.
"""

WHOLE_RUN = {
    "prepare": """\
Makes the warehouse what the declarations say: creates tables, columns, keys, views and the role `totesys_reader` where
they are missing, and takes nothing away. Leaves from which readings of the source each table was last built.""",
    "check": """\
Compares each table that was loaded with its source, by the number and the sum of the keys that the source had when it
was read. A table that does not agree fails the run in `record`, and the next run reads it whole. Fails where a table
was left behind, though the others are checked: then it runs again when the failed tasks of a run are cleared.""",
    "record": """\
Moves `latest_update.json` in the state bucket on, table by table, for what is loaded and checked; sends metrics and
alerts; leaves the run's note. Fails with the names of what is missing: the next run repeats that.""",
}

SLICED = {
    "plan": """\
Cuts the source table `{table}` into slices of its keys, where it has to be read whole and is too large for one
transaction. Leaves which slices are not read yet: none, where only what changed is to be read.""",
    "slice": """\
Reads a slice of the source table `{table}` in a transaction of its own, makes CSV and Parquet files of it, and copies
it once into a table beside the one that it is for. What changes meanwhile is read by `ingest`, after all slices. Ends
without work once the run has worked on slices for 15 minutes; the next run goes on.""",
}
"""What is done for tables that are declared with `slice_rows`."""

GROUPS = {
    "plan": ("How large source tables are cut into slices of their keys, where they are to be read whole", "#e6e0f3"),
    "slice": ("Slices of large source tables, each read, typed and copied beside the warehouse's table", "#d3ece9"),
    "ingest": ("What changed in each source table, out of the database and into CSV files", "#d7e9f7"),
    "dimensions": ("The CSV files of dimensions' sources, typed and joined, into Parquet", "#e3f1d4"),
    "facts": ("The CSV files of facts' sources, typed, into Parquet", "#fdf0cd"),
    "load": ("Parquet into the warehouse's tables: dimensions first, then the facts that refer to them", "#f6dfd5"),
}
"""Task group → its tool tip, and its colour (which Airflow 3.2 keeps, and its UI does not show)."""


CLASSIFY_GROUP = ("What payments and the like will come to: models watched, trained anew, asked", "#e6def5")
CLASSIFY = {
    "watch": """\
Holds what came of the rows that were due lately against what the champion said of them, and sends an alert where
reality leaves it: a batch that did not run is told within one run. Leaves since when the champion is wrong.""",
    "train": """\
Once a week, or sooner where the champion is wrong or features drift: learns from the warehouse's own rows, judges the
candidates on what came after they had learned, and promotes the simplest that none beats beyond noise, if it beats the
majority. Else it is skipped.""",
    "score": """\
Brings the table of scores up to date by SQL that is made of the champion: for each row that is not done, the
probability that it is done on its day, and why. Skipped where neither rows, nor champion, nor day have changed.""",
}
"""Task of the group `classify` → what it does. `record` does not wait for them."""


def task_document(declared: Declarations, step: Step) -> str:
    """What a step does, as Markdown."""
    if step.kind in SLICED:
        return SLICED[step.kind].format(table=declared.sources[step.table].place)
    if step.kind == "ingest":
        return _ingest(declared, declared.sources[step.table])
    if step.kind == "transform":
        return _transform(declared.star[step.table])
    if step.kind == "load":
        return f"{table_document(declared.star[step.table])}\n\n{_load(declared.star[step.table])}"
    return WHOLE_RUN[step.kind]


def _ingest(declared: Declarations, table: SourceTable) -> str:
    feeds = ", ".join(f"`{fed.name}`" for fed in declared.fed_by(table.name)) or "no table"
    rows = [
        f"| {f'**{column.name}**' if column.name in table.key_columns else column.name} | {column.type} "
        f"| {'yes' if column.nullable else ''} | {column.references or ''} |"
        for column in table.columns
    ]
    lines = [
        f"Reads what changed in the source table `{table.place}` since its last recorded reading into "
        "CSV files of the ingestion bucket, and finds the keys that are gone. "
        f"It feeds {feeds}. Without a change it is skipped.",
        "",
        "| column | type | NULL | refers to |",
        "|---|---|---|---|",
        *rows,
    ]
    return "\n".join([*lines, "", _sql(changes_query(table))])


def changes_query(table: SourceTable) -> str:
    """The query of a table's changes; `:cursor`, `:newest` stand for what the last recorded reading left."""
    condition = "age(xmin) <= age(:cursor::xid8::xid)"
    if table.follow == "stamp":
        condition = f"{_name(table.stamp)} >= :newest - interval '{table.overlap_seconds} s'"
    columns = ", ".join(_name(column.name) for column in table.columns)
    relation = f"{_name(table.schema)}.{_name(table.found_name)}"
    where = "" if table.follow == "whole" else f"\n WHERE {condition}"
    return f"SELECT {columns}\n  FROM {relation}{where}"  # noqa: S608 - shown, not run


def _name(name: str) -> str:
    """A name as SQL has it: quoted where it must be, as far as that can be told without a server."""
    return name if IDENTIFIER.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _transform(table: StarTable) -> str:
    if isinstance(table, Calendar):
        return f"Writes every day from {table.first} to {table.last} as Parquet, once."
    sources = " and ".join(f"`{name}`" for name in table.source_names)
    lines = [
        f"Builds the rows of `{table.name}` from the CSV files of {sources} and writes them as Parquet to the "
        "processed bucket. Rows that cannot be right go to `rejected/`, with the reason.",
        "",
        "| column | type | ← |",
        "|---|---|---|",
        *(f"| {column.name} | {column.type} | {origin(table, column)} |" for column in table.columns),
    ]
    joins = [f"`{join.table.name}` is found by `{join.on}`." for join in table.joins]
    return "\n".join([*lines, *([""] if joins else []), *joins])


def _load(table: StarTable) -> str:
    how = (
        "Closes the current version of each row that differs, and adds the new ones as current. Keys that the source "
        "no longer has are closed."
        if is_versioned(table)
        else "Adds the rows that are not there, and overwrites those that differ. Rows that the source no longer has "
        "stay, and are noted in `pipeline.deleted`."
    )
    return "\n\n".join([f"{how} An empty table is filled with `COPY`.", *map(_sql, merge_statements(table))])


def merge_statements(table: StarTable) -> list[str]:
    """The statements that merge staged rows, as `include/warehouse/merge.py` makes them; `%s` is the reading."""
    keys = table.key_columns
    same = " AND ".join(f"t.{name} = s.{name}" for name in keys)
    if is_versioned(table):
        columns = [column.name for column in table.columns]
        return [
            f"UPDATE {table.name} t SET valid_to = %s FROM staged s\n"  # noqa: S608 - shown, not run
            f" WHERE {same} AND t.valid_to IS NULL\n"
            f"   AND ROW({_of('t', columns)}) IS DISTINCT FROM ROW({_of('s', columns)})",
            f"INSERT INTO {table.name} ({', '.join(columns)}, valid_from)\n"
            f"SELECT {_of('s', columns)}, %s FROM staged s\n"
            f" WHERE NOT EXISTS (SELECT FROM {table.name} t WHERE {same}"
            f" AND t.valid_to IS NULL) ORDER BY {_of('s', keys)}",
        ]
    columns = [column.name for column in table.columns if column.name not in keys]
    return [
        f"INSERT INTO {table.name} AS t ({', '.join([*keys, *columns])})\n"
        f"SELECT {_of('s', [*keys, *columns])} FROM staged s\n"
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET ({', '.join(columns)}) = ROW({_of('excluded', columns)})\n"
        f" WHERE ROW({_of('t', columns)}) IS DISTINCT FROM ROW({_of('excluded', columns)})"
    ]


def _of(alias: str, columns: Iterable[str]) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns)


def _sql(statement: str) -> str:
    return f"```sql\n{statement}\n```"
