# TLS ends here. It is internal unless public subnets are named.
resource "aws_lb" "this" {
  #checkov:skip=CKV2_AWS_28:Keys, a limit of requests for each and statement time-outs are the API's own; a firewall before it costs more than the API
  #checkov:skip=CKV_AWS_150:deletion_protection is a variable, on unless an environment says otherwise
  name               = local.full_name
  load_balancer_type = "application"
  internal           = length(var.public_subnet_ids) == 0
  subnets            = length(var.public_subnet_ids) == 0 ? var.network.private_subnet_ids : var.public_subnet_ids
  security_groups    = [aws_security_group.load_balancer.id]

  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  access_logs {
    enabled = true
    bucket  = var.access_logs_bucket
    prefix  = local.full_name
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = var.certificate_arn
  # TLS 1.3, and of 1.2 what keeps forward secrecy and is authenticated.
  ssl_policy = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:Between load balancer and instances AWS authenticates every packet, and only these two groups speak to each other
  name        = local.full_name
  vpc_id      = var.network.vpc_id
  target_type = "instance"
  protocol    = "HTTP"
  port        = local.port

  # What is under way ends before an instance goes: the API's own time-outs are shorter.
  deregistration_delay = local.drain_seconds

  # Whether it lives, not whether the warehouse answers (/ready): instances that are replaced while that is away would not help.
  health_check {
    path                = "/health"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}
