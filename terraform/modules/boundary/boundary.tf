# The most that any role of the environment can ever do, whatever its policies say. Who may write roles may write them with this
# boundary only (modules/ci), and so cannot make one that does more.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  here      = "${local.region}:${local.account}"
  lake      = "${replace(var.name, "-", "_")}_lake"
  views     = "${replace(var.name, "-", "_")}_warehouse"
  buckets   = [for kind in ["ingestion", "processed", "results", "state"] : "arn:${local.partition}:s3:::${var.name}-${local.account}-${kind}"]
}

resource "aws_iam_policy" "boundary" {
  name        = "${var.name}-boundary"
  description = "The most that a role of ${var.name} can do"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

# One entry a kind of thing that roles touch. What a new part of the environment calls is added here, and bootstrapped.
locals {
  statements = [
    {
      Sid      = "Data"
      Effect   = "Allow"
      Action   = ["s3:Get*", "s3:List*", "s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = concat(local.buckets, [for arn in local.buckets : "${arn}/*"])
    },
    {
      # What tells the lake's files, as it was many commits before; no data.
      Sid      = "OldMetadataOfTheLake"
      Effect   = "Allow"
      Action   = "s3:DeleteObject"
      Resource = "arn:${local.partition}:s3:::${var.name}-${local.account}-processed/iceberg/*/metadata/*"
    },
    {
      Sid      = "CommitToLake"
      Effect   = "Allow"
      Action   = ["glue:GetTable", "glue:CreateTable", "glue:UpdateTable"]
      Resource = [for name in ["catalog", "database/${local.lake}", "table/${local.lake}/*"] : "arn:${local.partition}:glue:${local.here}:${name}"]
    },
    {
      Sid      = "ReadCatalogue"
      Effect   = "Allow"
      Action   = ["glue:GetDatabase*", "glue:GetTable", "glue:GetTables"]
      Resource = [for name in ["catalog", "database/default", "database/${local.lake}", "table/${local.lake}/*", "database/${local.views}", "table/${local.views}/*"] : "arn:${local.partition}:glue:${local.here}:${name}"]
    },
    {
      Sid      = "Analysts"
      Effect   = "Allow"
      Action   = ["athena:BatchGetQueryExecution", "athena:Get*", "athena:List*", "athena:StartQueryExecution", "athena:StopQueryExecution"]
      Resource = [for name in ["workgroup/${var.name}-*", "datacatalog/AwsDataCatalog"] : "arn:${local.partition}:athena:${local.here}:${name}"]
    },
    {
      # Those that RDS makes are named by RDS; without the environment's key none of another's can be read.
      Sid      = "Secrets"
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = [for name in ["${var.name}/*", "rds!db-*"] : "arn:${local.partition}:secretsmanager:${local.here}:secret:${name}"]
    },
    {
      Sid      = "Key"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*"]
      Resource = var.key_arn
    },
    {
      Sid      = "Alerts"
      Effect   = "Allow"
      Action   = "sns:Publish"
      Resource = "arn:${local.partition}:sns:${local.here}:${var.name}-*"
    },
    {
      Sid       = "Metrics"
      Effect    = "Allow"
      Action    = "cloudwatch:PutMetricData"
      Resource  = "*"
      Condition = { StringEquals = { "cloudwatch:namespace" = ["ToteSys/${var.name}", "AmazonMWAA"] } }
    },
    {
      # RDS* are the operating system's metrics of instances, which RDS puts there for all of an account.
      Sid    = "Logs"
      Effect = "Allow"
      Action = [
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:GetLog*", "logs:GetQueryResults",
        "logs:PutLogEvents", "logs:PutRetentionPolicy",
      ]
      Resource = [for name in ["airflow-${var.name}-*", "/aws/ec2/${var.name}-*", "/aws/vpc/${var.name}/*", "RDS*"] : "arn:${local.partition}:logs:${local.here}:log-group:${name}"]
    },
    {
      Sid      = "WhatHasNoArn"
      Effect   = "Allow"
      Action   = ["logs:DescribeLogGroups", "s3:GetAccountPublicAccessBlock", "airflow:ListEnvironments", "athena:ListDataCatalogs", "athena:ListEngineVersions", "athena:ListWorkGroups"]
      Resource = "*"
    },
    {
      # Instances are reached through Session Manager, whose channels have no ARN.
      Sid    = "SessionManager"
      Effect = "Allow"
      Action = [
        "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ]
      Resource = "*"
    },
    {
      Sid      = "Airflow"
      Effect   = "Allow"
      Action   = ["airflow:GetEnvironment", "airflow:PublishMetrics"]
      Resource = "arn:${local.partition}:airflow:${local.here}:environment/${var.name}"
    },
    {
      Sid      = "PeopleInAirflow"
      Effect   = "Allow"
      Action   = ["airflow:CreateWebLoginToken", "airflow:InvokeRestApi"]
      Resource = [for role in ["Viewer", "Op"] : "arn:${local.partition}:airflow:${local.here}:role/${var.name}/${role}"]
    },
    {
      Sid      = "Queue"
      Effect   = "Allow"
      Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueue*", "sqs:ReceiveMessage", "sqs:SendMessage"]
      Resource = "arn:${local.partition}:sqs:${local.region}:*:airflow-celery-*"
    },
  ]
}
