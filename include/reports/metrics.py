"""CloudWatch metrics of a run, where a namespace is configured."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.common.settings import METRICS_NAMESPACE, aws_client, aws_errors, optional_variable

if TYPE_CHECKING:  # a DAG file that is parsed stays cheap
    from include.state.record import RunReport, TableReport


def publish(report: "RunReport", started_at: datetime) -> None:
    """Send a run's metrics to the namespace of the variable `metrics_namespace`; nothing where it is not set.

    Per run: RunSucceeded (1 or 0), RunSeconds, RowsRejected, ValuesHealed (rows that did not equal the source's, and do
    now) and, where it succeeded, LagSeconds: the longest of any
    table, 0 where nothing had changed. A run that failed does not know what it left unread.
    Per warehouse table that was loaded: RowsNew, RowsChanged, RowsDeleted, RowsRejected (counts) and LagSeconds (from
    the oldest change at the source to the warehouse).

    Raises: as `aws_errors`.
    """
    seconds = max((datetime.now(UTC) - started_at).total_seconds(), 0.0)
    data = [
        _datum("RunSucceeded", 0 if report.problems else 1, "Count"),
        _datum("RunSeconds", seconds, "Seconds"),
        _datum("RowsRejected", report.total("rejected"), "Count"),
        _datum("ValuesHealed", sum(report.healed.values()), "Count"),
    ]
    if not report.problems:
        data += [_datum("LagSeconds", report.lag_seconds, "Seconds")]
    _send([*data, *(datum for table in report.tables for datum in _table_data(table))])


def publish_failure() -> None:
    """Send RunSucceeded 0, for a run that may have failed before it published anything. Raises: as `aws_errors`."""
    _send([_datum("RunSucceeded", 0, "Count")])


def _send(data: list[dict[str, Any]]) -> None:
    namespace = optional_variable(METRICS_NAMESPACE)
    if namespace:
        with aws_errors(f"variable {METRICS_NAMESPACE!r}, {namespace}"):
            aws_client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)


def _table_data(table: "TableReport") -> Iterator[dict[str, Any]]:
    yield _datum("RowsNew", table.new, "Count", table.table)
    yield _datum("RowsChanged", table.changed, "Count", table.table)
    yield _datum("RowsDeleted", table.deleted, "Count", table.table)
    yield _datum("RowsRejected", table.rejected, "Count", table.table)
    if table.lag_seconds is not None:
        yield _datum("LagSeconds", table.lag_seconds, "Seconds", table.table)


def _datum(name: str, value: float, unit: str, table: str = "") -> dict[str, Any]:
    dimensions = [{"Name": "Table", "Value": table}] if table else []
    return {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
