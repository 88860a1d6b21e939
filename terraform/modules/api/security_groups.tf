# Clients → load balancer → instances → warehouse and AWS, and nothing else.
resource "aws_security_group" "load_balancer" {
  name        = "${local.full_name}-load-balancer"
  description = "Load balancer of the API of ${var.name}"
  vpc_id      = var.network.vpc_id
  tags        = { Name = "${local.full_name}-load-balancer" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "instances" {
  name        = local.full_name
  description = "Instances of the API of ${var.name}"
  vpc_id      = var.network.vpc_id
  tags        = { Name = local.full_name }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.client_cidrs

  security_group_id = aws_security_group.load_balancer.id
  description       = "Clients"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "Instances"
  referenced_security_group_id = aws_security_group.instances.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_ingress_rule" "instances" {
  security_group_id            = aws_security_group.instances.id
  description                  = "Load balancer"
  referenced_security_group_id = aws_security_group.load_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "instances" {
  #checkov:skip=CKV_AWS_382:Only HTTPS leaves, and only to the endpoints where there are any
  for_each = local.egress

  security_group_id            = aws_security_group.instances.id
  description                  = each.value.description
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  cidr_ipv4                    = try(each.value.cidr, null)
  prefix_list_id               = try(each.value.prefix_list, null)
  referenced_security_group_id = try(each.value.group, null)
}

locals {
  egress = merge(
    { warehouse = { description = "Warehouse", port = var.warehouse.port, group = var.network.warehouse_security_group_id } },
    { for group in var.network.endpoints_security_group_ids : "endpoints" => { description = "AWS through endpoints", port = 443, group = group } },
    { for list in var.network.s3_prefix_list_ids : "s3" => { description = "S3 through its gateway", port = 443, prefix_list = list } },
    # Without endpoints, AWS is reached at addresses that it does not tell beforehand.
    { for cidr in length(var.network.endpoints_security_group_ids) > 0 ? [] : ["0.0.0.0/0"] : "https" => { description = "AWS through NAT", port = 443, cidr = cidr } },
  )
}

resource "aws_vpc_security_group_ingress_rule" "warehouse" {
  security_group_id            = var.network.warehouse_security_group_id
  description                  = "API"
  referenced_security_group_id = aws_security_group.instances.id
  ip_protocol                  = "tcp"
  from_port                    = var.warehouse.port
  to_port                      = var.warehouse.port
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count = length(var.network.endpoints_security_group_ids)

  security_group_id            = var.network.endpoints_security_group_ids[count.index]
  description                  = "API"
  referenced_security_group_id = aws_security_group.instances.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}
