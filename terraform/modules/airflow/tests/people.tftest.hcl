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

run "people" {
  command = plan

  assert {
    condition     = toset([for role in aws_iam_role.people : role.name]) == toset(["totesys-test-airflow-viewer", "totesys-test-airflow-operator"]) && alltrue([for role in aws_iam_role.people : role.permissions_boundary == var.boundary_arn && role.path == "/totesys-test/"])
    error_message = "The roles of people do not carry the prefix, the path or the boundary."
  }

  assert {
    condition = { for kind, policy in aws_iam_role_policy.people : kind => jsondecode(policy.policy).Statement[0].Resource } == {
      viewer   = "arn:aws:airflow:eu-west-2:111122223333:role/totesys-test/Viewer"
      operator = "arn:aws:airflow:eu-west-2:111122223333:role/totesys-test/Op"
    }
    error_message = "People open Airflow as somebody else than they should."
  }
}
