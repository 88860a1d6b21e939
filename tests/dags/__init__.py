"""The one DAG: its shape, what parsing it costs, and its runs in Airflow from a folder laid out as MWAA has it."""
