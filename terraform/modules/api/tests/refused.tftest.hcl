mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "eu-west-2" }
  }
}

variables {
  name               = "totesys-test"
  key_arn            = "arn:aws:kms:eu-west-2:111122223333:key/1"
  boundary_arn       = "arn:aws:iam::111122223333:policy/totesys-test-boundary"
  certificate_arn    = "arn:aws:acm:eu-west-2:111122223333:certificate/1"
  client_cidrs       = ["10.60.0.0/24"]
  access_logs_bucket = "totesys-test-access-logs"
  metrics_namespace  = "ToteSys/totesys-test"
  state_bucket       = { bucket = "totesys-test-state", arn = "arn:aws:s3:::totesys-test-state" }
  processed_bucket   = { bucket = "totesys-test-processed", arn = "arn:aws:s3:::totesys-test-processed" }
  package_folder     = "../airflow/tests/package"
  warehouse          = { host = "warehouse.internal", port = 5432, database = "warehouse" }
  warehouse_password = "a-long-random-one-of-the-api"
  cursor_key         = "a-long-random-one-of-the-cursors"
  network = {
    vpc_id                       = "vpc-1"
    private_subnet_ids           = ["subnet-a", "subnet-b"]
    warehouse_security_group_id  = "sg-warehouse"
    endpoints_security_group_ids = []
    s3_prefix_list_ids           = []
  }
}

run "refuses_the_internet_before_an_internal_load_balancer" {
  command         = plan
  expect_failures = [var.client_cidrs]
  variables {
    client_cidrs = ["0.0.0.0/0"]
  }
}

run "refuses_an_api_without_clients_or_certificate" {
  command         = plan
  expect_failures = [var.client_cidrs, var.certificate_arn]
  variables {
    client_cidrs    = []
    certificate_arn = ""
  }
}

run "refuses_numbers_and_processors_that_there_are_not" {
  command         = plan
  expect_failures = [var.architecture, var.min_instances, var.public_subnet_ids, var.secret_version, var.log_retention_days]
  variables {
    architecture       = "riscv64"
    min_instances      = 0
    public_subnet_ids  = ["subnet-c"]
    secret_version     = 0
    log_retention_days = 6
  }
}

run "refuses_more_instances_than_the_most" {
  command         = plan
  expect_failures = [var.max_instances]
  variables {
    min_instances = 5
  }
}

run "refuses_passwords_that_can_be_guessed" {
  command         = plan
  expect_failures = [var.warehouse_password, var.cursor_key]
  variables {
    warehouse_password = "short"
    cursor_key         = "short"
  }
}

run "refuses_a_package_without_the_api" {
  command         = plan
  expect_failures = [var.package_folder]
  variables {
    package_folder = "tests"
  }
}
