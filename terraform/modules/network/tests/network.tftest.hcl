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
    defaults = { names = ["eu-west-2c", "eu-west-2a", "eu-west-2b"] }
  }
  mock_data "aws_vpc" {
    defaults = { cidr_block = "10.99.0.0/16" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mock" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-2:111122223333:log-group:mock" }
  }
}

variables {
  name         = "totesys-test"
  key_arn      = "arn:aws:kms:eu-west-2:111122223333:key/11112222-3333-4444-5555-666677778888"
  boundary_arn = "arn:aws:iam::111122223333:policy/totesys-test-boundary"
  source_route = { cidr = "10.20.0.15/32" }
}

run "private_subnets" {
  assert {
    condition     = [for subnet in aws_subnet.private : subnet.availability_zone] == ["eu-west-2a", "eu-west-2b"]
    error_message = "There are not two private subnets in two zones."
  }

  assert {
    condition     = [for subnet in aws_subnet.private : subnet.cidr_block] == ["10.40.0.0/18", "10.40.64.0/18"]
    error_message = "The subnets do not divide the VPC's addresses."
  }

  assert {
    condition     = !anytrue([for subnet in aws_subnet.private : subnet.map_public_ip_on_launch])
    error_message = "A private subnet gives public addresses."
  }

  assert {
    condition     = length(aws_internet_gateway.this) + length(aws_nat_gateway.this) + length(aws_subnet.public) + length(aws_eip.nat) + length(aws_route.out) + length(aws_route.internet) == 0
    error_message = "There is a way to the internet beside the endpoints."
  }

  assert {
    condition     = alltrue([for association in aws_route_table_association.private : association.route_table_id == aws_route_table.private[0].id]) && length(aws_route_table_association.private) == 2
    error_message = "A private subnet has another route table."
  }

  assert {
    condition     = aws_vpc.this[0].enable_dns_hostnames && aws_vpc.this[0].enable_dns_support
    error_message = "The endpoints' private names do not resolve."
  }

  assert {
    condition     = output.private_subnet_ids == aws_subnet.private[*].id && output.vpc_id == aws_vpc.this[0].id && output.nat_address == null && output.peering_connection_id == null
    error_message = "An output is not the VPC's."
  }
}

run "security_groups" {
  assert {
    condition     = alltrue([for rule in concat(values(aws_vpc_security_group_ingress_rule.warehouse_from_readers), values(aws_vpc_security_group_ingress_rule.airflow_from_web)) : rule.cidr_ipv4 != "0.0.0.0/0"]) && length(aws_vpc_security_group_ingress_rule.warehouse_from_readers) + length(aws_vpc_security_group_ingress_rule.airflow_from_web) == 0
    error_message = "By default, a network may enter."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.airflow.security_group_id == aws_security_group.airflow.id && aws_vpc_security_group_ingress_rule.airflow.referenced_security_group_id == aws_security_group.airflow.id
    error_message = "Others than the environment itself may enter it."
  }

  assert {
    condition = alltrue([
      aws_vpc_security_group_ingress_rule.warehouse_from_airflow.security_group_id == aws_security_group.warehouse.id,
      aws_vpc_security_group_ingress_rule.warehouse_from_airflow.referenced_security_group_id == aws_security_group.airflow.id,
      aws_vpc_security_group_ingress_rule.warehouse_from_airflow.from_port == 5432,
      aws_vpc_security_group_ingress_rule.warehouse_from_airflow.to_port == 5432,
    ])
    error_message = "Airflow cannot reach the warehouse, or more than its port."
  }

  assert {
    condition = alltrue([
      aws_vpc_security_group_ingress_rule.endpoints[0].referenced_security_group_id == aws_security_group.airflow.id,
      aws_vpc_security_group_ingress_rule.endpoints[0].from_port == 443,
      aws_vpc_security_group_ingress_rule.endpoints[0].to_port == 443,
    ])
    error_message = "Others than Airflow reach the endpoints, or by another port than 443."
  }

  assert {
    condition     = keys(aws_vpc_security_group_egress_rule.airflow) == ["endpoints", "itself", "s3", "source", "warehouse"]
    error_message = "Airflow may go elsewhere than to itself, the endpoints, S3, the source and the warehouse."
  }

  assert {
    condition     = [for name, rule in aws_vpc_security_group_egress_rule.airflow : [name, rule.cidr_ipv4, rule.from_port, rule.to_port] if name == "source"] == [["source", "10.20.0.15/32", 5432, 5432]]
    error_message = "The way to the source is not just its address and port."
  }

  assert {
    condition = (
      aws_vpc_security_group_egress_rule.airflow["endpoints"].referenced_security_group_id == aws_security_group.endpoints[0].id
      && aws_vpc_security_group_egress_rule.airflow["warehouse"].referenced_security_group_id == aws_security_group.warehouse.id
      && aws_vpc_security_group_egress_rule.airflow["itself"].referenced_security_group_id == aws_security_group.airflow.id
      && aws_vpc_security_group_egress_rule.airflow["s3"].prefix_list_id == aws_vpc_endpoint.s3[0].prefix_list_id
      && alltrue([for name, rule in aws_vpc_security_group_egress_rule.airflow : rule.from_port == 443 && rule.to_port == 443 if contains(["endpoints", "s3"], name)])
    )
    error_message = "A way out leads elsewhere."
  }

  assert {
    condition     = output.airflow_security_group_id == aws_security_group.airflow.id && output.warehouse_security_group_id == aws_security_group.warehouse.id
    error_message = "An output is another group's."
  }
}

