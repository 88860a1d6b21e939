mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-west-2" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { insecure_value = "ami-0123456789abcdef0" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/totesys-test/totesys-test-api" }
  }
  mock_resource "aws_iam_instance_profile" {
    defaults = { arn = "arn:aws:iam::111122223333:instance-profile/totesys-test/totesys-test-api" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-2:111122223333:loadbalancer/app/totesys-test-api/1" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-2:111122223333:targetgroup/totesys-test-api/1" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 7 }
  }
  mock_resource "aws_s3_object" {
    defaults = { version_id = "the-version" }
  }
}

variables {
  name               = "totesys-test"
  key_arn            = "arn:aws:kms:eu-west-2:111122223333:key/1"
  boundary_arn       = "arn:aws:iam::111122223333:policy/totesys-test-boundary"
  certificate_arn    = "arn:aws:acm:eu-west-2:111122223333:certificate/1"
  client_cidrs       = ["10.60.0.0/24", "10.61.0.0/24"]
  access_logs_bucket = "totesys-test-access-logs"
  metrics_namespace  = "ToteSys/totesys-test"
  state_bucket       = { bucket = "totesys-test-state", arn = "arn:aws:s3:::totesys-test-state" }
  processed_bucket   = { bucket = "totesys-test-processed", arn = "arn:aws:s3:::totesys-test-processed" }
  package_folder     = "../airflow/tests/package"
  warehouse          = { host = "warehouse.internal", port = 5432, database = "warehouse" }
  warehouse_password = "a-long-random-one-of-the-api"
  cursor_key         = "a-long-random-one-of-the-cursors"
  network = {
    vpc_id                       = "vpc-1"
    private_subnet_ids           = ["subnet-a", "subnet-b"]
    warehouse_security_group_id  = "sg-warehouse"
    endpoints_security_group_ids = ["sg-endpoints"]
    s3_prefix_list_ids           = ["pl-s3"]
  }
}

run "load_balancer" {
  assert {
    condition     = aws_lb.this.name == "totesys-test-api" && aws_lb.this.internal && toset(aws_lb.this.subnets) == toset(["subnet-a", "subnet-b"])
    error_message = "The load balancer is not internal though no public subnet is named, or has another name."
  }

  assert {
    condition = (
      aws_lb_listener.https.protocol == "HTTPS" && aws_lb_listener.https.port == 443 && aws_lb_listener.https.certificate_arn == var.certificate_arn
      && startswith(aws_lb_listener.https.ssl_policy, "ELBSecurityPolicy-TLS13-1-2-") && aws_lb_listener.https.default_action[0].target_group_arn == aws_lb_target_group.this.arn
    )
    error_message = "The API answers without TLS 1.3 or 1.2, or shows another certificate."
  }

  assert {
    condition     = aws_lb.this.access_logs[0].enabled && aws_lb.this.access_logs[0].bucket == var.access_logs_bucket && aws_lb.this.access_logs[0].prefix == "totesys-test-api"
    error_message = "Nobody sees who asked, or the logs go where none may be delivered."
  }

  assert {
    condition     = aws_lb.this.enable_deletion_protection && aws_lb.this.drop_invalid_header_fields
    error_message = "The load balancer can be deleted, or passes on headers that are none."
  }

  assert {
    condition = (
      aws_lb_target_group.this.health_check[0].path == "/health" && aws_lb_target_group.this.health_check[0].matcher == "200"
      && aws_lb_target_group.this.deregistration_delay == "60"
    )
    error_message = "Instances are not asked whether they live, or what is under way is cut off."
  }
}

run "security_groups" {
  assert {
    condition = (
      toset([for rule in aws_vpc_security_group_ingress_rule.clients : rule.cidr_ipv4]) == var.client_cidrs
      && alltrue([for rule in aws_vpc_security_group_ingress_rule.clients : rule.from_port == 443 && rule.to_port == 443])
    )
    error_message = "Others than the clients reach the load balancer, or other ports than 443."
  }

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.instances.referenced_security_group_id == aws_security_group.load_balancer.id
      && aws_vpc_security_group_egress_rule.load_balancer.referenced_security_group_id == aws_security_group.instances.id
      && aws_vpc_security_group_ingress_rule.instances.from_port == aws_lb_target_group.this.port
    )
    error_message = "Instances are reached otherwise than from the load balancer."
  }

  assert {
    condition = { for name, rule in aws_vpc_security_group_egress_rule.instances : name => rule.to_port } == { endpoints = 443, s3 = 443, warehouse = 5432 } && alltrue([
      aws_vpc_security_group_egress_rule.instances["endpoints"].referenced_security_group_id == "sg-endpoints",
      aws_vpc_security_group_egress_rule.instances["s3"].prefix_list_id == "pl-s3",
      aws_vpc_security_group_egress_rule.instances["warehouse"].referenced_security_group_id == "sg-warehouse",
    ])
    error_message = "Instances reach more than the warehouse and AWS, or less."
  }

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.warehouse.security_group_id == "sg-warehouse" && aws_vpc_security_group_ingress_rule.warehouse.to_port == 5432
      && aws_vpc_security_group_ingress_rule.warehouse.referenced_security_group_id == aws_security_group.instances.id
      && aws_vpc_security_group_ingress_rule.endpoints[0].security_group_id == "sg-endpoints"
    )
    error_message = "The warehouse or the endpoints do not let the instances in."
  }
}

