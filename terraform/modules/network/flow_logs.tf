# Who talked to whom, and what was refused. An existing VPC has logs of its own, or its owner chose none.
resource "aws_cloudwatch_log_group" "flow" {
  #checkov:skip=CKV_AWS_338:log_retention_days is a variable, a year unless an environment says otherwise
  count = local.makes_vpc ? 1 : 0

  name              = "/aws/vpc/${var.name}/flow"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_flow_log" "this" {
  count = local.makes_vpc ? 1 : 0

  vpc_id               = aws_vpc.this[0].id
  traffic_type         = "ALL"
  log_destination_type = "cloud-watch-logs"
  log_destination      = aws_cloudwatch_log_group.flow[0].arn
  iam_role_arn         = aws_iam_role.flow[0].arn
  tags                 = { Name = var.name }

  depends_on = [aws_iam_role_policy.flow]
}

resource "aws_iam_role" "flow" {
  count = local.makes_vpc ? 1 : 0

  name                 = "${var.name}-flow-logs"
  path                 = "/${var.name}/"
  permissions_boundary = var.boundary_arn
  description          = "With which the VPC of ${var.name} writes its flow logs"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ec2:${local.region}:${local.account}:vpc-flow-log/*" }
      }
    }]
  })
}

resource "aws_iam_role_policy" "flow" {
  count = local.makes_vpc ? 1 : 0

  name = "write"
  role = aws_iam_role.flow[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    # What "Publish flow logs to CloudWatch Logs" in the VPC user guide asks for, with what can be named there named.
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        Resource = [aws_cloudwatch_log_group.flow[0].arn, "${aws_cloudwatch_log_group.flow[0].arn}:*"]
      },
      {
        Effect   = "Allow"
        Action   = "logs:DescribeLogGroups"
        Resource = "*"
      },
    ]
  })
}
