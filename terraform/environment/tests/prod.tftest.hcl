mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "totesys-prod"
  region             = "eu-west-2"
  source_database    = { host = "totesys.internal", database = "totesys", user = "reader", cidr = "10.20.0.0/24" }
  source_password    = "of-the-source"
  warehouse_password = "a-long-random-one-of-the-warehouse"
  api_password       = "a-long-random-one-of-the-api"
  api_cursor_key     = "a-long-random-one-of-the-cursors"
  emails             = ["data@example.com"]
  package_folder     = "../modules/airflow/tests/package"
}

run "prod" {
  assert {
    condition     = output.environment_name == "totesys-prod" && output.state_bucket == "totesys-prod-111122223333-state"
    error_message = "Names do not carry the environment's prefix."
  }

  assert {
    condition     = output.nat_address == null && contains(keys(module.network.endpoint_ids), "secretsmanager")
    error_message = "Tasks can reach the internet, or do not reach AWS."
  }

  assert {
    condition     = var.deletion_protection && var.recovery_window_days == 30 && var.warehouse.multi_az && !var.warehouse.skip_final_snapshot && var.web_access == "private" && var.airflow.worker_replacement_strategy == "GRACEFUL"
    error_message = "A mistake or the loss of a zone loses the warehouse, Airflow's web server is public, or updates end tasks."
  }
}
