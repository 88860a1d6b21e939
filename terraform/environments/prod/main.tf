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

  # What survives the loss of a zone and a mistake: a standby, protection, and time to restore what was deleted.
  log_retention_days       = 365
  recovery_window_days     = 30
  key_deletion_window_days = 30

  network = {
    cidr         = var.cidr
    reach        = "endpoints" # Nothing but AWS and the source can be reached, and no single zone is needed for it.
    existing     = var.existing_network
    reader_cidrs = var.reader_cidrs
    web_cidrs    = var.web_cidrs
  }

  lake = {
    object_lock_days = var.object_lock_days
    force_destroy    = !var.deletion_protection
  }

  warehouse = {
    instance_class            = "db.t4g.medium"
    allocated_storage_gib     = 50
    max_allocated_storage_gib = 500
    multi_az                  = true
    deletion_protection       = var.deletion_protection
    backup_retention_days     = 14
    skip_final_snapshot       = false
    free_storage_gib          = 5
    connections               = 300
  }

  airflow = {
    environment_class = "mw1.small"
    max_workers       = 3
    web_access        = var.web_access
  }
}
