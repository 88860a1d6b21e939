"""Defects to plant in the loading path: each makes rows of the warehouse wrong, and says nothing."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from include.common.keys import KeySet
from include.lake import rows, transform
from include.lake.rows import Converted
from include.source import changes, landing
from include.tables.star import Fact
from include.warehouse import gone, load, merge, wire

Around = Callable[[Callable[..., Any]], Callable[..., Any]]
"""From a function of the pipeline to the one that takes its place."""


def planted(module: Any, name: str, around: Around) -> AbstractContextManager[object]:
    """A function of a module replaced as long as it lasts."""
    return mock.patch.object(module, name, around(getattr(module, name)))


def giving(change: Callable[[Any], Any]) -> Around:
    """The function, whose result is changed."""
    return lambda original: lambda *given, **named: change(original(*given, **named))


def taking(change: Callable[..., tuple[Any, ...]]) -> Around:
    """The function, which is called with other arguments."""
    return lambda original: lambda *given: original(*change(*given))


def in_facts(change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> Around:
    """`convert`, whose rows of facts are changed."""

    def around(original: Callable[..., Converted]) -> Callable[..., Converted]:
        def convert(table: Any, batch: Any) -> Converted:
            done = original(table, batch)
            wanted = isinstance(table, Fact) and done.rows.num_rows
            return replace(done, rows=change(done.rows)) if wanted else done

        return convert

    return around


def column(name: str, change: Callable[[pa.Array], pa.Array]) -> Around:
    """`convert`, one of whose columns is changed wherever a fact has it."""

    def change_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
        if name not in batch.schema.names:
            return batch
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        arrays[name] = change(arrays[name]).cast(batch.schema.field(name).type)
        return pa.record_batch(list(arrays.values()), schema=batch.schema)

    return in_facts(change_rows)


def swapped(one: str, other: str) -> Around:
    """`convert`, two of whose columns change places where a fact has both."""

    def swap(batch: pa.RecordBatch) -> pa.RecordBatch:
        names = batch.schema.names
        if not {one, other} <= set(names):
            return batch
        places = {one: other, other: one}
        return pa.record_batch([batch.column(places.get(name, name)) for name in names], schema=batch.schema)

    return in_facts(swap)


def shifted(values: pa.Array) -> pa.Array:
    """Each value a row further."""
    return pa.concat_arrays([values[-1:], values[:-1]])


def bytes_changed(change: Callable[[bytes], bytes]) -> Around:
    """`copy_out`, each of whose blocks is changed."""

    def around(original: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
        return lambda *given, **named: (change(block) for block in original(*given, **named))

    return around


def without_a_line(block: bytes) -> bytes:
    """CSV without its second row."""
    lines = block.splitlines(keepends=True)
    return b"".join([*lines[:1], *lines[2:]])


def without_last(keys: KeySet) -> KeySet:
    """The keys but the greatest."""
    return keys - KeySet.of([keys.last()]) if keys else keys


def statement_changed(text: str, other: str) -> Around:
    """The module `sql` as the merge knows it, where one text of a statement stands for another.

    Raises:
        ValueError: no statement of the merge holds the text.
    """
    if text not in inspect.getsource(merge):
        raise ValueError(f"{text!r} is in no statement of the merge")
    parts = {name: getattr(sql, name) for name in ("Composable", "Composed", "Identifier", "Literal")}
    return lambda _: SimpleNamespace(SQL=lambda statement: sql.SQL(statement.replace(text, other)), **parts)


def one_fewer(keys: KeySet) -> KeySet:
    """The keys but the least."""
    return keys - KeySet.of([keys.first()]) if keys else keys


Plant = tuple[Any, str, Around]

MUTANTS: dict[str, Plant] = {
    "a byte of the CSV is another": (
        landing, "copy_out", bytes_changed(lambda block: block.replace(b"2024-", b"2025-", 1))),
    "a row of the CSV is lost": (landing, "copy_out", bytes_changed(without_a_line)),
    "a letter of the CSV is lost": (landing, "copy_out", bytes_changed(lambda block: block.replace(b"e", b"", 1))),
    "the last key of a slice is not read": (
        landing, "among", taking(lambda table, keys, *alias: (table, without_last(keys), *alias))),
    "the cursor hides every change": (changes, "changed_since", giving(lambda _: sql.SQL("false"))),
    "the cursor hides changes of odd keys": (
        changes, "changed_since", lambda original: lambda table, *known: sql.SQL("{} AND {} % 2 = 0").format(
            original(table, *known), sql.Identifier(table.key))),
    "a column is shifted by a row": (transform, "convert", column("units_sold", shifted)),
    "two columns are swapped": (transform, "convert", swapped("agreed_payment_date", "agreed_delivery_date")),
    "two references are swapped": (transform, "convert", swapped("currency_id", "counterparty_id")),
    "a day is off by one": (
        transform, "convert", column("created_date", lambda days: pc.add(days.cast("int32"), 1).cast("int32"))),
    "a time loses its milliseconds": (
        transform, "convert", column("created_time", lambda times: pc.multiply(
            pc.divide(times.cast("int32"), 1000), 1000).cast("int32"))),
    "a price is rounded": (transform, "convert", column("unit_price", lambda prices: pc.round(prices, 0))),
    "an amount is ten times as much": (
        transform, "convert", column("payment_amount", lambda amounts: pc.multiply(amounts.cast("float64"), 10))),
    "a truth is its opposite": (transform, "convert", column("paid", pc.invert)),
    "a code loses its first letter": (
        transform, "convert", column("item_code", lambda codes: pc.utf8_slice_codeunits(codes, 1))),
    "a text is in capitals": (transform, "convert", column("item_code", pc.utf8_lower)),
    "the last row of a batch is lost": (
        transform, "convert", in_facts(lambda batch: batch.slice(0, batch.num_rows - 1))),
    "every second row is lost": (
        transform, "convert", in_facts(lambda batch: batch.take(pa.array(range(0, batch.num_rows, 2), pa.int32())))),
    "a dimension joins the row beside": (
        transform, "convert", taking(lambda table, batch: (table, pa.record_batch(
            [shifted(values) if "." in name else values
             for name, values in zip(batch.schema.names, batch.columns, strict=True)], batch.schema.names)))),
    "every currency has one name": (
        rows, "_derive_one", lambda _: lambda *_: ("Money", "")),
    "the last batch is not encoded": (wire, "_numbered", giving(lambda batches: list(batches)[:-1])),
    "a batch is encoded without its first row": (
        wire, "_numbered", giving(lambda batches: (batch.slice(1) for batch in batches))),
    "changes are found and not merged": (
        merge, "sql", statement_changed("ROW({t_exactly}) IS DISTINCT FROM ROW({s_exactly})", "false")),
    "a version is not added": (
        merge, "sql", statement_changed("ORDER BY {ordered}", "ORDER BY {ordered} OFFSET 1")),
    "a dimension is not overwritten": (
        merge, "sql", statement_changed("IS DISTINCT FROM ROW({excluded_exactly})", "IS NULL")),
    "one of the gone is not closed": (
        gone, "close_versions", lambda original: lambda c, table, keys, at: original(c, table, one_fewer(keys), at)),
    "one more than the gone is closed": (
        gone, "close_versions", lambda original: lambda c, table, keys, at: original(
            c, table, keys | KeySet.of([keys.first() + 1]), at)),
    "nothing is closed": (gone, "close_versions", lambda _: lambda *_: 0),
    "a gone row of a dimension is not noted": (gone, "note_deleted", lambda _: lambda *_: 0),
    "references that are right are refused": (
        load, "refuse_unreferenced", lambda original: lambda c, *given: (
            c.execute("DELETE FROM staged WHERE ctid = (SELECT min(ctid) FROM staged)"), original(c, *given))[1]),
}  # fmt: skip


def plant(name: str) -> ExitStack:
    """The defect of this name, planted as long as what is given is open."""
    opened = ExitStack()
    opened.enter_context(planted(*MUTANTS[name]))
    return opened
