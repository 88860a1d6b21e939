"""The command line: `python -m local.totesys create | fill | play`."""

import argparse
import os
import signal
import sys
from datetime import UTC, date, datetime
from threading import Event
from typing import TypeAlias

import psycopg

from local.totesys.connection import connect, one_line
from local.totesys.ddl import create_schema, existing_tables
from local.totesys.desk import utc_now
from local.totesys.errors import SimulatorError
from local.totesys.history import SALES_ORDERS, Oddities, fill
from local.totesys.play import Pace, Play, Stage
from local.totesys.player import WEIGHTS, Player
from local.totesys.settling import Rule

USAGE_ERROR = 2
URL_VARIABLE = "TOTESYS_URL"


def main(arguments: list[str] | None = None) -> int:
    """Runs one subcommand; gives the exit status: 0, or 2 after one line on stderr that names the problem."""
    options = parser().parse_args(arguments)
    try:
        if not options.url:
            raise SimulatorError(f"no URL: pass --url or set {URL_VARIABLE}")
        options.run(options)
    except SimulatorError as error:
        return fail(str(error))
    except psycopg.Error as error:
        return fail(f"the source failed: {one_line(error)}")
    return 0


def fail(message: str) -> int:
    """Prints the message to stderr; gives the exit status of a failure."""
    print(f"totesys: {message}", file=sys.stderr)
    return USAGE_ERROR


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands; each sets `run` to its function."""
    top = argparse.ArgumentParser(
        prog="python -m local.totesys",
        description="A simulator of the source, ToteSys.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="create | fill | play")
    added = [add(commands) for add in (add_create, add_fill, add_play)]
    for command in added:
        command.add_argument(
            "--url",
            default=os.environ.get(URL_VARIABLE),
            help=f"postgresql://user:password@host:port/database of the source (default: {URL_VARIABLE})",
        )
    top.epilog = "\n\n".join(command.format_help() for command in added)
    return top


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_create(commands: Commands) -> argparse.ArgumentParser:
    """Adds the subcommand `create`."""
    command = commands.add_parser("create", help="create the empty schema")
    command.add_argument("--replace", action="store_true", help="drop the tables and their rows first")
    command.set_defaults(run=run_create)
    return command


def add_fill(commands: Commands) -> argparse.ArgumentParser:
    """Adds the subcommand `fill`."""
    command = commands.add_parser("fill", help="fill the empty tables with a past")
    command.add_argument(
        "--sales-orders",
        type=int,
        default=SALES_ORDERS,
        metavar="N",
        help="how many; the other tables are in proportion (default: %(default)s)",
    )
    command.add_argument("--seed", type=int, default=0, help="equal seeds and sizes give equal rows (default: 0)")
    command.add_argument(
        "--only-sales", action="store_true", help="leave out purchase orders, transactions and payments"
    )
    command.add_argument(
        "--bad-rows", type=int, default=0, metavar="N", help="rows with an impossible text date (default: 0)"
    )
    command.add_argument(
        "--once", action="store_true", help="create the schema as well; leave a source that has tables as it is"
    )
    add_rule(command)
    command.set_defaults(run=run_fill)
    return command


def add_play(commands: Commands) -> argparse.ArgumentParser:
    """Adds the subcommand `play`."""
    weights = ", ".join(f"{behaviour.__name__} {weight}" for behaviour, weight in WEIGHTS.items())
    command = commands.add_parser(
        "play",
        help="play business days, Monday to Friday 08:00 to 18:59, one behaviour a minute, until stopped",
        epilog=f"Behaviours and their weights: {weights}. Every morning besides, the batch of 07:55 pays what is due "
        "that day and was created before it.",
    )
    command.add_argument("--seed", type=int, default=0, help="equal seeds choose equal behaviours (default: 0)")
    command.add_argument("--days", type=int, metavar="N", help="end after so many business days")
    command.add_argument("--ticks", type=int, metavar="N", help="end after so many ticks")
    command.add_argument(
        "--speed",
        type=float,
        default=1.0,
        help="business seconds per real second, without nights and weekends; 0 is no waiting (default: 1)",
    )
    command.add_argument(
        "--simulated-from",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="write timestamps of simulated business time from this day on, not of the real present",
    )
    add_rule(command)
    command.set_defaults(run=run_play)
    return command


def add_rule(command: argparse.ArgumentParser) -> None:
    """Adds what may make payments be paid otherwise than by the batch of 07:55 on the weekday that they are due."""
    command.add_argument(
        "--unruly",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="the share of payments that do the opposite of what the rule says of them (default: 0)",
    )
    command.add_argument(
        "--rule-changes",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="from this day on the batch runs from Tuesday to Saturday, not from Monday to Friday",
    )
    command.add_argument(
        "--missed-batch",
        type=date.fromisoformat,
        action="append",
        default=[],
        metavar="YYYY-MM-DD",
        help="a day on which the batch does not run; may be repeated",
    )


def rule(options: argparse.Namespace) -> Rule:
    """The rule that the options ask for."""
    return Rule(options.unruly, options.rule_changes, frozenset(options.missed_batch))


def run_create(options: argparse.Namespace) -> None:
    """Creates the schema."""
    with connect(options.url) as connection:
        create_schema(connection, replace=options.replace)
    print("created")


def run_fill(options: argparse.Namespace) -> None:
    """Fills the tables and prints their sizes."""
    with connect(options.url) as connection, connection.transaction():
        if options.once:
            if existing_tables(connection):
                print("filled before")
                return
            create_schema(connection)
        counts = fill(
            connection,
            options.sales_orders,
            options.seed,
            only_sales=options.only_sales,
            oddities=Oddities(options.bad_rows, rule(options)),
        )
    print("filled: " + ", ".join(f"{table} {count}" for table, count in counts.items()))


def run_play(options: argparse.Namespace) -> None:
    """Plays until a limit, Ctrl-C or SIGTERM, and prints a line for each day."""
    pace = Pace(options.simulated_from or datetime.now(UTC).date(), options.days, options.ticks, options.speed)
    stage = Stage(pace.first_day)
    clock = stage.now if options.simulated_from else utc_now
    with Player(options.url, options.seed, clock, rule(options)) as player:
        play = Play(player, pace, stage)
        stop_on_signals(play.stop)
        play.run(lambda line: print(line, flush=True))


def stop_on_signals(stop: Event) -> None:
    """Lets Ctrl-C and SIGTERM end the play after the behaviour that is under way."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())


if __name__ == "__main__":
    sys.exit(main())
