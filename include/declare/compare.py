"""What a live source and the declarations disagree on."""

from collections.abc import Collection, Iterator

from include.declare.catalogue import FoundTable
from include.tables.drift import fits
from include.tables.source import SourceTable


def disagreements(
    declared: Collection[SourceTable], found: list[FoundTable], excluded: Collection[str] = ()
) -> Iterator[str]:
    """A sentence for each thing that is otherwise in the source than declared, or is not declared at all.

    excluded: tables, or columns as "table.column", that are not to be declared.
    """
    there = {table.place: table for table in found}
    places = {table.place for table in declared}
    for table in declared:
        if table.place in there:
            yield from _in_table(table, there[table.place], excluded)
        else:
            yield f"{table.name}: the source has no table {table.place}"
    left = {table.place for table in found if not {table.name, table.place}.isdisjoint(excluded)}
    yield from (f"{place}: not declared" for place in sorted(there.keys() - places - left))


def _in_table(table: SourceTable, found: FoundTable, excluded: Collection[str]) -> Iterator[str]:
    columns = {column.name: column for column in found.columns}
    for declared in table.columns:
        column = columns.get(declared.name)
        if column is None:
            yield f"{table.name}.{declared.name}: the source has no such column"
        elif column.type != declared.type:
            how = "is read on as that" if fits(column.type, declared.type) else "cannot be read"
            yield f"{table.name}.{declared.name}: is {column.type}, declared as {declared.type}; it {how}"
        elif column.nullable and not declared.nullable:
            yield f"{table.name}.{declared.name}: may be NULL, and is declared as never NULL"
    left = {name for name in columns if not {f"{found.name}.{name}", f"{found.place}.{name}"}.isdisjoint(excluded)}
    yield from (f"{table.name}.{name}: not declared" for name in columns if name not in (*table.by_name, *left))
    if found.keys and set(table.key_columns) not in map(set, found.keys):
        told = ", ".join(table.key_columns) if not table.keyless else "(none is declared)"
        yield f"{table.name}: nothing at the source keeps its key {told} unique and never NULL"
