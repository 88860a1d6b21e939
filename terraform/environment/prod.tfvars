# prod: what survives the loss of a zone and a mistake. A standby, protection, and time to restore what was deleted.

cidr       = "10.41.0.0/16"
reach      = "endpoints" # Nothing but AWS and the source can be reached, and no single zone is needed for it.
web_access = "private"

monthly_budget_usd   = 1000
deletion_protection  = true
recovery_window_days = 30
log_retention_days   = 365

warehouse = {
  instance_class            = "db.t4g.medium"
  allocated_storage_gib     = 50
  max_allocated_storage_gib = 500
  multi_az                  = true
  backup_retention_days     = 14
  skip_final_snapshot       = false
  free_storage_gib          = 5
  connections               = 300
}

airflow = {
  environment_class           = "mw1.small"
  worker_replacement_strategy = "GRACEFUL"
}
