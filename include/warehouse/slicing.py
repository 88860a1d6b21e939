"""A source table read in slices, step by step: planned, each slice read and kept, and all of them made whole."""

import logging

from include.common.keys import KeySet
from include.common.manifests import SourceRead
from include.common.slices import Planned, Progress, SlicePlan, SliceRead
from include.lake.sliced import read_slice_manifest, write_slice
from include.lake.transform import transform_slice
from include.source.ingest import ingest
from include.source.known import Known
from include.source.plans import is_over, plan_slices
from include.source.slices import PlanVoidError, Sliced, read_slice
from include.state.latest import read_keys, write_keys
from include.state.work import Work
from include.tables.declarations import Declarations
from include.tables.source import SourceTable
from include.warehouse.slices import Going, begin, find_going, forget, keep

log = logging.getLogger(__name__)


def plan(table: SourceTable, known: Known, run_id: str) -> Planned:
    """How a source table is to be read in slices, if it is, and which of them are not read yet.

    It may be repeated. Raises: as `plan_slices`.
    """
    earlier = find_going(table.name)
    found = plan_slices(table, known, run_id, earlier.plan if earlier else None)
    if found is None:
        if earlier:
            forget(known.declared, table.name, earlier.plan.load_id)
        return Planned()
    if earlier and found == earlier.plan:
        return Planned(load_id=found.load_id, numbers=earlier.left, done=len(earlier.done))
    begin(known.declared, found)
    return Planned(load_id=found.load_id, numbers=list(found.numbers))


def read(declared: Declarations, name: str, load_id: str, number: int) -> bool:
    """Read, transform and keep a slice of a source table; False where it is of no use any more.

    It may be repeated: a slice that is kept already is left as it is.

    Raises: as `read_slice`, `transform` and `keep`.
    """
    going = find_going(name)
    if going is None or going.plan.load_id != load_id:
        return False
    if number in going.done:
        return True
    try:
        rows = read_slice(declared, going.plan, number)
    except PlanVoidError as error:
        log.warning("%s; the next run plans anew", error)
        return False
    built, seen = declared.built_on(name), rows.observed_at
    made = SliceRead(
        load_id=load_id,
        number=number,
        observed_at=seen,
        cursor=rows.cursor,
        rows=len(rows.keys),
        keys_key=write_keys(name, seen, rows.keys),
        parts={table.name: transform_slice(table, going.plan, seen, rows.files) for table in built},
    )
    return keep(declared, going.plan, made, write_slice(name, made))


def complete(table: SourceTable, known: Known) -> SourceRead | Progress:
    """Read what changed in a source table; of one that is read in slices, once all of them are.

    Until then, how far that is. Raises: as `ingest`.
    """
    going = find_going(table.name) if table.slice_rows else None
    if going is None or is_over(going.plan, known):
        read = ingest(table, known)
        return _begin(known.declared, read) if isinstance(read, SlicePlan) else read
    if going.left:
        return going.progress
    try:
        read = ingest(table, known, _gather(going.plan, list(going.done.values())))
        assert isinstance(read, SourceRead)
    except PlanVoidError as error:
        log.warning("%s; the next run plans anew", error)
        return going.progress.model_copy(update={"done": 0})
    return read


def forget_recorded(work: Work) -> None:
    """Forget the plans of tables that are recorded: nobody goes on with one, whatever becomes of what is recorded.

    Raises: as `forget`.
    """
    for name, found in work.reads.items():
        if found.slices and not found.held and not work.missing(found) and work.checked is not None:
            forget(work.declared, name, found.slices.load_id)


def _begin(declared: Declarations, drawn_up: SlicePlan) -> Progress:
    """Keep a plan whose slices the next run is to read."""
    begin(declared, drawn_up)
    log.info("%s: about %d rows changed; they are read in slices", drawn_up.table, drawn_up.rows)
    return Going(drawn_up).progress


def find_progress(name: str) -> Progress | None:
    """How far a source table is that is read in slices; None where it is not. Raises: as `postgres_errors`."""
    going = find_going(name)
    return going.progress if going else None


def _gather(found: SlicePlan, manifests: list[str]) -> Sliced:
    """All slices of a plan, and how far the server was when the last of them was read."""
    reads, keys = [read_slice_manifest(key) for key in manifests], KeySet()
    for read in reads:
        keys.add(read_keys(found.table, read.keys_key))
    cursors = [found.cursor, *(read.cursor for read in reads)]
    latest = {
        "position": max((cursor.position for cursor in cursors if cursor.position is not None), default=None),
        "clock": max((cursor.clock for cursor in cursors if cursor.clock), default=None),
    }
    return Sliced(
        plan=found,
        cursor=found.cursor.model_copy(update=latest),
        keys=keys,
        observed_at=max(read.observed_at for read in reads),
        rows=sum(read.rows for read in reads),
        manifests=manifests,
    )
