"""Slices of sales orders read in a process of its own, as a task of Airflow's is: `python -m bench.worker LOAD_ID`.

Numbers of slices come line by line. It says when it has imported what it takes, and when each slice is kept.
"""

import sys

from bench.in_slices import DECLARED, SOURCE
from bench.measurement import WrongResultError
from include import pipeline

READY, DONE = "ready", "done"


def main(load_id: str) -> None:
    """Read the slices that are asked for."""
    print(READY, flush=True)
    for number in sys.stdin:
        if not pipeline.slice_table(DECLARED, SOURCE, load_id, int(number)):
            raise WrongResultError(f"slice {number.strip()} is of no use")
        print(DONE, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
