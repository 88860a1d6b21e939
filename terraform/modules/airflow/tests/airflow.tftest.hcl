mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-west-2" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/totesys-test-airflow" }
  }
}

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

run "environment" {
  assert {
    condition     = aws_mwaa_environment.this.airflow_version == "3.2.1" && aws_mwaa_environment.this.environment_class == "mw1.small"
    error_message = "Without being told otherwise, the environment is not Airflow 3.2.1 in mw1.small."
  }

  assert {
    condition     = aws_mwaa_environment.this.webserver_access_mode == "PRIVATE_ONLY"
    error_message = "Without being told otherwise, the web server is open to the internet."
  }

  assert {
    condition = alltrue([
      for logs in ["dag_processing_logs", "scheduler_logs", "task_logs", "webserver_logs", "worker_logs"] :
      aws_mwaa_environment.this.logging_configuration[0][logs][0].enabled
      && aws_mwaa_environment.this.logging_configuration[0][logs][0].log_level == "INFO"
    ])
    error_message = "Not all five logs are written at INFO."
  }

  assert {
    condition = toset([for group in aws_cloudwatch_log_group.this : group.name]) == toset([
      "airflow-totesys-test-DAGProcessing", "airflow-totesys-test-Scheduler", "airflow-totesys-test-Task",
      "airflow-totesys-test-WebServer", "airflow-totesys-test-Worker",
    ])
    error_message = "The log groups are not those that the environment writes to, so it makes others, kept for ever."
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 365 && group.kms_key_id == var.key_arn])
    error_message = "A log group is kept for ever, or not encrypted with the key."
  }

  assert {
    condition     = aws_mwaa_environment.this.kms_key == var.key_arn
    error_message = "The environment is not encrypted with the key."
  }

  assert {
    condition     = toset(aws_mwaa_environment.this.network_configuration[0].subnet_ids) == toset(var.subnet_ids)
    error_message = "The environment is not in the private subnets."
  }
}

run "patience" {
  assert {
    condition     = alltrue([for time in [aws_mwaa_environment.this.timeouts.create, aws_mwaa_environment.this.timeouts.update, aws_mwaa_environment.this.timeouts.delete] : time == "3h"])
    error_message = "Terraform gives up before MWAA is done."
  }
}

run "code" {
  assert {
    condition     = toset(keys(aws_s3_object.dag)) == toset(["dags/totesys_warehouse.py", "dags/include/__init__.py"])
    error_message = "Not every file of dags/ is uploaded."
  }

  assert {
    condition     = alltrue([for object in merge(aws_s3_object.dag, aws_s3_object.file) : object.kms_key_id == var.key_arn && object.bucket == "totesys-test-state"])
    error_message = "A file is not encrypted with the key, or goes elsewhere."
  }

  assert {
    condition = alltrue([
      for path, version in {
        "plugins.zip"      = [aws_mwaa_environment.this.plugins_s3_path, aws_mwaa_environment.this.plugins_s3_object_version]
        "requirements.txt" = [aws_mwaa_environment.this.requirements_s3_path, aws_mwaa_environment.this.requirements_s3_object_version]
        "startup.sh"       = [aws_mwaa_environment.this.startup_script_s3_path, aws_mwaa_environment.this.startup_script_s3_object_version]
      } : version == [path, aws_s3_object.file[path].version_id]
    ])
    error_message = "A changed file does not reach the environment: it is not wired by its object's version."
  }

  assert {
    condition     = length(distinct([for object in aws_s3_object.file : object.version_id])) == 3
    error_message = "The versions of three files are not three."
  }

  assert {
    condition     = alltrue([for path, object in merge(aws_s3_object.dag, aws_s3_object.file) : object.source_hash == filesha256("tests/package/${path}")])
    error_message = "A file whose content changed is not uploaded again."
  }
}

run "a_changed_file_is_uploaded_again" {
  variables {
    package_folder = "tests/changed_package"
  }

  assert {
    condition     = aws_s3_object.file["requirements.txt"].source_hash == filesha256("tests/changed_package/requirements.txt")
    error_message = "The changed requirements.txt is not uploaded."
  }
}

run "secrets_backend" {
  assert {
    condition     = aws_mwaa_environment.this.airflow_configuration_options["secrets.backend"] == "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
    error_message = "Connections are not looked up in Secrets Manager."
  }

  assert {
    condition = alltrue([
      for name in ["totesys", "warehouse"] :
      can(regex(jsondecode(aws_mwaa_environment.this.airflow_configuration_options["secrets.backend_kwargs"]).connections_lookup_pattern, name))
    ])
    error_message = "A connection of the pipeline is not looked up."
  }

  assert {
    condition = alltrue([
      for name in ["aws_default", "totesys_other", "my_warehouse"] :
      !can(regex(jsondecode(aws_mwaa_environment.this.airflow_configuration_options["secrets.backend_kwargs"]).connections_lookup_pattern, name))
    ])
    error_message = "Connections that are not the pipeline's, such as aws_default, are looked up in Secrets Manager."
  }

  assert {
    condition = alltrue([
      for name, wanted in { ingestion_bucket = true, alerts_topic_arn = true, state_bucket = false, ingestion_bucket_2 = false } : can(regex(jsondecode(aws_mwaa_environment.this.airflow_configuration_options["secrets.backend_kwargs"]).variables_lookup_pattern, name)) == wanted
    ])
    error_message = "The variables that are looked up are not those that there are."
  }

  assert {
    condition = (
      jsondecode(aws_mwaa_environment.this.airflow_configuration_options["secrets.backend_kwargs"]).connections_prefix == var.connections_prefix
      && jsondecode(aws_mwaa_environment.this.airflow_configuration_options["secrets.backend_kwargs"]).variables_prefix == var.variables_prefix
    )
    error_message = "Connections or variables are not looked up under their prefix."
  }
}

run "micro" {
  command = plan
  variables {
    environment_class = "mw1.micro"
    max_workers       = 1
    web_access        = "public"
  }

  assert {
    condition = (
      aws_mwaa_environment.this.schedulers == 1 && aws_mwaa_environment.this.min_webservers == 1
      && aws_mwaa_environment.this.max_webservers == 1
    )
    error_message = "mw1.micro is asked for more than the one scheduler and the one web server that it has."
  }

  assert {
    condition     = aws_mwaa_environment.this.webserver_access_mode == "PUBLIC_ONLY"
    error_message = "Public access is not what was asked for."
  }
}
