"""Some steps of a run in a process of its own: `python -m bench.task FOLDER STEP…`, each step as "kind table".

Of slices as "slice table number", since each is a task.

Results come from and go to pickled files in the folder, as XCom carries them between tasks. The last line of the
output is JSON: the most memory held after the imports and at the end.
"""

import json
import os
import pickle
import resource
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.measurement import WrongResultError
from include import pipeline, runner
from include.pipeline import Options
from include.state.latest import read_state
from include.tables.declarations import load
from include.tables.steps import Step, plan

RESULTS = "results.pickle"
DECLARED = load(os.environ.get("DECLARATIONS", "include.totesys"))


def main(folder: Path, names: list[str]) -> None:
    """Do the steps and print what they took."""
    imports_bytes, started = peak_bytes(), perf_counter()
    do_steps(folder, names)
    print(json.dumps({"imports_bytes": imports_bytes, "peak_bytes": peak_bytes(), "seconds": perf_counter() - started}))


def do_steps(folder: Path, names: list[str]) -> None:
    """Do the steps, with the results of those before, and add theirs."""
    results = read_results(folder)
    going = runner.Run(DECLARED, Options(), read_state(), runner.identify(Options()), results=results, parallel=1)
    steps = plan(DECLARED, going.options.sources(DECLARED))
    for name in names:
        kind, table, number = (*name.split(" "), "", "")[:3]
        step = Step(kind, table)
        if number:
            if not pipeline.slice_table(DECLARED, table, results[Step("plan", table)].load_id, int(number)):
                raise WrongResultError(f"{name} is of no use")
            going.results.setdefault(step, []).append(True)
        else:
            runner._attempt(going, step, steps[step])
    (folder / RESULTS).write_bytes(pickle.dumps(going.results))
    for step, error in going.failures.items():
        raise WrongResultError(f"{step} failed: {error}") from error


def read_results(folder: Path) -> dict[Step, Any]:
    """The results of the steps that were done."""
    file = folder / RESULTS
    return pickle.loads(file.read_bytes()) if file.exists() else {}  # noqa: S301 - written above


def peak_bytes() -> int:
    """The most memory that this process has held. Its `ru_maxrss` would count what its parent held when it forked."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
