"""A first load by dlt, run by a Python that has it: `python peer_dlt.py SOURCE_URL TARGET_URL TABLE DATASET FOLDER`.

connectorx reads, Parquet files carry, ADBC's COPY writes: the fastest way that dlt has.
"""

import sys

import dlt
from dlt.sources.sql_database import sql_table


def main(source_url: str, target_url: str, table: str, dataset: str, folder: str) -> None:
    """Load a table into a dataset (schema) of the target; dlt keeps its own files in the folder."""
    pipeline = dlt.pipeline(
        "first_load", destination=dlt.destinations.postgres(target_url), dataset_name=dataset, pipelines_dir=folder
    )
    rows = sql_table(source_url, table=table, backend="connectorx", reflection_level="full_with_precision")
    pipeline.run(rows, write_disposition="replace", loader_file_format="parquet").raise_on_failed_jobs()


if __name__ == "__main__":
    main(*sys.argv[1:])