run "instances" {
  assert {
    condition = (
      aws_launch_template.this.metadata_options[0].http_tokens == "required" && aws_launch_template.this.metadata_options[0].http_put_response_hop_limit == 1
      && aws_launch_template.this.iam_instance_profile[0].arn == aws_iam_instance_profile.this.arn
    )
    error_message = "Credentials are given to whoever makes an instance fetch an address."
  }

  assert {
    condition     = toset(aws_launch_template.this.vpc_security_group_ids) == toset([aws_security_group.instances.id]) && alltrue([for disk in aws_launch_template.this.block_device_mappings : disk.ebs[0].encrypted == "true"])
    error_message = "An instance is in another group, or its disk is not encrypted."
  }

  assert {
    condition     = aws_launch_template.this.image_id == "ami-0123456789abcdef0" && endswith(data.aws_ssm_parameter.image.name, "al2023-ami-kernel-default-arm64") && aws_launch_template.this.instance_type == "t4g.small"
    error_message = "The image or the type is not of the processor."
  }

  assert {
    condition = toset([for tags in aws_launch_template.this.tag_specifications : tags.resource_type]) == toset(["instance", "volume", "network-interface"]) && alltrue([
      for tags in aws_launch_template.this.tag_specifications : tags.tags == tomap({ Name = "totesys-test-api", Environment = "totesys-test" })
    ])
    error_message = "What instances are made of does not bear the environment's tag."
  }

  assert {
    condition = (
      aws_autoscaling_group.this.launch_template[0].id == aws_launch_template.this.id && aws_autoscaling_group.this.launch_template[0].version == "7"
      && aws_autoscaling_group.this.health_check_type == "ELB" && aws_autoscaling_group.this.target_group_arns == toset([aws_lb_target_group.this.arn])
    )
    error_message = "The group does not follow the launch template, or keeps instances that the load balancer finds dead."
  }

  assert {
    condition = (
      aws_autoscaling_group.this.instance_refresh[0].preferences[0].auto_rollback
      && aws_autoscaling_group.this.instance_refresh[0].preferences[0].min_healthy_percentage == 100
      && aws_autoscaling_group.this.instance_maintenance_policy[0].min_healthy_percentage == 100
    )
    error_message = "A deployment takes instances away before there are others, or keeps a version that does not come up."
  }

  assert {
    condition     = [for tag in aws_autoscaling_group.this.tag : [tag.key, tag.value]] == [["Environment", "totesys-test"]]
    error_message = "The workflow does not know the group for this environment's."
  }

  assert {
    condition     = length(aws_autoscaling_policy.busy) == 1 && aws_autoscaling_group.this.min_size == 2 && aws_autoscaling_group.this.max_size == 4
    error_message = "There are not two instances in two zones, or no more when they are busy."
  }
}

run "package" {
  assert {
    condition     = aws_s3_object.package.source_hash == filesha256("../airflow/tests/package/api.zip") && aws_s3_object.package.kms_key_id == var.key_arn && aws_s3_object.package.key == "api/api.zip"
    error_message = "A changed package is not uploaded, or is not encrypted with the key."
  }

  assert {
    condition     = strcontains(base64decode(aws_launch_template.this.user_data), "--bucket 'totesys-test-state' --key 'api/api.zip' --version-id 'the-version' ")
    error_message = "A changed package does not reach the instances."
  }

  assert {
    condition = alltrue([
      for line in [
        "PORT=8000", "TOTESYS_API_SECRET=totesys-test/api", "TOTESYS_API_KEYS_SECRET=totesys-test/api-keys", "TOTESYS_STATE_BUCKET=totesys-test-state",
        "TOTESYS_PROCESSED_BUCKET=totesys-test-processed", "TOTESYS_METRICS_NAMESPACE=ToteSys/totesys-test", "TOTESYS_ENVIRONMENT=totesys-test", "AWS_DEFAULT_REGION=eu-west-2",
      ] : contains(split("\n", base64decode(aws_launch_template.this.user_data)), line)
    ])
    error_message = "The API is not told where its data are."
  }

  assert {
    condition     = !strcontains(base64decode(aws_launch_template.this.user_data), "a-long-random-one")
    error_message = "A secret stands in the launch template."
  }

  assert {
    condition     = !strcontains(base64decode(aws_launch_template.this.user_data), "TOTESYS_API_ISSUER")
    error_message = "Tokens are taken though nobody is named who makes them."
  }

  assert {
    condition = alltrue([
      for file in ["/var/log/totesys-api/api.log", "/var/log/cloud-init-output.log"] : strcontains(base64decode(aws_launch_template.this.user_data), file)
    ]) && aws_cloudwatch_log_group.this.name == "/aws/ec2/totesys-test-api" && aws_cloudwatch_log_group.this.kms_key_id == var.key_arn && aws_cloudwatch_log_group.this.retention_in_days == 365
    error_message = "The log does not reach CloudWatch, or is not encrypted there, or is kept for ever."
  }
}

