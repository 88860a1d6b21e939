# dev: what costs least and is gone at once. One zone, no protection, nothing kept after a destroy.

cidr       = "10.40.0.0/16"
reach      = "nat" # A quarter of the price of the endpoints.
web_access = "public"

monthly_budget_usd   = 400
deletion_protection  = false
recovery_window_days = 0
log_retention_days   = 30

warehouse = {
  instance_class        = "db.t4g.micro"
  multi_az              = false
  backup_retention_days = 1
  skip_final_snapshot   = true
  connections           = 50 # A db.t4g.micro takes some 80.
}

airflow = {
  environment_class = "mw1.micro"
}
