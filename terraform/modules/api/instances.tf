data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

# The newest Amazon Linux 2023 when it is planned, so that a deployment brings its repairs, too.
data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${var.architecture}"
}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  here      = "${local.region}:${local.account}"

  full_name     = "${var.name}-api"
  port          = 8000
  drain_seconds = 60
  types         = { arm64 = "t4g.small", x86_64 = "t3.small" }

  user_data = templatefile("${path.module}/user_data.sh", {
    region  = local.region
    bucket  = aws_s3_object.package.bucket
    key     = aws_s3_object.package.key
    version = aws_s3_object.package.version_id
    logs    = jsonencode(local.agent)
    settings = {
      AWS_DEFAULT_REGION        = local.region
      PORT                      = local.port
      TOTESYS_API_SECRET        = aws_secretsmanager_secret.this["api"].name
      TOTESYS_API_KEYS_SECRET   = aws_secretsmanager_secret.this["api-keys"].name
      TOTESYS_STATE_BUCKET      = var.state_bucket.bucket
      TOTESYS_PROCESSED_BUCKET  = var.processed_bucket.bucket
      TOTESYS_METRICS_NAMESPACE = var.metrics_namespace
      TOTESYS_ENVIRONMENT       = var.name
      # Nobody reads it: with a new password and a new key of cursors come new instances, as they read those when they start.
      SECRET_VERSION = var.secret_version
    }
  })
}

resource "aws_launch_template" "this" {
  name                   = local.full_name
  description            = "Instances of the API of ${var.name}"
  image_id               = data.aws_ssm_parameter.image.insecure_value
  instance_type          = var.instance_type == null ? local.types[var.architecture] : var.instance_type
  user_data              = base64encode(local.user_data)
  vpc_security_group_ids = [aws_security_group.instances.id]
  update_default_version = true

  iam_instance_profile {
    arn = aws_iam_instance_profile.this.arn
  }

  # Credentials of the role are given to this machine's own processes alone, and not to one that is talked into a plain GET.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # With the account's own key for disks: nothing is on them but the package and the logs of an hour. The environment's key
  # would have to be granted to a role of EC2 Auto Scaling that may not be there yet.
  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      encrypted             = true
      volume_type           = "gp3"
      volume_size           = 10
      delete_on_termination = true
    }
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])

    content {
      resource_type = tag_specifications.value
      tags          = { Name = local.full_name, Environment = var.name }
    }
  }
}

resource "aws_autoscaling_group" "this" {
  name                = local.full_name
  min_size            = var.min_instances
  max_size            = var.max_instances
  vpc_zone_identifier = var.network.private_subnet_ids
  target_group_arns   = [aws_lb_target_group.this.arn]

  health_check_type         = "ELB"
  health_check_grace_period = 300
  default_instance_warmup   = 60
  enabled_metrics           = ["GroupInServiceInstances"]

  # Whether it came up, `make deploy` looks itself: the first instances may come long before the warehouse has their login.
  wait_for_capacity_timeout = "0"

  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }

  # A new package, setting or image is another version of the template. New instances come first, and if they do not become
  # healthy, the old ones stay and the group goes back to their version.
  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 200
      auto_rollback          = true
      skip_matching          = true
    }
  }

  instance_maintenance_policy {
    min_healthy_percentage = 100
    max_healthy_percentage = 200
  }

  # The provider's tags are not given to a group. By this one the workflow knows it for this environment's.
  tag {
    key                 = "Environment"
    value               = var.name
    propagate_at_launch = true
  }

  # Instances begin by calling AWS, and are told from nowhere that they may now.
  depends_on = [
    aws_iam_role_policy.this, aws_cloudwatch_log_group.this, aws_secretsmanager_secret_version.this,
    aws_vpc_security_group_egress_rule.instances, aws_vpc_security_group_ingress_rule.endpoints, aws_lb_listener.https,
  ]
}

resource "aws_autoscaling_policy" "busy" {
  count = var.max_instances > var.min_instances ? 1 : 0

  name                   = "busy"
  autoscaling_group_name = aws_autoscaling_group.this.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = 60

    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}
