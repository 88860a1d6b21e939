"""Read tables of the lake with Apache Spark: a program of its own, in the environment of requirements/spark.txt.

Called with a JSON document: `settings` of the session, and `questions`: a folder → the SQL whose answer it is to
hold as Parquet.
"""

import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from pyspark.sql import SparkSession

RUNTIME = "iceberg-spark-runtime-3.5_2.12-*.jar"
SDK = ("*-2.29.26.jar", "eventstream-*.jar", "reactive-streams-*.jar")
"""Of the AWS SDK for Java, which Iceberg's runtime leaves to others: all its modules have one version."""


def jars() -> Iterator[str]:
    """Iceberg for Spark, and the AWS SDK: packages of Python's registry that bring Java's along."""
    for package, folder, patterns in (
        ("snowpark_connect_deps_iceberg", "jars", (RUNTIME,)),
        ("bodo_iceberg_connector", "jars/libs", SDK),
    ):
        found = find_spec(package)
        assert found is not None
        assert found.submodule_search_locations is not None
        place = Path(found.submodule_search_locations[0], folder)
        for pattern in patterns:
            files = sorted(map(str, place.glob(pattern)))
            assert files, f"no {pattern} in {package}"
            yield from files


def session(settings: dict[str, str]) -> SparkSession:
    """Spark in this process, with instants in UTC and as Parquet has them."""
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.config("spark.jars", ",".join(jars())).getOrCreate()


def main(document: str) -> None:
    """Answer every question."""
    asked = json.loads(document)
    spark = session(asked["settings"])
    for folder, question in asked["questions"].items():
        spark.sql(question).coalesce(1).write.parquet(folder)
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
