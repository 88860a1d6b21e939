"""The pipeline from the command line: `python -m include --help`."""

import argparse
import json
import os
import sys
import warnings
from contextlib import redirect_stdout
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from include.common.errors import DataError, DeclarationError, ServiceError, border
from include.reports.dictionary import data_dictionary
from include.tables.sources import SOURCES
from include.tables.star import STAR


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments ask for; gives the process's exit status."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")  # Airflow is imported from here on
    warnings.simplefilter("ignore")
    try:
        with border("the command"):
            return int(options.command(options))
    except (DeclarationError, DataError, ServiceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include",
        description="Move what changed in ToteSys into the warehouse. Connections and variables come from Airflow: "
        "AIRFLOW_CONN_TOTESYS, AIRFLOW_CONN_WAREHOUSE, AIRFLOW_VAR_INGESTION_BUCKET, AIRFLOW_VAR_PROCESSED_BUCKET, "
        "AIRFLOW_VAR_STATE_BUCKET, AWS_ENDPOINT_URL and the usual AWS variables. No metadata database is needed.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser("run", help="do one run, without a scheduler")
    run.add_argument(
        "--tables",
        type=_table_names,
        default=(),
        metavar="a,b",
        help="source or warehouse tables, with all that they refer to; default: all of " + ", ".join([*SOURCES, *STAR]),
    )
    run.add_argument("--full-refresh", action="store_true", help="read the named tables (or all) whole")
    run.add_argument("--json", action="store_true", help="print the result as JSON")
    run.set_defaults(command=_run)
    status = commands.add_parser("status", help="show each source table's last read, its lag and counts")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    status.set_defaults(command=_status)
    describe = commands.add_parser("describe", help="print the data dictionary as Markdown")
    describe.set_defaults(command=_describe)
    return parser


def _table_names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, text.split(",")))
    if not names:
        raise argparse.ArgumentTypeError("it names no table")
    return names


def _run(options: argparse.Namespace) -> int:
    """0 only where every table loaded and the check held; rejected rows alone do not fail a run."""
    with redirect_stdout(sys.stderr):  # where Airflow then writes its log: standard output is for the result
        from include.console import Progress, print_failures, print_run
        from include.pipeline import Options
        from include.runner import run

    started = monotonic()
    with redirect_stdout(sys.stderr), Progress() as progress:
        done = run(Options(options.tables, options.full_refresh), progress.advance)
    seconds = monotonic() - started
    if options.json:
        _print_json({**done.summary(), "seconds": round(seconds, 3)})
    else:
        print_run(done, seconds)
    print_failures(done)
    return 1 if done.failures else 0


def _status(options: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr):
        from include.console import print_status
        from include.state.latest import read_state

        state = read_state()
    if options.json:
        document = state.model_dump(mode="json", exclude={"tables": {"__all__": {"cursor", "rejected", "snapshot"}}})
        now = datetime.now(UTC)
        for name, table in state.tables.items():
            document["tables"][name]["lag_seconds"] = round((now - table.observed_at).total_seconds(), 3)
            document["tables"][name]["rejected"] = {fed: len(keys) for fed, keys in table.rejected.items()}
        _print_json(document)
    else:
        print_status(state)
    return 0


def _describe(_: argparse.Namespace) -> int:
    print(data_dictionary(), end="")
    return 0


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    sys.exit(main())