run "endpoints" {
  assert {
    condition = toset([for endpoint in aws_vpc_endpoint.interface : endpoint.service_name]) == toset([
      for service in ["airflow.api", "airflow.env", "ecr.api", "ecr.dkr", "glue", "kms", "logs", "monitoring", "secretsmanager", "sns", "sqs"] :
      "com.amazonaws.eu-west-2.${service}"
    ])
    error_message = "Something that the environment or the tasks call has no endpoint."
  }

  assert {
    condition = alltrue([
      for endpoint in aws_vpc_endpoint.interface :
      endpoint.private_dns_enabled && endpoint.subnet_ids == toset(aws_subnet.private[*].id)
      && endpoint.security_group_ids == toset([aws_security_group.endpoints[0].id])
    ])
    error_message = "An endpoint is not in both subnets, has no private name, or is in another group."
  }

  assert {
    condition     = aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3[0].route_table_ids == toset(aws_route_table.private[*].id)
    error_message = "S3 is not reached through its gateway."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_vpc_endpoint.s3[0].policy).Statement :
      statement.Resource != "*" || try(statement.Condition.StringEquals, {}) == {
        "aws:PrincipalAccount" = "111122223333"
        "aws:ResourceAccount"  = "111122223333"
      }
    ])
    error_message = "A foreign bucket can be reached, or foreign credentials used."
  }

  assert {
    condition = contains(
      [for statement in jsondecode(aws_vpc_endpoint.s3[0].policy).Statement : "${statement.Action} ${statement.Resource}"],
      "s3:GetObject arn:aws:s3:::prod-eu-west-2-starport-layer-bucket/*",
    )
    error_message = "The layers of ECR's images cannot be read."
  }

  assert {
    condition = alltrue([
      for service in ["glue", "secretsmanager", "sns"] : alltrue([
        for statement in jsondecode(aws_vpc_endpoint.interface[service].policy).Statement :
        statement.Action == "${service}:*" && statement.Resource == "arn:aws:${service}:eu-west-2:111122223333:*"
        && statement.Condition == { StringEquals = { "aws:PrincipalAccount" = "111122223333" } }
      ])
    ])
    error_message = "Secrets, topics or a catalogue of another account can be reached."
  }

  assert {
    condition     = toset(keys(output.endpoint_ids)) == setunion(["s3"], keys(aws_vpc_endpoint.interface))
    error_message = "The output does not name every endpoint."
  }
}

