mock_provider "aws" {}

variables {
  name                 = "totesys-test"
  key_arn              = "arn:aws:kms:eu-west-2:111122223333:key/1"
  emails               = ["data@example.com"]
  environment_name     = "totesys-test"
  warehouse_identifier = "totesys-test-warehouse"
  metrics_namespace    = "ToteSys/totesys-test"
  monthly_budget_usd   = 300
}

run "refuses_alarms_that_nobody_hears" {
  command         = plan
  expect_failures = [var.emails]
  variables {
    emails = []
  }
}

run "refuses_what_is_no_address" {
  command         = plan
  expect_failures = [var.emails]
  variables {
    emails = ["data at example.com"]
  }
}

run "refuses_thresholds_that_make_no_sense" {
  command = plan
  expect_failures = [
    var.silence_minutes, var.lag_seconds, var.queued_tasks, var.free_storage_gib, var.cpu_percent, var.container_percent, var.connections,
    var.monthly_budget_usd, var.metrics_namespace, var.key_arn, var.name, var.api_errors, var.api_seconds, var.rejected_keys,
  ]
  variables {
    silence_minutes    = 41
    lag_seconds        = 10
    queued_tasks       = -1
    free_storage_gib   = 0
    cpu_percent        = 100
    container_percent  = 0
    connections        = 1
    api_errors         = -1
    api_seconds        = 0
    rejected_keys      = -1
    monthly_budget_usd = 0
    metrics_namespace  = "AWS/ToteSys"
    key_arn            = "alias/totesys"
    name               = "Totesys"
  }
}
