"""What is of no use to a task stays out of its memory, and is there for whoever asks for it afterwards."""

import subprocess
import sys

import pytest

LATER = """
import sys
{imports}
assert "pandas" not in sys.modules
import pyarrow as pa
found = pa.table({{"n": [1, 2]}})
assert "pandas" not in sys.modules
print(found.to_pandas()["n"].sum(), "pandas" in sys.modules)
"""


@pytest.mark.parametrize(
    "imports",
    ["from include.lake import iceberg", "from include.classify import learn\nfrom include.lake import iceberg"],
)
def test_pandas_is_not_taken_along_and_can_be_used(imports: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LATER.format(imports=imports)], capture_output=True, text=True, check=False
    )
    assert run.stdout.splitlines()[-1:] == ["3 True"], run.stderr
