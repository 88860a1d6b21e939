"""The command line: `python -m bench`. See `--help`."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from bench.measurement import WrongResultError
from bench.servers import running_servers

FULL_ROWS, FULL_ROUNDS, FULL_COMMITS = 2_000_000, 5, 1_000
SHORT_ROWS, SHORT_ROUNDS, SHORT_COMMITS = 50_000, 1, 20
MEASUREMENTS = ("first", "changes", "nothing", "slices", "audit", "memory", "lake", "keys")
ALWAYS = MEASUREMENTS[:-1]
"""What is measured where nothing is said."""

SLICES = 8


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for; gives the exit status: 1 where a run gave wrong rows. Time never fails it."""
    options = with_defaults(parser().parse_args(arguments))
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        with running_servers() as servers:
            # Airflow reads its environment when it is imported, and these import it.
            from bench.session import measure

            document = measure(servers, console, options)
    except WrongResultError as error:
        console.print(f"wrong result: {error}", style="bold red", markup=False)
        return 1
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def with_defaults(options: argparse.Namespace) -> argparse.Namespace:
    """The options, with what was not said."""
    options.rows = options.rows or (SHORT_ROWS if options.short else FULL_ROWS)
    options.rounds = options.rounds or (SHORT_ROUNDS if options.short else FULL_ROUNDS)
    options.commits = options.commits or (SHORT_COMMITS if options.short else FULL_COMMITS)
    options.memory_rows = options.memory_rows or [options.rows]
    options.slice_rows = options.slice_rows or options.rows // SLICES
    return options


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m bench",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--short", action="store_true", help=f"{SHORT_ROWS:,} rows and a round of each, for CI")
    made.add_argument("--rows", type=int, metavar="N", help=f"sales orders at the source (default: {FULL_ROWS:,})")
    made.add_argument(
        "--rounds", type=int, metavar="N", help=f"rounds of each (default: {FULL_ROUNDS}, with --short {SHORT_ROUNDS})"
    )
    made.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=ALWAYS, help="measure only these")
    made.add_argument(
        "--memory-rows", type=int, nargs="+", metavar="N", help="sizes to measure memory at (default: as --rows)"
    )
    made.add_argument(
        "--long-texts", type=int, default=0, metavar="N", help="measure memory at so many texts of 100 kB, too"
    )
    made.add_argument(
        "--key-rows", type=int, default=10_000_000, metavar="N", help="rows of the quiet tables with other keys"
    )
    made.add_argument(
        "--slice-rows", type=int, metavar="N", help=f"rows of a slice (default: a share of --rows, 1 in {SLICES})"
    )
    made.add_argument("--no-lake", action="store_true", help="first loads and changes without the lake's commits")
    made.add_argument(
        "--commits", type=int, metavar="N", help="to one table of the lake (default: 1,000, with --short 20)"
    )
    made.add_argument("--peers", action="store_true", help="do the same first load with dlt and ingestr too")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    return made


DESCRIPTION = "The pipeline beside plain baselines, between the same two embedded servers, as ratios."
EPILOG = """\
first    a first load of all sales orders, through CSV and Parquet on S3, against a binary COPY from psql to psql
         into a table that ends with the same columns, primary key, unique index and foreign keys
changes  a run that finds one row in a hundred changed, against the same by hand: COPY, temporary table, merge
nothing  a run that finds nothing in a whole database, against SELECT count(*) of every source table: once with its
         share of the proofs of values, once without
slices   a first load in slices, against the same baseline; how much two processes that read slices are faster than
         one; the longest transaction at the source; the memory of its tasks
audit    every value of all sales orders compared, against the sum of the hashes of all rows, on both sides in turn
keys     where asked for: first loads, quiet runs and memory of tables whose key is a uuid, scattered, or two columns
memory   the most that the process of each task of the big table holds
lake     what a commit to a table of the lake takes, also after a thousand of them
Baseline and pipeline take turns in one environment; ratios are of medians. Times never fail the command, wrong rows do.
--memory-rows 10000000 takes about 10 GB of disk and some minutes, --long-texts 100000 takes 10 GB of memory beside.
"""

if __name__ == "__main__":
    sys.exit(main())