run "secrets" {
  assert {
    condition     = { for key, secret in aws_secretsmanager_secret.this : key => secret.name } == { api = "totesys-test/api", api-keys = "totesys-test/api-keys" } && alltrue([for secret in aws_secretsmanager_secret.this : secret.kms_key_id == var.key_arn && secret.recovery_window_in_days == 30])
    error_message = "A secret has another name, or is not encrypted with the key, or is gone at once."
  }
}

run "another_password" {
  command = plan
  variables {
    secret_version = 2
  }

  assert {
    condition     = aws_secretsmanager_secret_version.this["api"].secret_string_wo_version != run.secrets.versions["api"] && aws_secretsmanager_secret_version.this["api-keys"].secret_string_wo_version == run.secrets.versions["api-keys"]
    error_message = "A new version of the password is not written, or the keys are written over."
  }

  assert {
    condition     = contains(split("\n", base64decode(aws_launch_template.this.user_data)), "SECRET_VERSION=2")
    error_message = "Instances go on with the key of before."
  }
}

run "role" {
  assert {
    condition     = aws_iam_role.this.permissions_boundary == var.boundary_arn && aws_iam_role.this.path == "/totesys-test/" && jsondecode(aws_iam_role.this.assume_role_policy).Statement[*].Principal == [{ Service = "ec2.amazonaws.com" }]
    error_message = "The role has no boundary, lies where the workflow may not write it, or is taken by others than instances."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Action if statement.Resource == "*"
    ])) == toset(["ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"])
    error_message = "Something is allowed on everything though AWS knows an ARN for it."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Resource if contains(flatten([statement.Action]), "s3:GetObject")
    ])) == toset(["arn:aws:s3:::totesys-test-state/status.json", "arn:aws:s3:::totesys-test-processed/fact_sale/*"])
    error_message = "The API reads other files than how fresh the data are and those of the lake's tables, such as rejected rows."
  }

  assert {
    condition = alltrue([
      for action in flatten([for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Action]) :
      can(regex("^(secretsmanager:GetSecretValue|s3:(GetObject|GetObjectVersion)|kms:Decrypt|logs:(CreateLogStream|PutLogEvents)|ssm:UpdateInstanceInformation|ssmmessages:(Create|Open).*)$", action))
    ])
    error_message = "The API changes something beside its log."
  }
}

run "through_nat_on_another_processor" {
  variables {
    architecture  = "x86_64"
    max_instances = 2
    network = {
      vpc_id                       = "vpc-1"
      private_subnet_ids           = ["subnet-a", "subnet-b"]
      warehouse_security_group_id  = "sg-warehouse"
      endpoints_security_group_ids = []
      s3_prefix_list_ids           = []
    }
  }

  assert {
    condition     = keys(aws_vpc_security_group_egress_rule.instances) == ["https", "warehouse"] && aws_vpc_security_group_egress_rule.instances["https"].to_port == 443 && length(aws_vpc_security_group_ingress_rule.endpoints) == 0
    error_message = "AWS is not reached without endpoints, or by another port than 443."
  }

  assert {
    condition     = aws_launch_template.this.instance_type == "t3.small" && endswith(data.aws_ssm_parameter.image.name, "x86_64") && length(aws_autoscaling_policy.busy) == 0
    error_message = "The instances are of another processor than was asked for, or grow where they may not."
  }
}

run "public" {
  variables {
    public_subnet_ids   = ["subnet-c", "subnet-d"]
    token_issuer        = "https://login.example.com/"
    token_audience      = "totesys"
    client_cidrs        = ["0.0.0.0/0"]
    deletion_protection = false
  }

  assert {
    condition     = !aws_lb.this.internal && toset(aws_lb.this.subnets) == toset(["subnet-c", "subnet-d"]) && toset(aws_autoscaling_group.this.vpc_zone_identifier) == toset(["subnet-a", "subnet-b"])
    error_message = "A public load balancer is not in the public subnets, or the instances are."
  }

  assert {
    condition = length(setsubtract(
      ["TOTESYS_API_ISSUER=https://login.example.com/", "TOTESYS_API_AUDIENCE=totesys"], split("\n", base64decode(aws_launch_template.this.user_data))
    )) == 0
    error_message = "The API does not know whose tokens it is to take."
  }
}
