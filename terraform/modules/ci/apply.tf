# What an apply reads and changes. Who can push to the main branch decides what Airflow's role may do, and so has
# its powers; that is why only the main branch gets this role, and why the role cannot change itself.
locals {
  here = "${local.region}:${local.account}"

  apply = [
    {
      Sid    = "WhatHasNoArnToAskFor"
      Effect = "Allow"
      Action = [
        "cloudwatch:DescribeAlarms", "ec2:Describe*", "kms:ListAliases", "logs:DescribeLogGroups", "rds:Describe*",
        "secretsmanager:GetRandomPassword",
      ]
      Resource = "*"
    },
    {
      Sid      = "WhatBearsTheName"
      Effect   = "Allow"
      Action   = ["airflow:*", "budgets:*", "cloudwatch:*", "logs:*", "rds:*", "s3:*", "secretsmanager:*", "sns:*"]
      Resource = concat(local.buckets, [for arn in local.buckets : "${arn}/*"], local.budgets, local.dashboards, flatten(values(local.named)))
    },
    {
      Sid      = "MasterPasswordMadeByRds"
      Effect   = "Allow"
      Action   = ["secretsmanager:CreateSecret", "secretsmanager:TagResource", "secretsmanager:RotateSecret"]
      Resource = "arn:${local.partition}:secretsmanager:${local.here}:secret:rds!db-*"
    },
    {
      Sid    = "Network"
      Effect = "Allow"
      Action = [
        "ec2:*Address", "ec2:*AddressAttribute", "ec2:*FlowLogs", "ec2:*InternetGateway", "ec2:*NatGateway", "ec2:*Route", "ec2:*RouteTable",
        "ec2:*SecurityGroup*", "ec2:*Subnet*", "ec2:*Tags", "ec2:*Vpc*",
      ]
      Resource = "arn:${local.partition}:ec2:${local.region}:*:*/*"
    },
    {
      # Private names of endpoints are kept in hosted zones.
      Sid       = "NamesOfEndpoints"
      Effect    = "Allow"
      Action    = "route53:AssociateVPCWithHostedZone"
      Resource  = "arn:${local.partition}:route53:::hostedzone/*"
      Condition = { "ForAnyValue:StringEquals" = { "aws:CalledVia" = ["ec2.amazonaws.com"] } }
    },
    {
      Sid       = "NewKeys"
      Effect    = "Allow"
      Action    = ["kms:CreateKey", "kms:TagResource"]
      Resource  = "*"
      Condition = { StringEquals = { "aws:RequestedRegion" = local.region } }
    },
    {
      Sid    = "Keys"
      Effect = "Allow"
      Action = [
        "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
        "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion",
        "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
      ]
      Resource = concat(local.keys, ["arn:${local.partition}:kms:${local.here}:alias/${var.name}"])
    },
    {
      Sid       = "UseKeys"
      Effect    = "Allow"
      Action    = ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      Resource  = local.keys
      Condition = local.of_aliases
    },
    {
      Sid    = "Roles"
      Effect = "Allow"
      Action = [
        "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:GetRole", "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListInstanceProfilesForRole", "iam:PutRolePolicy", "iam:TagRole",
        "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription",
      ]
      Resource = local.roles
    },
    {
      Sid      = "NoPolicyButOfRdsMonitoring"
      Effect   = "Allow"
      Action   = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
      Resource = local.roles
      Condition = {
        ArnEquals = { "iam:PolicyARN" = "arn:${local.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole" }
      }
    },
    {
      Sid      = "RolesForServices"
      Effect   = "Allow"
      Action   = "iam:PassRole"
      Resource = local.roles
      Condition = {
        StringEquals = {
          "iam:PassedToService" = [
            "airflow.amazonaws.com", "airflow-env.amazonaws.com", "monitoring.rds.amazonaws.com", "vpc-flow-logs.amazonaws.com",
          ]
        }
      }
    },
    {
      Sid      = "RolesOfServices"
      Effect   = "Allow"
      Action   = "iam:CreateServiceLinkedRole"
      Resource = "arn:${local.partition}:iam::${local.account}:role/aws-service-role/*"
      Condition = {
        StringEquals = { "iam:AWSServiceName" = ["airflow.amazonaws.com", "rds.amazonaws.com"] }
      }
    },
    {
      Sid       = "RefuseToWidenItself"
      Effect    = "Deny"
      NotAction = ["iam:Get*", "iam:List*"]
      Resource  = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-ci-*", local.oidc_provider_arn]
    },
  ]
}
