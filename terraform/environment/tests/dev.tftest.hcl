mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "totesys-dev"
  region             = "eu-west-2"
  source_database    = { host = "totesys.internal", database = "totesys", user = "reader", cidr = "10.20.0.0/24" }
  source_password    = "of-the-source"
  warehouse_password = "a-long-random-one-of-the-warehouse"
  api_password       = "a-long-random-one-of-the-api"
  api_cursor_key     = "a-long-random-one-of-the-cursors"
  emails             = ["data@example.com"]
  package_folder     = "../modules/airflow/tests/package"
}

run "dev" {
  assert {
    condition     = output.environment_name == "totesys-dev" && output.state_bucket == "totesys-dev-111122223333-state"
    error_message = "Names do not carry the environment's prefix."
  }

  assert {
    condition     = output.nat_address != null && keys(module.network.endpoint_ids) == ["s3"]
    error_message = "The cheaper way to AWS is not taken."
  }
}

run "another_environments_values_do_not_meet_this_state" {
  command         = plan
  expect_failures = [output.environment_name]
  variables {
    name = "totesys-prod"
  }
}
