"""What `compose.yaml` runs beside Airflow and PostgreSQL."""
