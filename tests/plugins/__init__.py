"""The page in Airflow's UI, served by Airflow's API server."""
