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
    defaults = { arn = "arn:aws:iam::111122223333:role/totesys-test/totesys-test-analysts" }
  }
}

variables {
  name                 = "totesys-test"
  key_arn              = "arn:aws:kms:eu-west-2:111122223333:key/1"
  boundary_arn         = "arn:aws:iam::111122223333:policy/totesys-test-boundary"
  results_bucket       = { bucket = "totesys-test-results", arn = "arn:aws:s3:::totesys-test-results" }
  processed_bucket_arn = "arn:aws:s3:::totesys-test-processed"
  lake_database        = "totesys_test_lake"
  views_file           = "../airflow/tests/package/views.json"
}

run "workgroup" {
  assert {
    condition = (
      aws_athena_workgroup.this.name == "totesys-test-analysts" && output.workgroup == aws_athena_workgroup.this.name
      && aws_athena_workgroup.this.configuration[0].engine_version[0].selected_engine_version == "Athena engine version 3"
    )
    error_message = "The workgroup does not carry the prefix, or has an engine that does not read the tables."
  }

  assert {
    condition = (
      aws_athena_workgroup.this.configuration[0].enforce_workgroup_configuration
      && aws_athena_workgroup.this.configuration[0].result_configuration[0].output_location == "s3://totesys-test-results/athena/"
      && aws_athena_workgroup.this.configuration[0].result_configuration[0].encryption_configuration[0].encryption_option == "SSE_KMS"
      && aws_athena_workgroup.this.configuration[0].result_configuration[0].encryption_configuration[0].kms_key_arn == var.key_arn
    )
    error_message = "A client decides where results go, or they are not encrypted with the key."
  }

  assert {
    condition     = aws_athena_workgroup.this.configuration[0].bytes_scanned_cutoff_per_query == 21474836480 && aws_athena_workgroup.this.configuration[0].publish_cloudwatch_metrics_enabled
    error_message = "A question may read as much as it likes, or nobody sees how much."
  }
}

run "views" {
  assert {
    condition = aws_glue_catalog_database.warehouse.name == "totesys_test_warehouse" && output.database == "totesys_test_warehouse" && {
      for name, view in aws_glue_catalog_table.view : name => [view.database_name, view.table_type, view.parameters]
      } == {
      for name in ["current_sale", "fact_sale"] : name => ["totesys_test_warehouse", "VIRTUAL_VIEW", tomap({ presto_view = "true", comment = "Presto View" })]
    }
    error_message = "Not every view of the package is one of the catalogue that Athena knows for one."
  }

  assert {
    condition = jsondecode(base64decode(regex("^/[*] Presto View: ([^ ]+) [*]/$", aws_glue_catalog_table.view["fact_sale"].view_original_text)[0])) == {
      originalSql = "SELECT CAST(\"sale_id\" AS bigint) AS \"sale_id\" FROM \"totesys_test_lake\".\"fact_sale\""
      catalog     = "awsdatacatalog"
      schema      = "totesys_test_warehouse"
      columns     = [{ name = "sale_id", type = "bigint" }, { name = "valid_to", type = "timestamp(6)" }]
    }
    error_message = "A view's definition is not what Athena reads, or is of another database's tables."
  }

  assert {
    condition = [for column in aws_glue_catalog_table.view["fact_sale"].storage_descriptor[0].columns : [column.name, column.type]] == [
      ["sale_id", "bigint"], ["valid_to", "timestamp"],
    ]
    error_message = "The catalogue does not tell a view's columns."
  }
}

run "nobody" {
  assert {
    condition     = length(aws_iam_role.analysts) + length(aws_iam_role_policy.analysts) == 0 && output.role_arn == null
    error_message = "There is a role though nobody is named who may take it."
  }
}

run "analysts" {
  variables {
    analysts       = ["arn:aws:iam::111122223333:role/analysts", "arn:aws:iam::111122223333:role/a"]
    scan_limit_gib = 1
  }

  assert {
    condition     = aws_iam_role.analysts[0].permissions_boundary == var.boundary_arn && aws_iam_role.analysts[0].path == "/totesys-test/" && output.role_arn == aws_iam_role.analysts[0].arn
    error_message = "The role has no boundary, or lies where the workflow may not write it."
  }

  assert {
    condition = jsondecode(aws_iam_role.analysts[0].assume_role_policy).Statement[*].Principal == [
      { AWS = ["arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:role/analysts"] }
    ]
    error_message = "Others than those who are named may take the role."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.analysts[0].policy).Statement : statement.Action if statement.Resource == "*"
    ])) == toset(["athena:ListDataCatalogs", "athena:ListEngineVersions", "athena:ListWorkGroups"])
    error_message = "Something is allowed on everything though AWS knows an ARN for it."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.analysts[0].policy).Statement : statement.Resource
      if contains(flatten([statement.Action]), "s3:GetObject")
    ])) == toset(["arn:aws:s3:::totesys-test-processed/fact_sale/*", "arn:aws:s3:::totesys-test-processed/iceberg/*", "arn:aws:s3:::totesys-test-results/athena/*"])
    error_message = "Analysts read other files than those of the lake's tables, such as rejected rows."
  }

  assert {
    condition = alltrue([
      for action in flatten([for statement in jsondecode(aws_iam_role_policy.analysts[0].policy).Statement : statement.Action]) :
      can(regex("^(athena:(BatchGet|Get|List|StartQuery|StopQuery)|glue:Get|s3:(AbortMultipart|Get|List|PutObject$)|kms:(Decrypt|GenerateDataKey)$)", action))
      ]) && toset(flatten([
        for statement in jsondecode(aws_iam_role_policy.analysts[0].policy).Statement : statement.Resource
        if contains(flatten([statement.Action]), "s3:PutObject")
    ])) == toset(["arn:aws:s3:::totesys-test-results/athena/*"])
    error_message = "Analysts change something beside results."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.analysts[0].policy).Statement : statement.Resource
      if contains(flatten([statement.Action]), "glue:GetTable")
      ])) == toset([for name in [
      "catalog", "database/default", "database/totesys_test_lake", "database/totesys_test_warehouse", "table/totesys_test_lake/*", "table/totesys_test_warehouse/*",
    ] : "arn:aws:glue:eu-west-2:111122223333:${name}"])
    error_message = "Analysts do not see the two databases, or see others."
  }
}

run "refuses_everybody_and_no_limit" {
  command         = plan
  expect_failures = [var.analysts, var.scan_limit_gib, var.name]
  variables {
    name           = "T"
    analysts       = ["*"]
    scan_limit_gib = 0
  }
}

run "refuses_a_package_that_was_not_built" {
  command         = plan
  expect_failures = [var.views_file]
  variables {
    views_file = "tests/none.json"
  }
}
