"""ToteSys's warehouse and files stay as they are, whatever the machinery learns: others read them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from include.lake.changelog import FIELD_ID, file_schema
from include.lake.rows import row_schema
from include.tables.star import Fact
from include.totesys import DECLARED
from include.warehouse import ddl

FOLDER = Path(__file__).parent
VERSIONS = ("valid_from", "valid_to")


def statements() -> Iterator[str]:
    for table in DECLARED.star.values():
        yield ddl.create_table(table).as_string()
        yield from (statement.as_string() for statement in ddl.constraints(table).values())
        if isinstance(table, Fact):
            columns = [table.record_id, *(column.name for column in table.columns), *VERSIONS]
            yield ddl.create_view(table, columns).as_string()


def fields() -> Iterator[str]:
    for table in DECLARED.star.values():
        yield table.name
        for field in file_schema(table, row_schema(table)):
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            number = field.metadata[FIELD_ID].decode()
            yield f"  {number} {field.name} {kind}{'' if field.nullable else ' not null'}"


def test_the_warehouse_is_defined_as_it_was() -> None:
    assert "".join(f"{statement};\n" for statement in statements()) == (FOLDER / "warehouse.sql").read_text()


def test_parquet_files_have_the_columns_and_types_that_they_had() -> None:
    assert "".join(f"{field}\n" for field in fields()) == (FOLDER / "parquet.txt").read_text()


def test_the_source_tables_are_the_eleven_of_totesys_and_so_are_the_warehouses() -> None:
    assert len(DECLARED.sources) == len(DECLARED.star) == 11
