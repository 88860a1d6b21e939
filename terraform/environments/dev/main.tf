module "stack" {
  source = "../../modules/stack"

  name                       = var.name
  source_database            = var.source_database
  source_password            = var.source_password
  source_password_version    = var.source_password_version
  warehouse_password         = var.warehouse_password
  warehouse_password_version = var.warehouse_password_version
  emails                     = var.emails
  monthly_budget_usd         = var.monthly_budget_usd
  budget_tag                 = var.budget_tag
  package_folder             = var.package_folder

  # What costs least and is gone at once: one zone, no protection, nothing kept after a destroy.
  log_retention_days       = 30
  recovery_window_days     = 0
  key_deletion_window_days = 7

  network = {
    cidr         = var.cidr
    reach        = "nat" # A quarter of the price of the endpoints.
    existing     = var.existing_network
    reader_cidrs = var.reader_cidrs
    web_cidrs    = var.web_cidrs
  }

  lake = {
    force_destroy = true
  }

  warehouse = {
    instance_class        = "db.t4g.micro"
    multi_az              = false
    deletion_protection   = false
    backup_retention_days = 1
    skip_final_snapshot   = true
  }

  airflow = {
    environment_class = "mw1.micro"
    max_workers       = 1
    web_access        = var.web_access
  }
}
