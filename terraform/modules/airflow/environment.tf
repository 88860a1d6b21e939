resource "aws_mwaa_environment" "this" {
  name               = var.name
  airflow_version    = var.airflow_version
  environment_class  = var.environment_class
  min_workers        = var.min_workers
  max_workers        = var.max_workers
  schedulers         = local.is_micro ? 1 : var.schedulers
  min_webservers     = local.is_micro ? 1 : 2
  max_webservers     = local.is_micro ? 1 : 2
  execution_role_arn = aws_iam_role.execution.arn
  kms_key            = var.key_arn

  weekly_maintenance_window_start = var.maintenance_window_start

  # How updates end workers. It is not part of what MWAA makes an environment with.
  worker_replacement_strategy = var.worker_replacement_strategy

  webserver_access_mode = var.web_access == "public" ? "PUBLIC_ONLY" : "PRIVATE_ONLY"

  # The environment reads the folder dags/ again and again by itself. The other files it reads in an update, which a new
  # version of one of them brings about.
  source_bucket_arn                = var.bucket.arn
  dag_s3_path                      = "dags"
  plugins_s3_path                  = aws_s3_object.file["plugins.zip"].key
  plugins_s3_object_version        = aws_s3_object.file["plugins.zip"].version_id
  requirements_s3_path             = aws_s3_object.file["requirements.txt"].key
  requirements_s3_object_version   = aws_s3_object.file["requirements.txt"].version_id
  startup_script_s3_path           = aws_s3_object.file["startup.sh"].key
  startup_script_s3_object_version = aws_s3_object.file["startup.sh"].version_id

  airflow_configuration_options = {
    "secrets.backend"        = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
    "secrets.backend_kwargs" = jsonencode(local.backend)

    # Each of Airflow's metrics is billed as a custom one, and each task would have some. These are what alarms and dashboard show.
    "metrics.metrics_allow_list" = "^scheduler_heartbeat$,^executor[.](queued|running)_tasks$,^dag_processing[.]import_errors$"

    # The supervisor of about one task in four misses its end, and looks again after min_heartbeat_interval seconds (5). At
    # times it also waits for a socket that is never closed, and gives up after socket_cleanup_timeout (60).
    "workers.min_heartbeat_interval" = "1"
    "workers.socket_cleanup_timeout" = "5"
  }

  logging_configuration {
    dag_processing_logs {
      enabled   = true
      log_level = "INFO"
    }
    scheduler_logs {
      enabled   = true
      log_level = "INFO"
    }
    task_logs {
      enabled   = true
      log_level = "INFO"
    }
    webserver_logs {
      enabled   = true
      log_level = "INFO"
    }
    worker_logs {
      enabled   = true
      log_level = "INFO"
    }
  }

  network_configuration {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }

  # The provider gives up after one and a half or two hours, and MWAA may need longer. What it gave up on goes on at AWS.
  timeouts {
    create = "3h"
    update = "3h"
    delete = "3h"
  }

  depends_on = [
    aws_cloudwatch_log_group.this, aws_iam_role_policy.mwaa, aws_iam_role_policy.tasks, aws_s3_object.dag,
  ]
}

locals {
  is_micro = var.environment_class == "mw1.micro"

  # Only these names are looked up in Secrets Manager. Any other, such as aws_default, which is the execution role itself,
  # would cost a request that the role is not allowed to make.
  backend = {
    connections_prefix         = var.connections_prefix
    connections_lookup_pattern = "^(totesys|warehouse)$"
    variables_prefix           = var.variables_prefix
    variables_lookup_pattern   = "^(${join("|", var.variable_names)})$"
  }
}
