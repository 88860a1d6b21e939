# What an apply does beside that where there is an API: a load balancer and a group that bear the name, and instances that are made of
# what bears the tag, from a launch template alone, as the API's role alone. A policy of its own, as a role holds no more in itself.

resource "aws_iam_policy" "api" {
  count = var.api ? 1 : 0

  name        = "${var.name}-ci-api"
  description = "What the main branch of ${var.github_repository} does beside that for the API of ${var.name}"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.apply_api })
}

resource "aws_iam_role_policy_attachment" "api" {
  count = var.api ? 1 : 0

  role       = aws_iam_role.apply.name
  policy_arn = aws_iam_policy.api[0].arn
}

locals {
  # Amazon's own parameters are of no account.
  image_parameter = {
    Sid      = "NewestImage"
    Effect   = "Allow"
    Action   = "ssm:GetParameter"
    Resource = "arn:${local.partition}:ssm:${local.region}::parameter/aws/service/ami-amazon-linux-latest/*"
  }

  profiles         = "arn:${local.partition}:iam::${local.account}:instance-profile/${var.name}/*"
  from_template    = { ArnLike = { "ec2:LaunchTemplate" = "${local.ec2}launch-template/*" } }
  parts_of_machine = [for kind in ["instance", "network-interface", "volume"] : "${local.ec2}${kind}/*"]

  apply_api = [
    local.image_parameter,
    {
      Sid      = "FindWhatHasNoArnToAskFor"
      Effect   = "Allow"
      Action   = ["autoscaling:Describe*", "elasticloadbalancing:Describe*"]
      Resource = "*"
    },
    {
      Sid    = "GroupAndLoadBalancer"
      Effect = "Allow"
      Action = ["autoscaling:*", "elasticloadbalancing:*"]
      Resource = concat(
        ["arn:${local.partition}:autoscaling:${local.here}:autoScalingGroup:*:autoScalingGroupName/${var.name}-*"],
        [for kind in ["loadbalancer/app", "targetgroup", "listener/app"] : "arn:${local.partition}:elasticloadbalancing:${local.here}:${kind}/${var.name}-*"],
      )
    },
    {
      Sid       = "NewLaunchTemplates"
      Effect    = "Allow"
      Action    = "ec2:CreateLaunchTemplate"
      Resource  = "${local.ec2}launch-template/*"
      Condition = local.tagging
    },
    {
      Sid       = "OwnLaunchTemplates"
      Effect    = "Allow"
      Action    = ["ec2:CreateLaunchTemplateVersion", "ec2:DeleteLaunchTemplate*", "ec2:ModifyLaunchTemplate"]
      Resource  = "${local.ec2}launch-template/*"
      Condition = local.tagged
    },
    {
      # EC2 Auto Scaling asks, as it is given a launch template, whether its caller could make such instances; it makes them itself.
      Sid       = "NewInstances"
      Effect    = "Allow"
      Action    = "ec2:RunInstances"
      Resource  = local.parts_of_machine
      Condition = merge(local.tagging, local.from_template)
    },
    {
      Sid       = "NewInstancesInOwnNetwork"
      Effect    = "Allow"
      Action    = "ec2:RunInstances"
      Resource  = [for kind in ["launch-template", "security-group", "subnet"] : "${local.ec2}${kind}/*"]
      Condition = merge(local.tagged, local.from_template)
    },
    {
      Sid       = "NewInstancesOfAmazonLinux"
      Effect    = "Allow"
      Action    = "ec2:RunInstances"
      Resource  = "arn:${local.partition}:ec2:${local.region}::image/*"
      Condition = merge(local.from_template, { StringEquals = { "ec2:Owner" = "amazon" } })
    },
    {
      Sid       = "TagsOfNewInstances"
      Effect    = "Allow"
      Action    = "ec2:CreateTags"
      Resource  = local.parts_of_machine
      Condition = { StringEquals = merge(local.tagging.StringEquals, { "ec2:CreateAction" = "RunInstances" }) }
    },
    {
      Sid    = "InstanceProfiles"
      Effect = "Allow"
      Action = [
        "iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile", "iam:DeleteInstanceProfile", "iam:GetInstanceProfile",
        "iam:RemoveRoleFromInstanceProfile", "iam:TagInstanceProfile", "iam:UntagInstanceProfile",
      ]
      Resource = local.profiles
    },
    {
      Sid       = "RoleForInstances"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = "arn:${local.partition}:iam::${local.account}:role/${var.name}/${var.name}-api"
      Condition = { StringEquals = { "iam:PassedToService" = "ec2.amazonaws.com" } }
    },
    {
      Sid       = "RolesOfServicesOfTheApi"
      Effect    = "Allow"
      Action    = "iam:CreateServiceLinkedRole"
      Resource  = "arn:${local.partition}:iam::${local.account}:role/aws-service-role/*"
      Condition = { StringEquals = { "iam:AWSServiceName" = ["autoscaling.amazonaws.com", "elasticloadbalancing.amazonaws.com"] } }
    },
  ]
}
