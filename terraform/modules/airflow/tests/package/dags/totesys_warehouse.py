"""A DAG."""
