"""Lineage for OpenLineage, column by column, as the declarations say: what Airflow's provider asks of a load.

It is asked only where the provider has a transport; nothing of OpenLineage is imported before.
"""

from typing import Any

from include.common.settings import SOURCE_CONNECTION, WAREHOUSE_CONNECTION
from include.reports.dictionary import origin
from include.tables.coherence import origin_of
from include.tables.source import SourceTable
from include.tables.star import Calendar, Column, StarTable, is_versioned

POSTGRES_PORT = 5432


def lineage_of(table: StarTable) -> Any:
    """The provider's `OperatorLineage` of a load: the tables that are read, the one that is written, and its columns.

    Raises: as Airflow does for a connection that it does not know; the provider logs that and emits no lineage.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import OutputDataset

    source, warehouse = _Database(SOURCE_CONNECTION), _Database(WAREHOUSE_CONNECTION)
    return OperatorLineage(
        inputs=[source.read(own) for own in table.source_tables],
        outputs=[
            OutputDataset(
                warehouse.namespace,
                warehouse.name_of(table.name),
                facets={"schema": _schema(table.columns), "columnLineage": _column_lineage(table, source)},
            )
        ],
    )


class _Database:
    """A database as OpenLineage names it. Source: "Naming" in OpenLineage's specification."""

    def __init__(self, connection_id: str) -> None:
        from airflow.sdk import BaseHook

        known = BaseHook.get_connection(connection_id)
        self.namespace = f"postgres://{known.host}:{known.port or POSTGRES_PORT}"
        self._database = known.schema

    def name_of(self, table: str, schema: str = "public") -> str:
        """The full name of a table."""
        return f"{self._database}.{schema}.{table}"

    def read(self, table: SourceTable) -> Any:
        """A table that is read, with its columns."""
        from openlineage.client.event_v2 import InputDataset

        name = self.name_of(table.found_name, table.schema)
        return InputDataset(self.namespace, name, facets={"schema": _schema(table.columns)})

    def field(self, table: SourceTable, column: str, how: Any) -> Any:
        """A column that another comes from, and how."""
        from openlineage.client.facet_v2 import column_lineage_dataset

        name = self.name_of(table.found_name, table.schema)
        return column_lineage_dataset.InputField(self.namespace, name, column, [how])


def _schema(columns: Any) -> Any:
    from openlineage.client.facet_v2 import schema_dataset

    fields = [schema_dataset.SchemaDatasetFacetFields(column.name, column.type) for column in columns]
    return schema_dataset.SchemaDatasetFacet(fields)


def _column_lineage(table: StarTable, source: _Database) -> Any:
    """Every column with the source column that it comes from; without one where the pipeline makes it itself."""
    from openlineage.client.facet_v2 import column_lineage_dataset

    fields_of = column_lineage_dataset.Fields
    made = [table.record_id, "valid_from", "valid_to"] if is_versioned(table) else []
    fields = {name: fields_of([]) for name in made}
    fields |= {column.name: fields_of(_inputs(table, column, source)) for column in table.columns}
    joins = () if isinstance(table, Calendar) else table.joins
    found_by = [source.field(table.source_tables[0], join.on, _how("INDIRECT", "JOIN")) for join in joins]
    return column_lineage_dataset.ColumnLineageDatasetFacet(fields, dataset=found_by)


def _inputs(table: StarTable, column: Column, source: _Database) -> list[Any]:
    if isinstance(table, Calendar):
        return []
    read = origin_of(table, column)
    kept = column.derive is None and read.column.type == column.type
    changed = _how("DIRECT", "TRANSFORMATION", f"{origin(table, column)} as {column.type}")
    how = _how("DIRECT", "IDENTITY") if kept else changed
    return [source.field(read.table, read.column.name, how)]


def _how(kind: str, subtype: str, description: str = "") -> Any:
    from openlineage.client.facet_v2 import column_lineage_dataset

    return column_lineage_dataset.Transformation(kind, subtype, description, masking=False)
