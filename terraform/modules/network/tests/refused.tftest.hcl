mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-west-2a", "eu-west-2b"] }
  }
}

variables {
  name         = "totesys-test"
  key_arn      = "arn:aws:kms:eu-west-2:111122223333:key/11112222-3333-4444-5555-666677778888"
  boundary_arn = "arn:aws:iam::111122223333:policy/totesys-test-boundary"
  source_route = { cidr = "10.20.0.15/32" }
}

run "refuses_another_way_to_aws" {
  command         = plan
  expect_failures = [var.reach]
  variables {
    reach = "internet"
  }
}

run "zones_of_choice" {
  command = plan
  variables {
    zones = ["eu-west-2b", "eu-west-2c"]
  }

  assert {
    condition     = [for subnet in aws_subnet.private : subnet.availability_zone] == ["eu-west-2b", "eu-west-2c"]
    error_message = "The subnets are in other zones than those that were named."
  }
}

run "refuses_one_zone_twice" {
  command         = plan
  expect_failures = [var.zones]
  variables {
    zones = ["eu-west-2a", "eu-west-2a"]
  }
}

run "refuses_a_small_network" {
  command         = plan
  expect_failures = [var.cidr]
  variables {
    cidr = "10.40.0.0/24"
  }
}

run "refuses_the_internet_as_source" {
  command         = plan
  expect_failures = [var.source_route]
  variables {
    source_route = { cidr = "0.0.0.0/0" }
  }
}

run "refuses_port_zero" {
  command         = plan
  expect_failures = [var.source_route]
  variables {
    source_route = { cidr = "10.20.0.15/32", port = 0 }
  }
}

run "refuses_routes_in_another_account" {
  command         = plan
  expect_failures = [var.source_route]
  variables {
    source_route = { cidr = "10.20.0.15/32", peering = { vpc_id = "vpc-source", account_id = "444455556666", route_table_ids = ["rtb-source"] } }
  }
}

run "refuses_the_internet_as_reader" {
  command         = plan
  expect_failures = [var.reader_cidrs, var.web_cidrs]
  variables {
    reader_cidrs = ["0.0.0.0/0"]
    web_cidrs    = ["0.0.0.0/0"]
  }
}

run "refuses_endpoints_without_secrets" {
  command         = plan
  expect_failures = [var.endpoint_services]
  variables {
    endpoint_services = ["sqs", "kms"]
  }
}

run "refuses_names_keys_and_days_that_aws_does_not_know" {
  command         = plan
  expect_failures = [var.name, var.key_arn, var.log_retention_days]
  variables {
    name               = "totesys_dev"
    key_arn            = "alias/totesys"
    log_retention_days = 100
  }
}
