mock_provider "aws" {}

variables {
  name                        = "totesys-test"
  key_arn                     = "arn:aws:kms:eu-west-2:111122223333:key/1"
  source_password             = "of-the-source"
  warehouse_password          = "a-long-random-one-of-the-warehouse"
  warehouse_master_secret_arn = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:rds!db-1"
  topic_arn                   = "arn:aws:sns:eu-west-2:111122223333:totesys-test-alerts"
  metrics_namespace           = "ToteSys/totesys-test"
  lake_database               = "totesys_test_lake"
  buckets                     = { ingestion = "b-ingestion", processed = "b-processed", state = "b-state" }
  source_database             = { host = "totesys.internal", database = "totesys", user = "reader" }
  warehouse                   = { host = "warehouse.internal", port = 5432, database = "warehouse" }
}

run "secrets" {
  assert {
    condition = toset([for secret in aws_secretsmanager_secret.this : secret.name]) == toset([
      "totesys-test/airflow/connections/totesys", "totesys-test/airflow/connections/warehouse",
      "totesys-test/airflow/variables/alerts_topic_arn", "totesys-test/airflow/variables/ingestion_bucket",
      "totesys-test/airflow/variables/lake_database", "totesys-test/airflow/variables/metrics_namespace",
      "totesys-test/airflow/variables/processed_bucket", "totesys-test/airflow/variables/state_bucket",
      "totesys-test/airflow/variables/warehouse_master_secret",
    ])
    error_message = "These are not the connections and variables that the pipeline resolves."
  }

  assert {
    condition     = output.variable_names == tolist(["alerts_topic_arn", "ingestion_bucket", "lake_database", "metrics_namespace", "processed_bucket", "state_bucket", "warehouse_master_secret"])
    error_message = "Airflow looks up other variables than there are."
  }

  assert {
    condition = alltrue([
      for secret in aws_secretsmanager_secret.this : secret.kms_key_id == var.key_arn && secret.recovery_window_in_days == 30
    ])
    error_message = "A secret is not encrypted with the key, or cannot be restored for 30 days."
  }

  # A write-only argument is null wherever it is looked at; the version is what tells that it was given.
  assert {
    condition = alltrue([
      for version in aws_secretsmanager_secret_version.this :
      version.secret_string_wo == null && try(version.secret_string_wo_version > 0, false)
    ])
    error_message = "A value is not written through the write-only argument."
  }

  assert {
    condition     = toset(keys(aws_secretsmanager_secret_version.this)) == toset(keys(aws_secretsmanager_secret.this))
    error_message = "A secret has no value."
  }

  assert {
    condition     = local.connections.totesys.extra.sslmode == "require" && local.connections.warehouse.extra.sslmode == "require"
    error_message = "A connection is not encrypted."
  }

  assert {
    condition = alltrue([
      for connection in local.connections : toset(keys(connection)) == toset(["conn_type", "host", "port", "schema", "login", "extra"])
    ])
    error_message = "A connection has not the fields that Airflow reads."
  }

  assert {
    condition     = local.connections.warehouse.login == "totesys_pipeline"
    error_message = "The pipeline does not connect to the warehouse as its own role."
  }

  assert {
    condition     = length(output.secret_arns) == 9 && output.connections_prefix == "totesys-test/airflow/connections" && output.variables_prefix == "totesys-test/airflow/variables"
    error_message = "The outputs are not those of the secrets."
  }
}

run "the_login_of_an_api" {
  command = plan
  variables {
    api_secret_arns = ["arn:aws:secretsmanager:eu-west-2:111122223333:secret:totesys-test/api-AbCdEf"]
  }

  assert {
    condition     = length(aws_secretsmanager_secret.this) == 10 && aws_secretsmanager_secret.this["variables/warehouse_api_secret"].name == "totesys-test/airflow/variables/warehouse_api_secret" && contains(output.variable_names, "warehouse_api_secret")
    error_message = "The pipeline is not told of the API's login."
  }
}

