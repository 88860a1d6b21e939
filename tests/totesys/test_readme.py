"""The README's example of adding a table, done as it says in a copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

REPOSITORY = Path(__file__).parents[2]
BLOCK = re.compile(r"\n\n([^\n](?:[^\n]|\n(?!\n))*)\n\n```python\n(.*?)```", re.DOTALL)
"""A paragraph and the block of Python that it introduces."""
FILE = re.compile(r"`(include/[\w/]+\.py)`")


def examples() -> dict[str, str]:
    """File → the code that the section on adding a table gives for it."""
    _, _, rest = (REPOSITORY / "README.md").read_text().partition("\n## Adding a table\n")
    section = "\n" + rest.partition("\n## ")[0]
    return {FILE.findall(paragraph)[-1]: code for paragraph, code in BLOCK.findall(section)}


@pytest.fixture
def extended(tmp_path: Path) -> Path:
    """A copy of the pipeline with the README's example in it."""
    shutil.copytree(REPOSITORY / "include", tmp_path / "include", ignore=shutil.ignore_patterns("__pycache__"))
    for name, code in examples().items():
        file = tmp_path / name
        if file.exists():
            file.write_text(f"{file.read_text()}\n{code}")
        else:
            file.write_text(code)
    return tmp_path


def test_the_example_adds_a_dimension_and_a_source_table() -> None:
    files = examples()
    assert "include/totesys/sources.py" in files
    assert [name for name in files if name.startswith("include/totesys/star/")]


def test_the_examples_tables_are_filled_by_the_next_run(
    extended: Path, pipeline_environment: dict[str, str], filled_url: str, warehouse_url: str
) -> None:
    with psycopg.connect(filled_url) as source:
        source.execute(
            "CREATE TABLE courier (courier_id serial PRIMARY KEY, courier_name text NOT NULL, tracking_url text,"
            " created_at timestamp(3) NOT NULL DEFAULT now(), last_updated timestamp(3) NOT NULL DEFAULT now())"
        )
    tables = ",".join(Path(name).stem for name in examples() if "/star/" in name)
    done = subprocess.run(
        [sys.executable, "-m", "include", "run", "--tables", f"{tables},courier"],
        cwd=extended, env={**os.environ, **pipeline_environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(warehouse_url) as warehouse, psycopg.connect(filled_url) as source:
        loaded = warehouse.execute("SELECT department_id, manager FROM dim_department ORDER BY 1").fetchall()
        assert loaded == source.execute("SELECT department_id, manager FROM department ORDER BY 1").fetchall()
        assert len(loaded) == 8
