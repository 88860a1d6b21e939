data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:A zone that AWS adds moves nothing; a subnet stays in the zone in which it was made
  state = "available"

  # Zones of the region itself, not local ones, in which MWAA and RDS are not to be had.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  makes_vpc       = var.existing == null
  makes_nat       = local.makes_vpc && var.reach == "nat"
  makes_endpoints = var.reach == "endpoints" && (local.makes_vpc || try(var.existing.endpoints, false))

  # One private subnet in each of two zones. MWAA takes exactly two.
  zones = var.zones == null ? slice(sort(data.aws_availability_zones.available.names), 0, 2) : var.zones

  vpc_id                  = local.makes_vpc ? aws_vpc.this[0].id : var.existing.vpc_id
  private_subnet_ids      = local.makes_vpc ? aws_subnet.private[*].id : var.existing.private_subnet_ids
  private_route_table_ids = local.makes_vpc ? aws_route_table.private[*].id : var.existing.private_route_table_ids
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_12:Nothing is in the default group; to close it takes the right to change groups that bear no tag
  count = local.makes_vpc ? 1 : 0

  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

# A quarter of the addresses each; the last quarter holds the NAT gateway's subnet.
resource "aws_subnet" "private" {
  count = local.makes_vpc ? 2 : 0

  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = local.zones[count.index]
  cidr_block              = cidrsubnet(var.cidr, 2, count.index)
  map_public_ip_on_launch = false
  tags                    = { Name = "${var.name}-private-${count.index + 1}" }

  lifecycle {
    ignore_changes = [availability_zone]
  }
}

resource "aws_route_table" "private" {
  count = local.makes_vpc ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${var.name}-private" }
}

resource "aws_route_table_association" "private" {
  count = local.makes_vpc ? 2 : 0

  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[0].id
}
