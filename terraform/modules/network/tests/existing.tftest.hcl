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
}

override_data {
  target = data.aws_subnet.existing["subnet-1"]
  values = { vpc_id = "vpc-1", availability_zone = "eu-west-2a", map_public_ip_on_launch = false }
}

override_data {
  target = data.aws_subnet.existing["subnet-2"]
  values = { vpc_id = "vpc-1", availability_zone = "eu-west-2b", map_public_ip_on_launch = false }
}

override_data {
  target = data.aws_subnet.existing["subnet-of-another-vpc"]
  values = { vpc_id = "vpc-2", availability_zone = "eu-west-2b", map_public_ip_on_launch = false }
}

override_data {
  target = data.aws_subnet.existing["subnet-of-the-same-zone"]
  values = { vpc_id = "vpc-1", availability_zone = "eu-west-2a", map_public_ip_on_launch = false }
}

override_data {
  target = data.aws_subnet.existing["subnet-with-public-addresses"]
  values = { vpc_id = "vpc-1", availability_zone = "eu-west-2b", map_public_ip_on_launch = true }
}

variables {
  name         = "totesys-test"
  key_arn      = "arn:aws:kms:eu-west-2:111122223333:key/11112222-3333-4444-5555-666677778888"
  boundary_arn = "arn:aws:iam::111122223333:policy/totesys-test-boundary"
  source_route = { cidr = "10.20.0.15/32" }
  existing     = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2"] }
}

run "makes_no_network" {
  assert {
    condition     = length(aws_vpc.this) + length(aws_subnet.private) + length(aws_route_table.private) + length(aws_vpc_endpoint.interface) + length(aws_vpc_endpoint.s3) + length(aws_nat_gateway.this) + length(aws_flow_log.this) == 0
    error_message = "Something is made in an existing VPC that nobody asked for."
  }

  assert {
    condition     = output.vpc_id == "vpc-1" && output.private_subnet_ids == tolist(["subnet-1", "subnet-2"]) && length(output.endpoint_ids) == 0
    error_message = "The outputs are not the existing network's."
  }

  assert {
    condition     = aws_security_group.airflow.vpc_id == "vpc-1" && aws_security_group.warehouse.vpc_id == "vpc-1"
    error_message = "The security groups are in another VPC."
  }

  assert {
    condition     = keys(aws_vpc_security_group_egress_rule.airflow) == ["https", "itself", "source", "warehouse"]
    error_message = "More leaves than HTTPS and the way to source and warehouse."
  }
}

run "makes_no_nat" {
  variables {
    reach = "nat"
  }

  assert {
    condition     = length(aws_nat_gateway.this) + length(aws_subnet.public) + length(aws_internet_gateway.this) == 0
    error_message = "A NAT gateway is made in an existing VPC."
  }
}

run "makes_endpoints_when_asked" {
  variables {
    existing = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2"], private_route_table_ids = ["rtb-1"], endpoints = true }
  }

  assert {
    condition = length(aws_vpc_endpoint.interface) == 11 && alltrue([
      for endpoint in aws_vpc_endpoint.interface : endpoint.vpc_id == "vpc-1" && endpoint.subnet_ids == toset(["subnet-1", "subnet-2"])
    ]) && aws_vpc_endpoint.s3[0].route_table_ids == toset(["rtb-1"])
    error_message = "The endpoints are not made, or not in the existing subnets."
  }
}

run "peers_through_existing_route_tables" {
  variables {
    existing     = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2"], private_route_table_ids = ["rtb-1", "rtb-2"] }
    source_route = { cidr = "10.20.0.0/24", peering = { vpc_id = "vpc-source", route_table_ids = ["rtb-source"] } }
  }

  assert {
    condition     = [for route in aws_route.to_source : route.route_table_id] == ["rtb-1", "rtb-2"] && aws_route.from_source[0].route_table_id == "rtb-source" && aws_route.from_source[0].destination_cidr_block == "10.99.0.0/16"
    error_message = "The way to the source and back is not there."
  }
}

run "refuses_subnets_of_another_vpc" {
  command         = plan
  expect_failures = [aws_security_group.airflow]
  variables {
    existing = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-of-another-vpc"] }
  }
}

run "refuses_subnets_of_one_zone" {
  command         = plan
  expect_failures = [aws_security_group.airflow]
  variables {
    existing = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-of-the-same-zone"] }
  }
}

run "refuses_public_subnets" {
  command         = plan
  expect_failures = [aws_security_group.airflow]
  variables {
    existing = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-with-public-addresses"] }
  }
}

run "refuses_three_subnets" {
  command         = plan
  expect_failures = [var.existing]
  variables {
    existing = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2", "subnet-3"] }
  }
}

run "refuses_endpoints_without_route_tables" {
  command         = plan
  expect_failures = [var.existing]
  variables {
    existing = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2"], endpoints = true }
  }
}

run "refuses_endpoints_and_nat" {
  command         = plan
  expect_failures = [var.existing]
  variables {
    reach    = "nat"
    existing = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2"], private_route_table_ids = ["rtb-1"], endpoints = true }
  }
}

run "refuses_peering_without_route_tables" {
  command         = plan
  expect_failures = [var.source_route]
  variables {
    source_route = { cidr = "10.20.0.0/24", peering = { vpc_id = "vpc-source" } }
  }
}
