"""The page "ToteSys warehouse": what the pipeline recorded in S3, shown in Airflow's UI.

It stands alone: Amazon MWAA's web server has the plugins, but not the DAGs and what they import.
"""
