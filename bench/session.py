"""All that one command measures, in order, and the report of it."""

import argparse
from typing import Any

from rich.console import Console

from bench import report
from bench.loads import SalesOrders
from bench.measurement import Comparison, TaskMemory
from bench.memory import measure_memory
from bench.nothing import compare_nothing
from bench.servers import Servers


def measure(servers: Servers, console: Console, options: argparse.Namespace) -> dict[str, Any]:
    """Measure what the options name, print it, and give it as JSON has it.

    Raises: WrongResultError where a run gave other rows than it should have.
    """
    facts = report.machine()
    report.print_machine(console, facts)
    comparisons, memory = _sales_orders(servers, console, options)
    if "nothing" in options.only:
        comparisons.append(compare_nothing(servers, console, options.rows, options.rounds))
    report.print_comparisons(console, comparisons)
    report.print_memory(console, memory)
    return {
        "machine": facts,
        "comparisons": [found.document() for found in comparisons],
        "memory": [{**vars(task), "met": task.met} for task in memory],
    }


def _sales_orders(
    servers: Servers, console: Console, options: argparse.Namespace
) -> tuple[list[Comparison], list[TaskMemory]]:
    comparisons, memory = [], []
    sizes = options.memory_rows if "memory" in options.only else []
    if {"first", "changes"}.intersection(options.only) or options.rows in sizes:
        orders = SalesOrders.fill(servers, console, options.rows)
        if options.rows in sizes:
            memory += measure_memory(servers, console, orders.source_url, options.rows)
        if "first" in options.only:
            comparisons.append(orders.compare_first_loads(options.rounds))
        if "changes" in options.only:
            if "first" not in options.only:
                orders.compare_first_loads(1)
            comparisons.append(orders.compare_changes(options.rounds))
    for rows in set(sizes) - {options.rows}:
        source_url = servers.fill_source(f"totesys_{rows}", rows, only_sales=True)
        memory += measure_memory(servers, console, source_url, rows)
    return comparisons, memory
