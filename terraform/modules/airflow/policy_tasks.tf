# What the pipeline's tasks and its page in Airflow's UI call, and nothing else. Neither this policy nor the other lets them
# write the code that they run: dags/, plugins.zip, requirements.txt and startup.sh.

resource "aws_iam_role_policy" "tasks" {
  name   = "tasks"
  role   = aws_iam_role.execution.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.tasks })
}

locals {
  tasks = [
    {
      Sid      = "TasksReadAndWriteData"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = ["${var.ingestion_bucket_arn}/*", "${var.processed_bucket_arn}/*"]
    },
    {
      Sid      = "TasksReadAndWriteState"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = [for path in ["latest_update.json", "keys/*", "status.json", "runs/*", "alerts.json", "classify/*", "classification.json"] : "${var.bucket.arn}/${path}"]
    },
    {
      # Only to those who may list a bucket does S3 say that an object is missing (404). To others it says "forbidden" (403),
      # and a first run could not be told from a missing permission.
      Sid      = "TasksAreToldWhatIsMissing"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = [var.ingestion_bucket_arn, var.processed_bucket_arn, var.bucket.arn]
    },
    {
      # Glue asks for the table, its database and the catalogue.
      Sid      = "TasksCommitToTheLake"
      Effect   = "Allow"
      Action   = ["glue:GetTable", "glue:CreateTable", "glue:UpdateTable"]
      Resource = [for name in ["catalog", "database/${var.lake_database}", "table/${var.lake_database}/*"] : "arn:${local.partition}:glue:${local.region}:${local.account}:${name}"]
    },
    {
      # A commit makes the lake's metadata of many commits before superfluous. Files of data are none of it.
      Sid      = "TasksDeleteOldMetadataOfTheLake"
      Effect   = "Allow"
      Action   = "s3:DeleteObject"
      Resource = "${var.processed_bucket_arn}/iceberg/*/metadata/*"
    },
    {
      # Connections, variables, and the master user, as whom the pipeline's role in the warehouse is made.
      Sid      = "TasksReadTheirSecrets"
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = concat(var.secret_arns, [var.master_secret_arn])
    },
    {
      Sid      = "TasksSendAlerts"
      Effect   = "Allow"
      Action   = "sns:Publish"
      Resource = var.topic_arn
    },
    {
      # CloudWatch knows no ARN of a namespace: the condition names it.
      Sid       = "TasksPublishMetrics"
      Effect    = "Allow"
      Action    = "cloudwatch:PutMetricData"
      Resource  = "*"
      Condition = { StringEquals = { "cloudwatch:namespace" = var.metrics_namespace } }
    },
    {
      # In the name of the task: S3 for every object, Secrets Manager for every secret, SNS for every message.
      Sid       = "TasksUseTheKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = var.key_arn
      Condition = { StringEquals = { "kms:ViaService" = [for service in ["s3", "secretsmanager", "sns"] : "${service}.${local.region}.amazonaws.com"] } }
    },
  ]
}
