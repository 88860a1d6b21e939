# What Amazon MWAA's own machinery calls as the execution role. Source: "Amazon MWAA execution role" in its user guide, with
# what can be named there named here.

resource "aws_iam_role_policy" "mwaa" {
  name   = "mwaa"
  role   = aws_iam_role.execution.id
  policy = jsonencode({ Version = "2012-10-17", Statement = concat(local.mwaa_code, local.mwaa_logs, local.mwaa_queue) })
}

locals {
  mwaa_code = [
    {
      Sid      = "MwaaReadsTheCode"
      Effect   = "Allow"
      Action   = "s3:GetObject*"
      Resource = [for path in ["dags/*", "plugins.zip", "requirements.txt", "startup.sh"] : "${var.bucket.arn}/${path}"]
    },
    {
      Sid      = "MwaaFindsTheCode"
      Effect   = "Allow"
      Action   = ["s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:List*"]
      Resource = var.bucket.arn
    },
    {
      # The account's block of public access, which MWAA insists on, belongs to the account and has no ARN.
      Sid      = "MwaaChecksThatNothingIsPublic"
      Effect   = "Allow"
      Action   = "s3:GetAccountPublicAccessBlock"
      Resource = "*"
    },
  ]

  mwaa_logs = [
    {
      Sid    = "MwaaWritesLogs"
      Effect = "Allow"
      Action = [
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
        "logs:GetLogEvents", "logs:GetLogRecord", "logs:GetLogGroupFields", "logs:GetQueryResults",
      ]
      Resource = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:airflow-${var.name}-*"
    },
    {
      # Describing log groups is asked of all of them or of none.
      Sid      = "MwaaFindsLogs"
      Effect   = "Allow"
      Action   = "logs:DescribeLogGroups"
      Resource = "*"
    },
    {
      Sid      = "MwaaReportsItsHealth"
      Effect   = "Allow"
      Action   = "airflow:PublishMetrics"
      Resource = local.environment_arn
    },
    {
      # CloudWatch knows no ARN of a namespace: the condition names it.
      Sid       = "MwaaPublishesMetrics"
      Effect    = "Allow"
      Action    = "cloudwatch:PutMetricData"
      Resource  = "*"
      Condition = { StringEquals = { "cloudwatch:namespace" = "AmazonMWAA" } }
    },
  ]

  mwaa_queue = [
    {
      # The queue between schedulers and workers lies in an account of MWAA's whose number nobody is told.
      Sid    = "MwaaQueuesTasks"
      Effect = "Allow"
      Action = [
        "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
        "sqs:ReceiveMessage", "sqs:SendMessage",
      ]
      Resource = "arn:${local.partition}:sqs:${local.region}:*:airflow-celery-*"
    },
    {
      Sid       = "MwaaUsesTheKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*"]
      Resource  = var.key_arn
      Condition = { StringEquals = { "kms:ViaService" = [for service in ["s3", "sqs"] : "${service}.${local.region}.amazonaws.com"] } }
    },
  ]
}
