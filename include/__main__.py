"""The pipeline from the command line: `python -m include --help`."""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from include.classify import command as classify
from include.common.errors import DataError, DeclarationError, ServiceError, border
from include.reports.dictionary import data_dictionary
from include.tables.declarations import Declarations
from include.tables.steps import PREPARE


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments ask for; gives the process's exit status."""
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")  # Airflow is imported from here on
    warnings.simplefilter("ignore")
    try:
        with border("the command"):
            declared = _declarations(arguments or sys.argv[1:])
            options = _parser(declared).parse_args(arguments)
            return int(options.command(declared, options))
    except (DeclarationError, DataError, ServiceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _declarations(arguments: list[str]) -> Declarations:
    """Those that the project moves. Whoever has them written anew needs none that can be read."""
    try:
        from include.declared import DECLARED
    except DeclarationError:
        if arguments[:1] != ["declare"] or "--diff" in arguments:
            raise
        return Declarations.of([], [])
    return DECLARED


def _parser(declared: Declarations) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include",
        description="Move what changed in ToteSys into the warehouse. Connections and variables come from Airflow: "
        "AIRFLOW_CONN_TOTESYS, AIRFLOW_CONN_WAREHOUSE, AIRFLOW_VAR_INGESTION_BUCKET, AIRFLOW_VAR_PROCESSED_BUCKET, "
        "AIRFLOW_VAR_STATE_BUCKET, AWS_ENDPOINT_URL and the usual AWS variables. No metadata database is needed.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser("run", help="do one run, without a scheduler, and what is learned of its rows")
    _add_tables(run, declared, "source or warehouse tables, with all that they refer to")
    run.add_argument("--full-refresh", action="store_true", help="read the named tables (or all) whole")
    run.add_argument(
        "--accept-deletions",
        type=_table_names,
        default=(),
        metavar="a,b",
        help="believe that rows of these tables were deleted, however many: else most of a table at once is held back",
    )
    told = "how many slices of a large table are read at a time (default: %(default)s)"
    run.add_argument("--parallel", type=_positive, default=2, metavar="N", help=told)
    run.add_argument("--json", action="store_true", help="print the result as JSON")
    run.set_defaults(command=_run)
    status = commands.add_parser("status", help="show each source table's last read, its lag and counts")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    status.set_defaults(command=_status)
    audit = commands.add_parser("audit", help="compare every value of the warehouse with the source, now")
    _add_tables(audit, declared, "warehouse tables, or source tables for those that they feed")
    way = audit.add_mutually_exclusive_group()
    way.add_argument("--heal", action="store_true", help="read rows that differ again, and compare once more")
    way.add_argument("--history", action="store_true", help="compare every version with the lake instead")
    audit.add_argument("--json", action="store_true", help="print the result as JSON")
    audit.set_defaults(command=_audit)
    _add_declare(commands)
    _add_lake(commands)
    classify.add(commands, declared)
    describe = commands.add_parser("describe", help="print the data dictionary as Markdown")
    describe.set_defaults(command=_describe)
    return parser


def _add_declare(commands: Any) -> None:
    declare = commands.add_parser("declare", help="write declarations from the source's own catalogue: a first star")
    declare.add_argument("--tables", type=_table_names, default=(), metavar="a,b", help="these tables alone")
    declare.add_argument("--schema", type=_table_names, default=(), metavar="a,b", help="tables of these schemas alone")
    declare.add_argument("--facts", type=_table_names, default=(), metavar="a,b", help="tables that are to be facts")
    told = "tables to leave out, or columns (table.column), as personal data"
    declare.add_argument("--exclude", type=_table_names, default=(), metavar="a,b.c", help=told)
    declare.add_argument("--dry-run", action="store_true", help="print the files, and write none")
    declare.add_argument("--diff", action="store_true", help="show what source and declarations disagree on instead")
    declare.add_argument("--into", default="include/own", help="the package's folder (default: %(default)s)")
    declare.add_argument("--overwrite", action="store_true", help="also replace files that were edited since")
    declare.set_defaults(command=_declare)


def _add_lake(commands: Any) -> None:
    rebuild = commands.add_parser("rebuild", help="fill an empty warehouse from the lake, without the source")
    rebuild.set_defaults(command=_rebuild)
    lake = commands.add_parser("lake", help="ask the files in S3, without the warehouse")
    questions = lake.add_subparsers(required=True, metavar="what")
    ask = questions.add_parser("sql", help="in SQL: the warehouse's tables and views, fact_…_at(instant), changelog.…")
    ask.add_argument("question", help="a statement as DuckDB understands it")
    ask.add_argument("--csv", action="store_true", help="print the whole answer as CSV")
    ask.set_defaults(command=_ask)


def _add_tables(command: argparse.ArgumentParser, declared: Declarations, meaning: str) -> None:
    everything = ", ".join([*declared.sources, *declared.star])
    told = f"{meaning}; default: all of {everything}"
    command.add_argument("--tables", type=_table_names, default=(), metavar="a,b", help=told)


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError("it is no number from 1 on")
    return number


def _table_names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, text.split(",")))
    if not names:
        raise argparse.ArgumentTypeError("it names no table")
    return names


