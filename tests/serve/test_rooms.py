"""The server stands on the declarations alone: no Airflow, and nothing of the pipeline."""

import subprocess
import sys

STANDS_ON = {
    "include",
    "include.common",
    "include.common.errors",
    "include.declared",
    "include.lake",
    "include.lake.arrow",  # which stands on the declarations alone, too
}


def test_the_server_loads_the_declarations_and_no_airflow() -> None:
    code = "import sys, serve.app, serve.arrow, serve.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not [name for name in loaded if name.partition(".")[0] == "airflow"]
    own = {name for name in loaded if name.split(".")[0] == "include"}
    assert own - STANDS_ON
    assert {
        name for name in own if not name.startswith(("include.tables", "include.totesys", "include.own"))
    } == STANDS_ON
