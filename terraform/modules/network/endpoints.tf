# S3 costs nothing this way, so it is made beside NAT too.
resource "aws_vpc_endpoint" "s3" {
  count = local.makes_vpc || local.makes_endpoints ? 1 : 0

  vpc_id            = local.vpc_id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.s3"
  route_table_ids   = local.private_route_table_ids
  policy            = jsonencode({ Version = "2012-10-17", Statement = concat([local.own_buckets, local.image_layers], local.system_packages) })
  tags              = { Name = "${var.name}-s3" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.makes_endpoints ? setunion(var.endpoint_services, local.services_of_instances) : []

  vpc_id              = local.vpc_id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  private_dns_enabled = true
  subnet_ids          = local.private_subnet_ids
  security_group_ids  = [aws_security_group.endpoints[0].id]
  policy              = jsonencode({ Version = "2012-10-17", Statement = [lookup(local.narrow, each.key, local.any)] })
  tags                = { Name = "${var.name}-${each.key}" }
}

locals {
  # Neither foreign credentials nor foreign buckets: what a task reads cannot be carried into somebody else's account.
  own_buckets = {
    Sid       = "BucketsAndRolesOfThisAccount"
    Effect    = "Allow"
    Principal = "*"
    Action    = "s3:*"
    Resource  = "*"
    Condition = {
      StringEquals = { "aws:PrincipalAccount" = local.account, "aws:ResourceAccount" = local.account }
    }
  }

  # MWAA's containers come from ECR, which keeps the layers of images in a bucket that AWS owns.
  # Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
  image_layers = {
    Sid       = "LayersOfImages"
    Effect    = "Allow"
    Principal = "*"
    Action    = "s3:GetObject"
    Resource  = "arn:${local.partition}:s3:::prod-${local.region}-starport-layer-bucket/*"
  }

  # Session Manager. Its agent asks no more of ec2messages where ssmmessages is there (since 3.3.40.0).
  # Source: "Reference: ec2messages, ssmmessages, and other API operations" in the user guide of Systems Manager.
  services_of_instances = var.instances ? ["ssm", "ssmmessages"] : []

  # dnf asks without credentials, so nobody's account can be named. Source: "Managing package and operating system updates" in the
  # user guide of Amazon Linux 2023.
  system_packages = [
    for region in var.instances ? [local.region] : [] : {
      Sid       = "PackagesOfAmazonLinux"
      Effect    = "Allow"
      Principal = "*"
      Action    = "s3:GetObject"
      Resource  = "arn:${local.partition}:s3:::al2023-repos-${region}-de612dc2/*"
    }
  ]

  # MWAA calls ECR, SQS, logs and its own API with roles and on resources of accounts that AWS owns and does not name.
  # Only the tasks call these three, so nobody but this account may.
  narrow = {
    for service in ["glue", "secretsmanager", "sns"] : service => {
      Sid       = "OnlyThisAccount"
      Effect    = "Allow"
      Principal = "*"
      Action    = "${service}:*"
      Resource  = "arn:${local.partition}:${service}:${local.region}:${local.account}:*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = local.account } }
    }
  }

  any = { Sid = "AsTheCallersRoleAllows", Effect = "Allow", Principal = "*", Action = "*", Resource = "*" }
}