run "endpoints_of_choice" {
  command = plan
  variables {
    endpoint_services = ["glue", "kms", "logs", "monitoring", "secretsmanager", "sns", "sqs"]
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 7
    error_message = "Endpoints that nobody may need cannot be left out."
  }
}

run "flow_logs" {
  assert {
    condition     = aws_flow_log.this[0].vpc_id == aws_vpc.this[0].id && aws_flow_log.this[0].traffic_type == "ALL" && aws_flow_log.this[0].log_destination == aws_cloudwatch_log_group.flow[0].arn
    error_message = "Not all traffic is logged."
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow[0].kms_key_id == var.key_arn && aws_cloudwatch_log_group.flow[0].retention_in_days == 365
    error_message = "The flow logs are not encrypted with the key, or not kept a year."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.flow[0].policy).Statement : jsonencode(statement.Resource) => length(flatten([statement.Action]))
    } == { jsonencode(["arn:aws:logs:eu-west-2:111122223333:log-group:mock", "arn:aws:logs:eu-west-2:111122223333:log-group:mock:*"]) = 4, jsonencode("*") = 1 }
    error_message = "The role of the flow logs may write elsewhere."
  }

  assert {
    condition     = jsondecode(aws_iam_role.flow[0].assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "111122223333"
    error_message = "Another account's flow logs can take the role."
  }

  assert {
    condition     = aws_iam_role.flow[0].permissions_boundary == var.boundary_arn && aws_iam_role.flow[0].path == "/totesys-test/"
    error_message = "The role has no boundary, or lies where the workflow may not write it."
  }
}

run "nat" {
  variables {
    reach = "nat"
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) + length(aws_security_group.endpoints) == 0 && keys(output.endpoint_ids) == ["s3"]
    error_message = "Interface endpoints cost beside NAT, or the free one of S3 is missing."
  }

  assert {
    condition = alltrue([
      aws_route.out[0].route_table_id == aws_route_table.private[0].id,
      aws_route.out[0].nat_gateway_id == aws_nat_gateway.this[0].id,
      aws_nat_gateway.this[0].subnet_id == aws_subnet.public[0].id,
      aws_nat_gateway.this[0].allocation_id == aws_eip.nat[0].id,
    ])
    error_message = "The private subnets do not go out through NAT."
  }

  assert {
    condition = alltrue([
      aws_route.internet[0].route_table_id == aws_route_table.public[0].id,
      aws_route.internet[0].gateway_id == aws_internet_gateway.this[0].id,
      aws_route_table_association.public[0].subnet_id == aws_subnet.public[0].id,
      !aws_subnet.public[0].map_public_ip_on_launch,
      !contains(output.private_subnet_ids, aws_subnet.public[0].id),
    ])
    error_message = "A private subnet is open to the internet, or the public one gives addresses."
  }

  assert {
    condition     = aws_subnet.public[0].cidr_block == "10.40.192.0/22"
    error_message = "The public subnet's addresses are those of a private one."
  }

  assert {
    condition     = keys(aws_vpc_security_group_egress_rule.airflow) == ["https", "itself", "s3", "source", "warehouse"] && aws_vpc_security_group_egress_rule.airflow["https"].from_port == 443 && aws_vpc_security_group_egress_rule.airflow["https"].to_port == 443
    error_message = "More than HTTPS leaves for the internet."
  }

  assert {
    condition     = output.nat_address == aws_eip.nat[0].public_ip
    error_message = "The output is not the NAT gateway's address."
  }
}

