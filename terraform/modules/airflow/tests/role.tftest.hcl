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

run "trust" {
  assert {
    condition     = length(jsondecode(aws_iam_role.execution.assume_role_policy).Statement) == 1
    error_message = "More than one statement says who may take the role."
  }

  assert {
    condition     = jsondecode(aws_iam_role.execution.assume_role_policy).Statement[0].Principal == { Service = ["airflow.amazonaws.com", "airflow-env.amazonaws.com"] }
    error_message = "Others than MWAA's two services may take the role."
  }

  assert {
    condition = jsondecode(aws_iam_role.execution.assume_role_policy).Statement[0].Condition == {
      StringEquals = { "aws:SourceAccount" = "111122223333" }
      ArnEquals    = { "aws:SourceArn" = "arn:aws:airflow:eu-west-2:111122223333:environment/totesys-test" }
    }
    error_message = "MWAA may take the role for another account or environment."
  }
}

run "boundary" {
  assert {
    condition     = aws_iam_role.execution.permissions_boundary == var.boundary_arn && aws_iam_role.execution.path == "/totesys-test/"
    error_message = "The role has no boundary, or lies where the workflow may not write it."
  }
}

run "permissions" {
  assert {
    condition = alltrue([
      for statement in concat(local.tasks, local.mwaa_code, local.mwaa_logs, local.mwaa_queue) :
      statement.Effect == "Allow" && !strcontains(jsonencode(statement.Action), "\"*\"")
      && alltrue([for action in flatten([statement.Action]) : !endswith(action, ":*")])
    ])
    error_message = "A statement allows every action of a service."
  }

  assert {
    condition = alltrue([
      for statement in concat(local.tasks, local.mwaa_code, local.mwaa_logs, local.mwaa_queue) :
      alltrue([for action in flatten([statement.Action]) : !strcontains(action, "*")])
      if contains(flatten([statement.Resource]), "*")
    ])
    error_message = "A statement has * on both sides."
  }

  # What may be asked of everything: where AWS knows no ARN.
  assert {
    condition = toset([
      for statement in concat(local.tasks, local.mwaa_code, local.mwaa_logs, local.mwaa_queue) :
      "${statement.Sid} ${jsonencode(statement.Action)}" if contains(flatten([statement.Resource]), "*")
      ]) == toset([
      "TasksPublishMetrics \"cloudwatch:PutMetricData\"", "MwaaPublishesMetrics \"cloudwatch:PutMetricData\"",
      "MwaaFindsLogs \"logs:DescribeLogGroups\"", "MwaaChecksThatNothingIsPublic \"s3:GetAccountPublicAccessBlock\"",
    ])
    error_message = "An action is allowed on everything though AWS knows an ARN for it."
  }

  assert {
    condition = {
      for statement in concat(local.tasks, local.mwaa_logs) : statement.Sid => statement.Condition.StringEquals["cloudwatch:namespace"]
      if statement.Action == "cloudwatch:PutMetricData"
    } == { TasksPublishMetrics = "ToteSys/totesys-test", MwaaPublishesMetrics = "AmazonMWAA" }
    error_message = "Metrics may be published in other namespaces."
  }

  assert {
    condition = alltrue([
      for statement in concat(local.tasks, local.mwaa_queue) :
      statement.Resource == var.key_arn && length(statement.Condition.StringEquals["kms:ViaService"]) > 0
      if strcontains(jsonencode(statement.Action), "kms:")
    ])
    error_message = "Another key may be used, or the key without a service."
  }

  # Prefix by prefix: what may be written is exactly this, so the code that runs cannot be.
  assert {
    condition = toset(flatten([
      for statement in concat(local.tasks, local.mwaa_code, local.mwaa_logs, local.mwaa_queue) : statement.Resource
      if anytrue([for action in flatten([statement.Action]) : can(regex("^s3:(Put|Replicate|Restore|Bypass)", action))])
      ])) == toset([
      "arn:aws:s3:::totesys-test-ingestion/*", "arn:aws:s3:::totesys-test-processed/*",
      "arn:aws:s3:::totesys-test-state/latest_update.json", "arn:aws:s3:::totesys-test-state/keys/*",
      "arn:aws:s3:::totesys-test-state/status.json", "arn:aws:s3:::totesys-test-state/runs/*",
      "arn:aws:s3:::totesys-test-state/alerts.json",
      "arn:aws:s3:::totesys-test-state/classification.json",
      "arn:aws:s3:::totesys-test-state/classify/*",
    ])
    error_message = "Something beside data and state may be written: the code that runs must not be."
  }

  assert {
    condition = [
      for statement in concat(local.tasks, local.mwaa_code, local.mwaa_logs, local.mwaa_queue) : [statement.Action, statement.Resource]
      if anytrue([for action in flatten([statement.Action]) : can(regex("^s3:Delete", action))])
    ] == [["s3:DeleteObject", "arn:aws:s3:::totesys-test-processed/iceberg/*/metadata/*"]]
    error_message = "Data may be deleted, which no task does."
  }

  assert {
    condition = toset(flatten([
      for statement in local.tasks : statement.Resource if statement.Action == "secretsmanager:GetSecretValue"
    ])) == toset(concat(var.secret_arns, [var.master_secret_arn]))
    error_message = "The secrets that may be read are not the pipeline's."
  }

  assert {
    condition = {
      for statement in local.tasks : statement.Sid => [statement.Action, statement.Resource]
      if anytrue([for action in flatten([statement.Action]) : startswith(action, "glue:")])
      } == { TasksCommitToTheLake = [
        ["glue:GetTable", "glue:CreateTable", "glue:UpdateTable"],
        [
          "arn:aws:glue:eu-west-2:111122223333:catalog", "arn:aws:glue:eu-west-2:111122223333:database/totesys_test_lake",
          "arn:aws:glue:eu-west-2:111122223333:table/totesys_test_lake/*",
        ],
    ] }
    error_message = "The tasks reach another database of the catalogue, or do more there than commit."
  }

  # S3 answers 403 for a missing object to those who may not list its bucket, and a first run could not be told.
  assert {
    condition = toset(flatten([for statement in local.tasks : statement.Resource if statement.Action == "s3:ListBucket"])) == toset([
      var.ingestion_bucket_arn, var.processed_bucket_arn, var.bucket.arn
    ])
    error_message = "A missing latest_update.json cannot be told from a forbidden one."
  }

  assert {
    condition = (
      jsondecode(aws_iam_role_policy.tasks.policy).Statement[*].Sid == local.tasks[*].Sid
      && jsondecode(aws_iam_role_policy.mwaa.policy).Statement[*].Sid == concat(local.mwaa_code[*].Sid, local.mwaa_logs[*].Sid, local.mwaa_queue[*].Sid)
      && alltrue([for sid in local.tasks[*].Sid : startswith(sid, "Tasks")])
      && alltrue([for sid in concat(local.mwaa_code[*].Sid, local.mwaa_logs[*].Sid, local.mwaa_queue[*].Sid) : startswith(sid, "Mwaa")])
    )
    error_message = "The role's policies are not these statements, or a statement does not say whose it is."
  }
}