def _run(declared: Declarations, options: argparse.Namespace) -> int:
    """0 only where every table loaded, the check held and all is scored; rejected rows alone do not fail a run."""
    with redirect_stdout(sys.stderr):  # where Airflow then writes its log: standard output is for the result
        from include.classify.steps import keep_up
        from include.console import Progress, print_failures, print_run
        from include.pipeline import Options
        from include.runner import run_to_end

    started = monotonic()
    with redirect_stdout(sys.stderr), Progress() as progress:
        asked = Options(options.tables, options.full_refresh, options.accept_deletions)
        done = run_to_end(declared, asked, progress.advance, options.parallel)
        if PREPARE in done.results:
            done.failures |= keep_up(declared, done.work)
    seconds = monotonic() - started
    if options.json:
        _print_json({**done.summary(), "seconds": round(seconds, 3)})
    else:
        print_run(done, seconds)
    print_failures(done)
    return 1 if done.failures or done.waiting else 0


def _status(declared: Declarations, options: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr):
        from include.console import print_status
        from include.state.latest import read_state
        from include.state.proven import proven

        state = read_state()
    if options.json:
        document = state.model_dump(mode="json", exclude={"tables": {"__all__": {"cursor", "rejected", "snapshot"}}})
        now = datetime.now(UTC)
        for name, table in state.tables.items():
            document["tables"][name]["lag_seconds"] = round((now - table.observed_at).total_seconds(), 3)
            document["tables"][name]["rejected"] = {fed: len(keys) for fed, keys in table.rejected.items()}
        document["proofs"] = {name: proven(marks).model_dump(mode="json") for name, marks in state.proofs.items()}
        _print_json(document)
    else:
        print_status(declared, state)
    return 0


def _audit(declared: Declarations, options: argparse.Namespace) -> int:
    """0 only where every value is equal; with `--heal`, in the end."""
    with redirect_stdout(sys.stderr):
        from include.pipeline import audit_tables, audit_versions

        compare = audit_versions if options.history else audit_tables
        found = audits = compare(declared, options.tables)
        if options.heal and not all(audit.equal for audit in found):
            _heal(declared, options.tables)
            audits = audit_tables(declared, options.tables)
    equal = all(audit.equal for audit in audits)
    if options.json:
        told = {"equal": equal, "tables": _audit_documents(audits)}
        _print_json(told | ({"found": _audit_documents(found)} if options.heal else {}))
    else:
        _print_audits(found, audits, "lake" if options.history else "source")
    return 0 if equal else 1


def _heal(declared: Declarations, tables: tuple[str, ...]) -> None:
    """A run that reads again what differs, and nothing else that did not change."""
    from include.console import Progress, print_failures
    from include.pipeline import Options
    from include.runner import run

    with Progress() as progress:
        print_failures(run(declared, Options(tables, prove_all=True), progress.advance))


def _audit_documents(audits: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"equal": audit.equal, **audit.model_dump(mode="json")} for audit in audits]


def _print_audits(found: Sequence[Any], audits: Sequence[Any], other: str) -> None:
    from include.console import print_audits

    print_audits(found, f"Compared with the {other}", other)
    if audits is not found:
        print_audits(audits, "Compared again, after rows that differed were read and loaded anew")


def _declare(declared: Declarations, options: argparse.Namespace) -> int:
    """0 where declarations were written, or with `--diff`, where they and the source agree."""
    with redirect_stdout(sys.stderr):
        from include.declare.command import Wanted, draw_up, find_disagreements, keep, show

    wanted = Wanted(options.tables, options.schema, options.facts, options.exclude)
    if options.diff:
        found = find_disagreements(declared, wanted)
        print("\n".join(found) if found else "The source is as declared.")
        return 1 if found else 0
    drawn = draw_up(wanted)
    folder = Path(options.into)
    lines = show(drawn, folder) if options.dry_run else keep(drawn, folder, ".".join(folder.parts), options.overwrite)
    for line in lines:
        print(line)
    return 0


def _ask(declared: Declarations, options: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr):
        from pyarrow import csv

        from include.lake.ask import ask

        answer = ask(declared, options.question)
    if options.csv:
        csv.write_csv(answer.to_arrow_table(), sys.stdout.buffer)
    else:
        print(answer)
    return 0


def _rebuild(declared: Declarations, _: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr):
        from include.warehouse.rebuild import rebuild

        filled = rebuild(declared)
    for name, rows in filled.items():
        print(f"{name}: {rows:,} rows")
    return 0


def _describe(declared: Declarations, _: argparse.Namespace) -> int:
    print(data_dictionary(declared), end="")
    return 0


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    sys.exit(main())
