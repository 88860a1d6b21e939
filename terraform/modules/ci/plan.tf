# What a plan of a pull request reads: Terraform's state, and what its data sources ask. Not what stands in the account: to
# refresh a secret, the provider reads its value, and a pull request can print all that it reads. So it plans with
# -refresh=false; what was changed beside Terraform shows when the main branch applies.
locals {
  plan = [
    {
      Sid    = "WhatHasNoArnToAskFor"
      Effect = "Allow"
      Action = [
        "ec2:DescribeAvailabilityZones", "ec2:DescribeSubnets", "ec2:DescribeVpcAttribute", "ec2:DescribeVpcs", "ec2:DescribeRouteTables",
        "secretsmanager:GetRandomPassword",
      ]
      Resource = "*"
    },
    {
      Sid      = "FindTheState"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = local.state_bucket
    },
    {
      Sid      = "ReadTheState"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "${local.state_bucket}/*"
    },
    {
      Sid       = "DecryptTheState"
      Effect    = "Allow"
      Action    = "kms:Decrypt"
      Resource  = var.state_key_arn
      Condition = { StringEquals = { "kms:ViaService" = "s3.${local.region}.amazonaws.com" } }
    },
    {
      Sid      = "FindTheKeys"
      Effect   = "Allow"
      Action   = "kms:DescribeKey"
      Resource = [var.key_arn, var.state_key_arn]
    },
  ]
}