run "a_new_password_is_written" {
  variables {
    source_password_version    = 2
    warehouse_password_version = 2
  }

  assert {
    condition = alltrue([
      for name in ["connections/totesys", "connections/warehouse"] :
      output.versions[name] != run.secrets.versions[name]
    ])
    error_message = "A raised version does not have the password written again."
  }

  assert {
    condition     = output.versions["variables/state_bucket"] == run.secrets.versions["variables/state_bucket"]
    error_message = "A variable is written again though nothing of it changed."
  }
}

run "a_change_of_the_connection_is_written" {
  variables {
    source_database = { host = "other.internal", database = "totesys", user = "reader" }
    buckets         = { ingestion = "b-ingestion", processed = "b-processed", state = "other-state" }
  }

  assert {
    condition = alltrue([
      for name in ["connections/totesys", "variables/state_bucket"] :
      output.versions[name] != run.secrets.versions[name]
    ])
    error_message = "A change of a value does not have it written again."
  }

  assert {
    condition     = output.versions["connections/warehouse"] == run.secrets.versions["connections/warehouse"]
    error_message = "The warehouse's connection is written again though nothing of it changed."
  }
}

run "certificates_have_the_servers_proved" {
  command = plan
  variables {
    source_database = { host = "totesys.internal", database = "totesys", user = "reader", sslmode = "verify-full", ca_bundle = "/certificates/source.pem" }
    warehouse       = { host = "warehouse.internal", port = 5432, database = "warehouse", ca_bundle = "/certificates/rds.pem" }
  }

  assert {
    condition     = local.connections.totesys.extra == { sslmode = "verify-full", sslrootcert = "/certificates/source.pem" }
    error_message = "The source is not verified with its certificates."
  }

  assert {
    condition     = local.connections.warehouse.extra == { sslmode = "verify-full", sslrootcert = "/certificates/rds.pem" }
    error_message = "The warehouse is not verified with its certificates."
  }
}

run "refuses_a_recovery_window_that_is_too_short" {
  command         = plan
  expect_failures = [var.recovery_window_days]
  variables {
    recovery_window_days = 3
  }
}

run "takes_no_recovery_window" {
  command = plan
  variables {
    recovery_window_days = 0
  }
  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.recovery_window_in_days == 0])
    error_message = "The recovery window is not what was asked for."
  }
}

run "refuses_a_source_without_encryption" {
  command         = plan
  expect_failures = [var.source_database]
  variables {
    source_database = { host = "totesys.internal", database = "totesys", user = "reader", sslmode = "prefer" }
  }
}

run "refuses_verification_without_certificates" {
  command         = plan
  expect_failures = [var.source_database]
  variables {
    source_database = { host = "totesys.internal", database = "totesys", user = "reader", sslmode = "verify-full" }
  }
}

run "refuses_an_address_as_host" {
  command         = plan
  expect_failures = [var.source_database]
  variables {
    source_database = { host = "postgres://totesys.internal/totesys", database = "totesys", user = "reader" }
  }
}

run "refuses_an_empty_password_and_a_short_one" {
  command         = plan
  expect_failures = [var.source_password, var.warehouse_password]
  variables {
    source_password    = ""
    warehouse_password = "short"
  }
}

run "refuses_half_a_version" {
  command         = plan
  expect_failures = [var.source_password_version, var.warehouse_password_version]
  variables {
    source_password_version    = 1.5
    warehouse_password_version = 0
  }
}

run "refuses_a_prefix_that_ends_with_a_slash" {
  command         = plan
  expect_failures = [var.secret_prefix]
  variables {
    secret_prefix = "totesys/"
  }
}

run "refuses_a_key_by_alias_and_a_namespace_of_aws" {
  command         = plan
  expect_failures = [var.key_arn, var.metrics_namespace]
  variables {
    key_arn           = "alias/totesys"
    metrics_namespace = "AWS/ToteSys"
  }
}
