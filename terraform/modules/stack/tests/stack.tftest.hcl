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
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-west-2a", "eu-west-2b"] }
  }
  mock_data "aws_vpc" {
    defaults = { cidr_block = "10.99.0.0/16" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::mock" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-2:111122223333:key/11112222-3333-4444-5555-666677778888" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mock" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-2:111122223333:log-group:mock" }
  }
  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-2:111122223333:alarm:mock" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-2:111122223333:totesys-test-alerts" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:mock-AbCdEf" }
  }
  mock_resource "aws_db_instance" {
    defaults = {
      address            = "totesys-test-warehouse.mock.eu-west-2.rds.amazonaws.com"
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:rds!db-mock" }]
    }
  }
  mock_resource "aws_mwaa_environment" {
    defaults = { webserver_url = "mock.airflow.eu-west-2.amazonaws.com" }
  }
}

override_data {
  target = module.network.data.aws_subnet.existing["subnet-a"]
  values = { vpc_id = "vpc-existing", availability_zone = "eu-west-2a", map_public_ip_on_launch = false }
}

override_data {
  target = module.network.data.aws_subnet.existing["subnet-b"]
  values = { vpc_id = "vpc-existing", availability_zone = "eu-west-2b", map_public_ip_on_launch = false }
}

variables {
  name               = "totesys-test"
  source_database    = { host = "totesys.internal", database = "totesys", user = "reader", cidr = "10.20.0.0/24" }
  source_password    = "of-the-source"
  warehouse_password = "a-long-random-one-of-the-warehouse"
  emails             = ["data@example.com"]
  monthly_budget_usd = 300
  package_folder     = "../airflow/tests/package"
}

run "stack" {
  assert {
    condition     = output.environment_name == "totesys-test" && output.airflow_url == "https://mock.airflow.eu-west-2.amazonaws.com"
    error_message = "The environment does not carry the prefix, or its address is not one to open."
  }

  assert {
    condition     = output.state_bucket == "totesys-test-111122223333-state" && output.dags_path == "s3://totesys-test-111122223333-state/dags"
    error_message = "The code does not go to the state bucket."
  }

  assert {
    condition     = length(module.secrets.secret_arns) == 8 && startswith(module.secrets.connections_prefix, "totesys-test/")
    error_message = "The secrets do not carry the prefix, or some are missing."
  }

  assert {
    condition     = length(output.alarm_names) == 9 && alltrue([for name in output.alarm_names : startswith(name, "totesys-test-")])
    error_message = "The alarms do not carry the prefix, or some are missing."
  }

  assert {
    condition     = output.warehouse_address == "totesys-test-warehouse.mock.eu-west-2.rds.amazonaws.com"
    error_message = "The warehouse's address is not told."
  }

  assert {
    condition     = output.nat_address == null && contains(keys(module.network.endpoint_ids), "secretsmanager")
    error_message = "Without being told otherwise, the network lets tasks reach the internet."
  }
}

run "network_of_somebody_else" {
  variables {
    network = {
      reach = "nat"
      existing = {
        vpc_id             = "vpc-existing"
        private_subnet_ids = ["subnet-a", "subnet-b"]
      }
    }
  }

  assert {
    condition     = module.network.vpc_id == "vpc-existing" && toset(module.network.private_subnet_ids) == toset(["subnet-a", "subnet-b"])
    error_message = "An existing VPC is not lived in."
  }
}
