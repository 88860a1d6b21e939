# The role with which analysts ask: in the one workgroup, of the two databases, and of the files that those tables name. It
# cannot read CSV files or rejected rows, and changes nothing but results.

resource "aws_iam_role" "analysts" {
  count = length(var.analysts) == 0 ? 0 : 1

  name                 = "${var.name}-analysts"
  path                 = "/${var.name}/"
  permissions_boundary = var.boundary_arn
  description          = "With which analysts ask the lake of ${var.name} in Athena"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "WhoIsNamed"
      Effect    = "Allow"
      Principal = { AWS = sort(var.analysts) }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "analysts" {
  count = length(aws_iam_role.analysts)

  name   = "analysts"
  role   = aws_iam_role.analysts[0].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.analysts })
}

locals {
  databases = [var.lake_database, aws_glue_catalog_database.warehouse.name]

  analysts = [
    {
      Sid    = "AskInTheWorkgroup"
      Effect = "Allow"
      Action = [
        "athena:BatchGetQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults", "athena:GetQueryResultsStream",
        "athena:GetWorkGroup", "athena:ListQueryExecutions", "athena:StartQueryExecution", "athena:StopQueryExecution",
      ]
      Resource = "arn:${local.partition}:athena:${local.here}:workgroup/${aws_athena_workgroup.this.name}"
    },
    {
      # The console and drivers list these before anything is asked.
      Sid      = "FindTheWorkgroup"
      Effect   = "Allow"
      Action   = ["athena:ListDataCatalogs", "athena:ListEngineVersions", "athena:ListWorkGroups"]
      Resource = "*"
    },
    {
      Sid      = "SeeTheCatalogueInAthena"
      Effect   = "Allow"
      Action   = ["athena:GetDataCatalog", "athena:GetDatabase", "athena:GetTableMetadata", "athena:ListDatabases", "athena:ListTableMetadata"]
      Resource = "arn:${local.partition}:athena:${local.here}:datacatalog/AwsDataCatalog"
    },
    {
      # Athena asks for the database `default` whatever the question is of.
      Sid    = "ReadTheCatalogue"
      Effect = "Allow"
      Action = ["glue:GetDatabase", "glue:GetDatabases", "glue:GetTable", "glue:GetTables"]
      Resource = [
        for name in concat(["catalog", "database/default"], [for database in local.databases : "database/${database}"], [for database in local.databases : "table/${database}/*"]) :
        "arn:${local.partition}:glue:${local.here}:${name}"
      ]
    },
    {
      Sid      = "ReadTheLake"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = [for prefix in concat(local.tables, ["iceberg"]) : "${var.processed_bucket_arn}/${prefix}/*"]
    },
    {
      Sid      = "WriteAndReadResults"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      Resource = "${var.results_bucket.arn}/athena/*"
    },
    {
      Sid      = "FindResults"
      Effect   = "Allow"
      Action   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
      Resource = var.results_bucket.arn
    },
    {
      Sid       = "UseTheKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = var.key_arn
      Condition = { StringEquals = { "kms:ViaService" = "s3.${local.region}.amazonaws.com" } }
    },
  ]
}
