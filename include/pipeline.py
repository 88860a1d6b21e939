"""A function for each kind of step. The DAG wraps them in tasks; the command line calls them in order."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from include import alerts, checks, metrics, roles, status, warehouse
from include.errors import DataError, DeclarationError, ServiceError
from include.history import RunIdentity, Work, describe_run
from include.ingest import ingest
from include.lineage import named_sources, select_sources
from include.load import load
from include.manifests import CheckResult, Inputs, LoadResult, SourceRead, StarFiles
from include.record import RunReport, record
from include.schema import Calendar
from include.sources import SOURCES
from include.star import STAR
from include.state import State
from include.transform import calendar_inputs, transform, write_calendar

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What a run is asked for.

    tables: source or warehouse tables to bring up to date, with all that they refer to; empty for all.
    full_refresh: read the named tables (all, where none is named) whole, whatever is known of them.
    """

    tables: tuple[str, ...] = ()
    full_refresh: bool = False

    @property
    def sources(self) -> set[str]:
        """The source tables to read. Raises: DeclarationError for a table that is not declared."""
        return select_sources(self.tables) if self.tables else set(SOURCES)

    @property
    def whole(self) -> set[str]:
        """The source tables to read whole."""
        return (named_sources(self.tables) if self.tables else set(SOURCES)) if self.full_refresh else set()


def prepare() -> dict[str, Inputs]:
    """Make the warehouse as declared; gives from which readings each of its tables was last built."""
    roles.ensure_role()
    loaded = warehouse.prepare()
    log.info("prepared warehouse: tables=%d loaded=%d", len(STAR), len(loaded))
    return loaded


def ingest_table(name: str, state: State, loaded: dict[str, Inputs], options: Options) -> SourceRead:
    """Read a source table's changes into the ingestion bucket. See `ingest`."""
    read = ingest(SOURCES[name], state.tables.get(name), loaded, full_refresh=name in options.whole)
    size = sum(file.size_bytes for file in read.files) if read.changed else 0
    log.info(
        "ingested %s: read=%d of=%d deletions=%s bytes=%d seconds=%.2f",
        name,
        read.read_rows,
        read.rows,
        read.deletions,
        size,
        read.seconds,
    )
    return read


def transform_table(name: str, reads: dict[str, SourceRead], loaded: dict[str, Inputs]) -> StarFiles | None:
    """Build a warehouse table's Parquet from the readings of its sources. None: nothing changed. See `transform`."""
    table = STAR[name]
    if isinstance(table, Calendar):
        files = None if loaded.get(name) == calendar_inputs(table) else write_calendar(table)
    else:
        files = transform(table, reads) if any(read.changed for read in reads.values()) else None
    if files:
        rows, size = sum(file.rows for file in files.files), sum(file.size_bytes for file in files.files)
        log.info(
            "transformed %s: rows=%d rejected=%d bytes=%d seconds=%.2f",
            name,
            rows,
            len(files.rejected),
            size,
            files.seconds,
        )
    return files


def load_table(name: str, files: StarFiles) -> LoadResult:
    """Bring a warehouse table to what its Parquet files say. See `load`."""
    result = load(STAR[name], files)
    log.info(
        "loaded %s: new=%d changed=%d deleted=%d rejected=%d seconds=%.2f",
        name, result.new, result.changed, result.deleted, len(result.rejected), result.seconds,
    )  # fmt: skip
    return result


def check_tables(reads: dict[str, SourceRead], loads: dict[str, LoadResult]) -> dict[str, CheckResult]:
    """Compare each table that was loaded with its source. See `check`."""
    results = {}
    for name, result in loads.items():
        table = STAR[name]
        if not isinstance(table, Calendar) and not result.superseded and table.source in reads:
            compared = checks.check(table, reads[table.source], result)
            if compared:
                results[name] = compared
    log.info("checked %d tables: held=%d", len(results), sum(result.held for result in results.values()))
    return results


def record_run(
    run: RunIdentity,
    expected: Iterable[str],
    reads: dict[str, SourceRead],
    loads: dict[str, LoadResult],
    checked: dict[str, CheckResult] | None,
) -> RunReport:
    """Move latest_update.json on for every source table whose changes are loaded, and tell what the run did.

    expected: the source tables that the run was to bring up to date. checked: None where the check was not made.

    Raises: DataError that names what was not loaded, or does not equal the source; what could be recorded is.
    """
    work = Work(set(expected), reads, loads, checked)
    try:
        report = record(work.expected, reads, loads, checked)
    except (DeclarationError, DataError, ServiceError) as error:
        _remember(run, work, [str(error)])
        raise
    problems = [*report.problems, *_announce(report)]
    problems += _remember(run, work, problems)
    rejected = sum(table.rejected for table in report.tables)
    log.info("recorded run: loaded=%d rejected=%d problems=%d", len(report.tables), rejected, len(problems))
    if problems:
        raise DataError("; ".join(problems))
    return report


def _remember(run: RunIdentity, work: Work, problems: list[str]) -> list[str]:
    """Add a run to the history; what goes wrong with that is told, and hides nothing else."""
    try:
        status.remember(describe_run(run, work, problems))
    except (DeclarationError, DataError, ServiceError) as error:
        log.warning("the run is not in the history: %s", error)
        return [f"the run is not in the history: {error}"]
    return []


def _announce(report: RunReport) -> list[str]:
    """Publish a run's metrics and alerts; what could not be published is told, and hides nothing else."""
    rejected = report.newly_rejected
    announcements = {
        "metrics": partial(metrics.publish, report),
        f"alert about rejected rows in {', '.join(rejected)}": partial(alerts.notify_rejected, rejected),
    }
    problems = []
    for name, publish in announcements.items():
        try:
            publish()
        except (DeclarationError, ServiceError) as error:
            problems.append(f"{name} not published: {error}")
    return problems
