mock_provider "aws" {}

variables {
  name                 = "totesys-test"
  key_arn              = "arn:aws:kms:eu-west-2:111122223333:key/1"
  boundary_arn         = "arn:aws:iam::111122223333:policy/totesys-test-boundary"
  subnet_ids           = ["subnet-a", "subnet-b"]
  security_group_ids   = ["sg-airflow"]
  bucket               = { bucket = "totesys-test-state", arn = "arn:aws:s3:::totesys-test-state" }
  package_folder       = "tests/package"
  connections_prefix   = "totesys-test/airflow/connections"
  variables_prefix     = "totesys-test/airflow/variables"
  variable_names       = ["alerts_topic_arn", "ingestion_bucket"]
  ingestion_bucket_arn = "arn:aws:s3:::totesys-test-ingestion"
  processed_bucket_arn = "arn:aws:s3:::totesys-test-processed"
  lake_database        = "totesys_test_lake"
  secret_arns          = ["arn:aws:secretsmanager:eu-west-2:111122223333:secret:totesys-test/airflow/connections/totesys-AbCdEf"]
  master_secret_arn    = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:rds!db-1-AbCdEf"
  topic_arn            = "arn:aws:sns:eu-west-2:111122223333:totesys-test-alerts"
  metrics_namespace    = "ToteSys/totesys-test"
}

run "refuses_what_no_environment_is" {
  command         = plan
  expect_failures = [var.name, var.airflow_version, var.environment_class, var.web_access, var.log_retention_days, var.maintenance_window_start, var.worker_replacement_strategy]
  variables {
    name               = "T"
    airflow_version    = "2.10.3"
    environment_class  = "mw1.huge"
    web_access         = "open"
    log_retention_days = 100

    maintenance_window_start    = "SUN:04:15"
    worker_replacement_strategy = "KIND"
  }
}

run "refuses_numbers_that_mwaa_has_not" {
  command         = plan
  expect_failures = [var.min_workers, var.schedulers]
  variables {
    min_workers = 0
    schedulers  = 1
  }
}

run "refuses_less_workers_at_most_than_at_least" {
  command         = plan
  expect_failures = [var.max_workers]
  variables {
    min_workers = 3
    max_workers = 2
  }
}

run "refuses_more_workers_than_mwaa_has" {
  command         = plan
  expect_failures = [var.max_workers]
  variables {
    max_workers = 26
  }
}

run "refuses_workers_that_micro_has_not" {
  command         = plan
  expect_failures = [var.max_workers]
  variables {
    environment_class = "mw1.micro"
    max_workers       = 2
  }
}

run "refuses_one_subnet_and_secrets_by_pattern" {
  command         = plan
  expect_failures = [var.subnet_ids, var.security_group_ids, var.secret_arns, var.key_arn, var.metrics_namespace]
  variables {
    subnet_ids         = ["subnet-a"]
    security_group_ids = []
    secret_arns        = ["arn:aws:secretsmanager:eu-west-2:111122223333:secret:*"]
    key_arn            = "alias/totesys"
    metrics_namespace  = "AWS/ToteSys"
  }
}

run "refuses_a_package_that_is_not_built" {
  command         = plan
  expect_failures = [var.package_folder]
  variables {
    package_folder = "tests/no_package"
  }
}
