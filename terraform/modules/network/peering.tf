locals {
  peering = var.source_route.peering
  # Only within one account and region can both sides be seen to from here.
  peers_at_home = local.peering != null && try(local.peering.account_id == null && local.peering.region == null, false)
}

resource "aws_vpc_peering_connection" "source" {
  count = local.peering == null ? 0 : 1

  vpc_id        = local.vpc_id
  peer_vpc_id   = local.peering.vpc_id
  peer_owner_id = local.peering.account_id
  peer_region   = local.peering.region
  auto_accept   = local.peers_at_home
  tags          = { Name = "${var.name}-source" }
}

# So that the source's host name means its private address here.
resource "aws_vpc_peering_connection_options" "source" {
  count = local.peers_at_home ? 1 : 0

  vpc_peering_connection_id = aws_vpc_peering_connection.source[0].id

  accepter {
    allow_remote_vpc_dns_resolution = true
  }
}

resource "aws_route" "to_source" {
  count = local.peering == null ? 0 : (local.makes_vpc ? 1 : length(var.existing.private_route_table_ids))

  route_table_id            = local.private_route_table_ids[count.index]
  destination_cidr_block    = var.source_route.cidr
  vpc_peering_connection_id = aws_vpc_peering_connection.source[0].id
}

resource "aws_route" "from_source" {
  count = local.peers_at_home ? length(local.peering.route_table_ids) : 0

  route_table_id            = local.peering.route_table_ids[count.index]
  destination_cidr_block    = local.vpc_cidr
  vpc_peering_connection_id = aws_vpc_peering_connection.source[0].id
}

data "aws_vpc" "existing" {
  count = local.makes_vpc ? 0 : 1

  id = var.existing.vpc_id
}

locals {
  vpc_cidr = local.makes_vpc ? var.cidr : data.aws_vpc.existing[0].cidr_block
}
