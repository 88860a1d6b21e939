"""ToteSys's DAG in Airflow."""
