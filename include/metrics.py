"""CloudWatch metrics of a run, where a namespace is configured."""

from collections.abc import Iterator
from typing import Any

from include.record import RunReport, TableReport
from include.settings import METRICS_NAMESPACE, aws_client, aws_errors, optional_variable


def publish(report: RunReport) -> None:
    """Send a run's metrics to the namespace of the variable `metrics_namespace`; nothing where it is not set.

    Per warehouse table that was loaded: RowsNew, RowsChanged, RowsDeleted, RowsRejected (counts) and LagSeconds (from
    the oldest change at the source to the warehouse). Per run: RunSucceeded, 1 or 0.

    Raises: as `aws_errors`.
    """
    namespace = optional_variable(METRICS_NAMESPACE)
    if not namespace:
        return
    data = [_datum("RunSucceeded", 0 if report.problems else 1, "Count")]
    data += [datum for table in report.tables for datum in _table_data(table)]
    with aws_errors(f"variable {METRICS_NAMESPACE!r}, {namespace}"):
        aws_client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)


def _table_data(table: TableReport) -> Iterator[dict[str, Any]]:
    yield _datum("RowsNew", table.new, "Count", table.table)
    yield _datum("RowsChanged", table.changed, "Count", table.table)
    yield _datum("RowsDeleted", table.deleted, "Count", table.table)
    yield _datum("RowsRejected", table.rejected, "Count", table.table)
    if table.lag_seconds is not None:
        yield _datum("LagSeconds", table.lag_seconds, "Seconds", table.table)


def _datum(name: str, value: float, unit: str, table: str = "") -> dict[str, Any]:
    dimensions = [{"Name": "Table", "Value": table}] if table else []
    return {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
