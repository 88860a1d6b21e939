# What an apply reads and changes: what bears the environment's name or its tag. Who can push to the main branch decides what
# Airflow runs, and so has its powers; that is why only the main branch gets this role. It has no others: the roles that it
# writes have the boundary, and neither that nor itself can it change.
locals {
  here = "${local.region}:${local.account}"
  ec2  = "arn:${local.partition}:ec2:${local.here}:"

  apply = concat(local.apply_by_name, local.apply_network, local.apply_keys, local.apply_roles, local.apply_never)

  apply_by_name = [
    {
      Sid    = "WhatHasNoArnToAskFor"
      Effect = "Allow"
      Action = [
        "cloudwatch:DescribeAlarms", "ec2:Describe*", "logs:DescribeLogGroups", "rds:Describe*",
        "secretsmanager:GetRandomPassword",
      ]
      Resource = "*"
    },
    {
      Sid      = "WhatBearsTheName"
      Effect   = "Allow"
      Action   = ["airflow:*", "athena:*", "budgets:*", "cloudwatch:*", "logs:*", "rds:*", "s3:*", "secretsmanager:*", "sns:*"]
      Resource = concat(local.buckets, [for arn in local.buckets : "${arn}/*"], local.budgets, local.dashboards, flatten(values(local.named)))
    },
    {
      # All that is done to one of them is done in the catalogue, too. With a database its tables go.
      Sid      = "DatabasesOfTheCatalogue"
      Effect   = "Allow"
      Action   = ["glue:*Database", "glue:*Table", "glue:GetPartitionIndexes", "glue:GetTables", "glue:GetTags", "glue:TagResource", "glue:UntagResource"]
      Resource = local.catalogue
    },
    {
      Sid      = "MasterPasswordMadeByRds"
      Effect   = "Allow"
      Action   = ["secretsmanager:CreateSecret", "secretsmanager:TagResource", "secretsmanager:RotateSecret"]
      Resource = "arn:${local.partition}:secretsmanager:${local.here}:secret:rds!db-*"
    },
  ]

  # Terraform's provider tags all that it makes. What it makes has to bear the environment's tag from the first, and what it
  # changes has to bear it already; so no other network is touched. In a network that exists already, and at the source's end of
  # a peering, its owner gives the tag to what may be changed.
  tagged   = { StringEquals = { "aws:ResourceTag/Environment" = var.name } }
  tagging  = { StringEquals = { "aws:RequestTag/Environment" = var.name } }
  creating = ["AllocateAddress", "AuthorizeSecurityGroup*", "Create*"]

  apply_network = [
    # A new thing and those in which it is made are asked for apart; no statement names a kind for both.
    {
      Sid       = "NewNetworks"
      Effect    = "Allow"
      Action    = ["ec2:AllocateAddress", "ec2:CreateInternetGateway", "ec2:CreateVpc"]
      Resource  = [for kind in ["elastic-ip", "internet-gateway", "vpc"] : "${local.ec2}${kind}/*"]
      Condition = local.tagging
    },
    {
      Sid    = "NewPartsOfNetworks"
      Effect = "Allow"
      Action = [
        "ec2:CreateFlowLogs", "ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateSubnet", "ec2:CreateVpcPeeringConnection",
      ]
      Resource = [
        for kind in ["route-table", "security-group", "subnet", "vpc-flow-log", "vpc-peering-connection"] : "${local.ec2}${kind}/*"
      ]
      Condition = local.tagging
    },
    {
      Sid       = "NewGatewaysAndRules"
      Effect    = "Allow"
      Action    = ["ec2:AuthorizeSecurityGroup*", "ec2:CreateNatGateway"]
      Resource  = [for kind in ["natgateway", "security-group-rule"] : "${local.ec2}${kind}/*"]
      Condition = local.tagging
    },
    {
      # Those of MWAA bear MWAA's tags; the network in which they are made has to be this environment's.
      Sid      = "NewEndpoints"
      Effect   = "Allow"
      Action   = ["ec2:CreateNetworkInterface", "ec2:CreateVpcEndpoint"]
      Resource = [for kind in ["network-interface", "vpc-endpoint"] : "${local.ec2}${kind}/*"]
    },
    {
      Sid    = "TagsOfWhatIsNew"
      Effect = "Allow"
      Action = "ec2:CreateTags"
      # Only with the action that makes it: else any network could be made this one by its tag.
      Resource  = "${local.ec2}*/*"
      Condition = merge(local.tagging, { StringLike = { "ec2:CreateAction" = local.creating } })
    },
    {
      Sid    = "OwnNetwork"
      Effect = "Allow"
      Action = [
        "ec2:*Address", "ec2:*AddressAttribute", "ec2:*FlowLogs", "ec2:*InternetGateway", "ec2:*NatGateway", "ec2:*NetworkInterface",
        "ec2:*Route", "ec2:*RouteTable", "ec2:*SecurityGroup*", "ec2:*Subnet*", "ec2:*Tags", "ec2:*Vpc*",
      ]
      Resource  = "${local.ec2}*/*"
      Condition = local.tagged
    },
    {
      # Private names of endpoints are kept in hosted zones.
      Sid       = "NamesOfEndpoints"
      Effect    = "Allow"
      Action    = "route53:AssociateVPCWithHostedZone"
      Resource  = "arn:${local.partition}:route53:::hostedzone/*"
      Condition = { "ForAnyValue:StringEquals" = { "aws:CalledVia" = ["ec2.amazonaws.com"] } }
    },
  ]

  apply_keys = [
    {
      Sid    = "UseTheKey"
      Effect = "Allow"
      Action = [
        "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*",
      ]
      Resource = var.key_arn
    },
    {
      Sid      = "UseTheKeyOfTheState"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"]
      Resource = var.state_key_arn
    },
  ]

  bounded = { StringEquals = { "iam:PermissionsBoundary" = var.boundary_arn } }

  apply_roles = [
    {
      Sid       = "RolesWithinTheBoundary"
      Effect    = "Allow"
      Action    = ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
      Resource  = local.roles
      Condition = local.bounded
    },
    {
      Sid      = "NoPolicyButOfRdsMonitoring"
      Effect   = "Allow"
      Action   = "iam:AttachRolePolicy"
      Resource = local.roles
      Condition = merge(local.bounded, {
        ArnEquals = { "iam:PolicyARN" = "arn:${local.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole" }
      })
    },
    {
      Sid    = "Roles"
      Effect = "Allow"
      Action = [
        "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:GetRole", "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListInstanceProfilesForRole", "iam:TagRole",
        "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription",
      ]
      Resource = local.roles
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
  ]

  apply_never = [
    {
      Sid       = "RefuseToWidenItself"
      Effect    = "Deny"
      NotAction = ["iam:Get*", "iam:List*"]
      Resource  = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-ci-*", local.oidc_provider_arn, var.boundary_arn]
    },
    {
      # The bootstrap's state says what its next apply, by an administrator, takes for granted.
      Sid       = "RefuseToChangeTheBootstrap"
      Effect    = "Deny"
      NotAction = ["s3:Get*", "s3:List*"]
      Resource  = [local.state_bucket, "${local.state_bucket}/bootstrap.tfstate*"]
    },
  ]
}
