"""All that one command measures, in order, and the report of it."""

import argparse
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from bench import report
from bench.keys import measure_keys
from bench.lake import measure_lake
from bench.loads import SalesOrders
from bench.measurement import Comparison, Cost, TaskMemory, Timed, timed_document
from bench.memory import EVERY, MOVING, Load, measure_long_texts, measure_memory
from bench.peers import measure_peers
from bench.servers import Servers
from bench.sliced import measure_slices
from bench.whole import WholeDatabase


@dataclass
class Findings:
    """What was measured so far."""

    comparisons: list[Comparison] = field(default_factory=list)
    memory: list[TaskMemory] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    peers: dict[str, list[Timed]] = field(default_factory=dict)


def measure(servers: Servers, console: Console, options: argparse.Namespace) -> dict[str, Any]:
    """Measure what the options name, print it, and give it as JSON has it.

    Raises: WrongResultError where a run gave other rows than it should have.
    """
    facts, findings = report.machine(), Findings()
    report.print_machine(console, facts)
    memory_rows = set(options.memory_rows) if "memory" in options.only else set()
    load = Load(MOVING if options.short else EVERY)
    if {"first", "changes", "slices"}.intersection(options.only) or options.rows in memory_rows:
        orders = SalesOrders.fill(servers, console, options.rows, lake=not options.no_lake)
        if options.rows in memory_rows:
            findings.memory += measure_memory(servers, console, orders.source_url, options.rows, load)
        _compare(orders, options, findings)
    for rows in sorted(memory_rows - {options.rows}):
        source_url = servers.fill_source(f"totesys_{rows}", rows, only_sales=True)
        findings.memory += measure_memory(servers, console, source_url, rows, load)
    if options.long_texts:
        findings.memory += measure_long_texts(servers, console, options.long_texts)
    if {"nothing", "audit"}.intersection(options.only):
        with WholeDatabase.filled(servers, console, options.rows) as database:
            findings.comparisons += _compare_whole(database, options)
    if "keys" in options.only:
        comparisons, memory = measure_keys(servers, console, options.rows, options.key_rows, options.rounds)
        findings.comparisons += comparisons
        findings.memory += memory
    if "lake" in options.only:
        findings.costs += measure_lake(servers, console, options.commits)
    _print(console, findings)
    return {
        "machine": facts,
        "comparisons": [found.document() for found in findings.comparisons],
        "memory": [{**vars(task), "met": task.met} for task in findings.memory],
        "costs": [{**vars(cost), "met": cost.met} for cost in findings.costs],
        "peers": {name: timed_document(rounds) for name, rounds in findings.peers.items()},
    }


def _compare(orders: SalesOrders, options: argparse.Namespace, findings: Findings) -> None:
    if "first" in options.only:
        findings.comparisons.append(orders.compare_first_loads(options.rounds))
        if options.peers:
            findings.peers = measure_peers(orders.clock, orders.console, orders.source_url, options.rounds)
    if "changes" in options.only:
        if "first" not in options.only:
            orders.compare_first_loads(1)
        findings.comparisons.append(orders.compare_changes(options.rounds))
    if "slices" in options.only:
        compared, costs, memory = measure_slices(orders, options.rounds, options.slice_rows, short=options.short)
        findings.comparisons.append(compared)
        findings.costs += costs
        findings.memory += memory


def _compare_whole(database: WholeDatabase, options: argparse.Namespace) -> list[Comparison]:
    quiet = [database.compare_nothing, database.compare_nothing_unproven] if "nothing" in options.only else []
    audits = [database.compare_audit] if "audit" in options.only else []
    return [compare(options.rounds) for compare in (*quiet, *audits)]


def _print(console: Console, findings: Findings) -> None:
    report.print_comparisons(console, findings.comparisons)
    if findings.peers:
        report.print_peers(console, findings.comparisons[0], findings.peers)
    report.print_memory(console, findings.memory)
    report.print_costs(console, findings.costs)