run "readers" {
  variables {
    reader_cidrs = ["10.60.0.0/24"]
    web_cidrs    = ["10.61.0.0/24"]
  }

  assert {
    condition = [for rule in aws_vpc_security_group_ingress_rule.warehouse_from_readers : [rule.security_group_id, rule.cidr_ipv4, rule.from_port, rule.to_port]] == [
      [aws_security_group.warehouse.id, "10.60.0.0/24", 5432, 5432],
    ]
    error_message = "Readers do not reach the warehouse's port, or reach more."
  }

  assert {
    condition = [for rule in aws_vpc_security_group_ingress_rule.airflow_from_web : [rule.security_group_id, rule.cidr_ipv4, rule.from_port, rule.to_port]] == [
      [aws_security_group.airflow.id, "10.61.0.0/24", 443, 443],
    ]
    error_message = "People do not reach the web server's port, or reach more."
  }
}

run "peering" {
  variables {
    source_route = { cidr = "10.20.0.0/24", port = 6432, peering = { vpc_id = "vpc-source", route_table_ids = ["rtb-source"] } }
  }

  assert {
    condition     = aws_vpc_peering_connection.source[0].peer_vpc_id == "vpc-source" && aws_vpc_peering_connection.source[0].auto_accept && length(aws_vpc_peering_connection_options.source) == 1
    error_message = "The peering does not come about, or the source's name does not mean its private address."
  }

  assert {
    condition     = aws_route.to_source[0].route_table_id == aws_route_table.private[0].id && aws_route.to_source[0].destination_cidr_block == "10.20.0.0/24" && aws_route.to_source[0].vpc_peering_connection_id == aws_vpc_peering_connection.source[0].id
    error_message = "There is no way to the source."
  }

  assert {
    condition     = aws_route.from_source[0].route_table_id == "rtb-source" && aws_route.from_source[0].destination_cidr_block == "10.40.0.0/16" && aws_route.from_source[0].vpc_peering_connection_id == aws_vpc_peering_connection.source[0].id
    error_message = "There is no way back from the source."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.airflow["source"].cidr_ipv4 == "10.20.0.0/24" && aws_vpc_security_group_egress_rule.airflow["source"].from_port == 6432
    error_message = "The way to the source is not just its network and port."
  }
}

run "peering_with_another_account" {
  variables {
    source_route = { cidr = "10.20.0.0/24", peering = { vpc_id = "vpc-source", account_id = "444455556666", region = "eu-west-1" } }
  }

  assert {
    condition     = !aws_vpc_peering_connection.source[0].auto_accept && length(aws_vpc_peering_connection_options.source) == 0 && aws_vpc_peering_connection.source[0].peer_owner_id == "444455556666" && aws_vpc_peering_connection.source[0].peer_region == "eu-west-1"
    error_message = "The other account or region is not left to accept."
  }

  assert {
    condition     = output.peering_connection_id == aws_vpc_peering_connection.source[0].id
    error_message = "What is to be accepted is not said."
  }
}

run "instances" {
  variables {
    instances = true
  }

  assert {
    condition     = length(setsubtract(["ssm", "ssmmessages"], keys(output.endpoint_ids))) == 0 && length(output.endpoint_ids) == 14
    error_message = "Nobody gets to instances, or endpoints are missing beside."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_vpc_endpoint.s3[0].policy).Statement : [statement.Action, statement.Resource] if statement.Sid == "PackagesOfAmazonLinux"
    ] == [["s3:GetObject", "arn:aws:s3:::al2023-repos-eu-west-2-de612dc2/*"]]
    error_message = "Instances cannot install packages of Amazon Linux, or reach other buckets."
  }

  assert {
    condition     = output.endpoints_security_group_ids == [aws_security_group.endpoints[0].id] && length(output.s3_prefix_list_ids) == 1
    error_message = "Who lives here is not told how AWS is reached."
  }
}

run "no_instances" {
  assert {
    condition     = !strcontains(aws_vpc_endpoint.s3[0].policy, "al2023-repos") && !contains(keys(output.endpoint_ids), "ssm")
    error_message = "There is a way for instances that there are not."
  }
}
