mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "totesys-test"
  region             = "eu-west-2"
  source_database    = { host = "totesys.internal", database = "totesys", user = "reader", cidr = "10.20.0.0/24" }
  source_password    = "of-the-source"
  warehouse_password = "a-long-random-one-of-the-warehouse"
  api_password       = "a-long-random-one-of-the-api"
  api_cursor_key     = "a-long-random-one-of-the-cursors"
  emails             = ["data@example.com"]
  package_folder     = "../modules/airflow/tests/package"
}

override_data {
  target = module.network.data.aws_subnet.existing["subnet-a"]
  values = { vpc_id = "vpc-existing", availability_zone = "eu-west-2a", map_public_ip_on_launch = false }
}

override_data {
  target = module.network.data.aws_subnet.existing["subnet-b"]
  values = { vpc_id = "vpc-existing", availability_zone = "eu-west-2b", map_public_ip_on_launch = false }
}

run "names" {
  assert {
    condition     = output.environment_name == "totesys-test" && output.airflow_url == "https://mock.airflow.eu-west-2.amazonaws.com"
    error_message = "The environment does not carry the prefix, or its address is not one to open."
  }

  assert {
    condition     = output.state_bucket == "totesys-test-111122223333-state" && output.dags_path == "s3://totesys-test-111122223333-state/dags" && output.dashboard == "totesys-test"
    error_message = "The code does not go to the state bucket, or the dashboard is not told."
  }

  assert {
    condition     = length(module.secrets.secret_arns) == 9 && startswith(module.secrets.connections_prefix, "totesys-test/")
    error_message = "The secrets do not carry the prefix, or some are missing."
  }

  assert {
    condition     = length(output.alarm_names) == 12 && alltrue([for name in output.alarm_names : startswith(name, "totesys-test-")])
    error_message = "The alarms do not carry the prefix, or some are missing."
  }

  assert {
    condition     = output.warehouse_address == "totesys-test-warehouse.mock.eu-west-2.rds.amazonaws.com"
    error_message = "The warehouse's address is not told."
  }
}

run "analytics" {
  assert {
    condition     = output.analytics.workgroup == "totesys-test-analysts" && output.analytics.database == "totesys_test_warehouse" && output.analytics.role_arn == null
    error_message = "The lake cannot be asked, or a role was made for nobody."
  }
}

run "without_analytics" {
  variables {
    analytics = null
  }

  assert {
    condition     = output.analytics == null && length(module.analytics) == 0
    error_message = "A workgroup is made though nobody wants one."
  }
}

run "without_an_api" {
  assert {
    condition     = output.api == null && length(module.api) == 0 && !contains(keys(module.network.endpoint_ids), "ssm")
    error_message = "An API is made though nobody wants one."
  }
}

run "api" {
  variables {
    api = { certificate_arn = "arn:aws:acm:eu-west-2:111122223333:certificate/1", client_cidrs = ["10.60.0.0/24"] }
  }

  assert {
    condition     = output.api.group_name == "totesys-test-api" && output.api.keys_secret == "totesys-test/api-keys"
    error_message = "The API does not carry the prefix, or is not told."
  }

  assert {
    condition     = length(module.secrets.secret_arns) == 10 && contains(module.secrets.variable_names, "warehouse_api_secret")
    error_message = "The pipeline is not told of the login that it has to make."
  }

  assert {
    condition = length(setsubtract([
      for name in ["api-errors", "api-rejected-keys", "api-slow", "api-unanswered", "api-unhealthy"] : "totesys-test-${name}"
    ], output.alarm_names)) == 0
    error_message = "Nobody hears when the API is ill."
  }
}

run "api_through_endpoints" {
  variables {
    reach      = "endpoints"
    web_access = "private"
    api        = { certificate_arn = "arn:aws:acm:eu-west-2:111122223333:certificate/1", client_cidrs = ["10.60.0.0/24"], architecture = "x86_64" }
  }

  assert {
    condition     = length(setsubtract(["ssm", "ssmmessages"], keys(module.network.endpoint_ids))) == 0 && length(module.network.endpoints_security_group_ids) == 1
    error_message = "Nobody gets to the API's instances, or they do not get to AWS."
  }
}

run "network_of_somebody_else" {
  variables {
    existing_network = {
      vpc_id             = "vpc-existing"
      private_subnet_ids = ["subnet-a", "subnet-b"]
    }
  }

  assert {
    condition     = module.network.vpc_id == "vpc-existing" && toset(module.network.private_subnet_ids) == toset(["subnet-a", "subnet-b"])
    error_message = "An existing VPC is not lived in."
  }
}

run "refuses_endpoints_with_a_public_web_server" {
  command         = plan
  expect_failures = [var.reach]
  variables {
    reach      = "endpoints"
    web_access = "public"
  }
}

run "refuses_what_is_no_region" {
  command         = plan
  expect_failures = [var.region]
  variables {
    region = "London"
  }
}
