data "aws_subnet" "existing" {
  for_each = toset(local.makes_vpc ? [] : var.existing.private_subnet_ids)

  id = each.key
}

resource "aws_security_group" "airflow" {
  #checkov:skip=CKV2_AWS_5:The airflow module attaches it to the environment
  name        = "${var.name}-airflow"
  description = "Airflow environment of ${var.name}"
  vpc_id      = local.vpc_id
  tags        = { Name = "${var.name}-airflow" }

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = alltrue([for subnet in data.aws_subnet.existing : subnet.vpc_id == local.vpc_id])
      error_message = "existing.private_subnet_ids must lie in the VPC that existing.vpc_id names."
    }

    precondition {
      condition     = local.makes_vpc || length(distinct([for subnet in data.aws_subnet.existing : subnet.availability_zone])) == 2
      error_message = "existing.private_subnet_ids must lie in two different zones: Amazon MWAA asks for it."
    }

    precondition {
      condition     = !anytrue([for subnet in data.aws_subnet.existing : subnet.map_public_ip_on_launch])
      error_message = "existing.private_subnet_ids must be private: one of them gives public addresses."
    }
  }
}

resource "aws_security_group" "warehouse" {
  #checkov:skip=CKV2_AWS_5:The warehouse module attaches it to the instance
  name        = "${var.name}-warehouse"
  description = "Warehouse of ${var.name}"
  vpc_id      = local.vpc_id
  tags        = { Name = "${var.name}-warehouse" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "endpoints" {
  count = local.makes_endpoints ? 1 : 0

  name        = "${var.name}-endpoints"
  description = "Endpoints of ${var.name} to AWS"
  vpc_id      = local.vpc_id
  tags        = { Name = "${var.name}-endpoints" }

  lifecycle {
    create_before_destroy = true
  }
}

# MWAA's parts, and the endpoints it makes for its database and its web server, are all in this group.
resource "aws_vpc_security_group_ingress_rule" "airflow" {
  security_group_id            = aws_security_group.airflow.id
  description                  = "Parts of the environment among themselves"
  referenced_security_group_id = aws_security_group.airflow.id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_ingress_rule" "airflow_from_web" {
  for_each = var.web_cidrs

  security_group_id = aws_security_group.airflow.id
  description       = "Web server"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "airflow" {
  #checkov:skip=CKV_AWS_382:Only HTTPS leaves, and only to the endpoints when these are chosen
  for_each = local.airflow_egress

  security_group_id            = aws_security_group.airflow.id
  description                  = each.value.description
  ip_protocol                  = each.value.port == null ? "-1" : "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  cidr_ipv4                    = try(each.value.cidr, null)
  prefix_list_id               = try(each.value.prefix_list, null)
  referenced_security_group_id = try(each.value.group, null)
}

locals {
  airflow_egress = merge(
    {
      itself    = { description = "Parts of the environment among themselves", port = null, group = aws_security_group.airflow.id }
      warehouse = { description = "Warehouse", port = 5432, group = aws_security_group.warehouse.id }
      source    = { description = "Source database", port = var.source_route.port, cidr = var.source_route.cidr }
    },
    { for group in aws_security_group.endpoints : "endpoints" => { description = "AWS through endpoints", port = 443, group = group.id } },
    { for endpoint in aws_vpc_endpoint.s3 : "s3" => { description = "S3 through its gateway", port = 443, prefix_list = endpoint.prefix_list_id } },
    # Without endpoints of ours, AWS is reached at addresses that it does not tell beforehand.
    local.makes_endpoints ? {} : { https = { description = "AWS through NAT", port = 443, cidr = "0.0.0.0/0" } },
  )
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count = local.makes_endpoints ? 1 : 0

  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "Airflow environment"
  referenced_security_group_id = aws_security_group.airflow.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_ingress_rule" "warehouse_from_airflow" {
  security_group_id            = aws_security_group.warehouse.id
  description                  = "Airflow environment"
  referenced_security_group_id = aws_security_group.airflow.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_ingress_rule" "warehouse_from_readers" {
  for_each = var.reader_cidrs

  security_group_id = aws_security_group.warehouse.id
  description       = "Readers"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}
