variable "name" {
  description = "Prefix of every name, for example totesys-dev. Copies with different prefixes live side by side in one account."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}$", var.name))
    error_message = "name must be 3 to 21 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the flow logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.key_arn))
    error_message = "key_arn must be the ARN of a KMS key (arn:aws:kms:<region>:<account>:key/<id>), not an alias or an id."
  }
}

variable "boundary_arn" {
  description = "ARN of the policy that bounds what the role made here can ever do; see the module boundary."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC. They must not overlap with those of the source's network. Not used with an existing VPC."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 22, false)
    error_message = "cidr must be an IPv4 network between /16 and /22, such as 10.40.0.0/16."
  }
}

variable "reach" {
  description = <<-EOT
    How the private subnets reach the services of AWS. List prices of eu-west-2 in November 2025, in USD, for 730 hours:
    "endpoints": interface endpoints, nothing else can be reached; 0.011 an hour each per zone and 0.01 per GB:
                 11 endpoints in 2 zones are about 177 a month.
    "nat":       a NAT gateway, which lets tasks reach any HTTPS address; about 0.05 an hour, 0.05 per GB and 0.005 an hour
                 for its address: about 40 a month. It stands in one zone; while that zone is down, so is the way out.
    Both have the gateway endpoint of S3, which costs nothing.
    With an existing VPC this only matters when existing.endpoints is true.
  EOT
  type        = string
  default     = "endpoints"

  validation {
    condition     = contains(["endpoints", "nat"], var.reach)
    error_message = "reach must be \"endpoints\" or \"nat\"."
  }
}

variable "zones" {
  description = "The two availability zones of the VPC that is made, or null for the first two of the region. A zone in which MWAA or an instance class is not to be had is found out only when it is asked for."
  type        = list(string)
  default     = null

  validation {
    condition     = var.zones == null || try(length(var.zones) == 2 && length(distinct(var.zones)) == 2, false)
    error_message = "zones must be null, or name exactly two different zones: Amazon MWAA takes no other number."
  }
}

variable "endpoint_services" {
  description = "Services of AWS that get an interface endpoint: what Airflow's environment and the tasks call. Editions of MWAA's guide differ in airflow.api, airflow.env, airflow.ops, ecr.api and ecr.dkr (docs/aws.md)."
  type        = set(string)
  nullable    = false
  default = [
    "airflow.api", "airflow.env", "ecr.api", "ecr.dkr", "glue", "kms", "logs", "monitoring", "secretsmanager", "sns", "sqs",
  ]

  validation {
    condition     = length(setsubtract(["glue", "kms", "logs", "monitoring", "secretsmanager", "sns", "sqs"], var.endpoint_services)) == 0
    error_message = "endpoint_services must hold glue, kms, logs, monitoring, secretsmanager, sns and sqs: the pipeline does not run without them."
  }
}

variable "instances" {
  description = "Whether instances of EC2 live here, too: they get endpoints to Systems Manager, and reach the packages of Amazon Linux, which lie in S3."
  type        = bool
  default     = false
}

variable "existing" {
  description = <<-EOT
    An existing VPC to live in, or null to make one. Its two private subnets must lie in two zones.
    endpoints: whether to make endpoints in it; otherwise its own ways to AWS are used. That of S3 lets everything in these
               route tables reach this account's buckets only.
    private_route_table_ids: route tables of the two subnets; asked for by endpoints (S3) and by peering.
  EOT
  type = object({
    vpc_id                  = string
    private_subnet_ids      = list(string)
    private_route_table_ids = optional(list(string), [])
    endpoints               = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.existing == null || try(length(var.existing.private_subnet_ids) == 2 && length(distinct(var.existing.private_subnet_ids)) == 2, false)
    error_message = "existing.private_subnet_ids must name exactly two different subnets: Amazon MWAA takes no other number."
  }

  validation {
    condition     = var.existing == null || try(!var.existing.endpoints || length(var.existing.private_route_table_ids) > 0, false)
    error_message = "existing.endpoints needs existing.private_route_table_ids, through which S3 is reached."
  }

  validation {
    condition     = var.existing == null || try(!var.existing.endpoints || var.reach == "endpoints", false)
    error_message = "existing.endpoints needs reach = \"endpoints\": a NAT gateway is not made in an existing VPC."
  }
}

variable "source_route" {
  description = <<-EOT
    Where the source database is, and how it is reached.
    cidr, port: the addresses and the port that tasks may connect to, and nothing beside them.
    peering:    the VPC of the source, to peer with; null when the addresses are reached otherwise (same VPC, VPN, transit gateway).
                account_id and region: where they differ from this one's; the other side then has to accept.
                route_table_ids: route tables of the source's VPC that get the way back (same account and region only).
  EOT
  type = object({
    cidr = string
    port = optional(number, 5432)
    peering = optional(object({
      vpc_id          = string
      account_id      = optional(string)
      region          = optional(string)
      route_table_ids = optional(list(string), [])
    }))
  })

  validation {
    condition     = can(cidrnetmask(var.source_route.cidr)) && try(tonumber(split("/", var.source_route.cidr)[1]) >= 8, false)
    error_message = "source_route.cidr must be an IPv4 network, /8 or smaller, such as 10.20.0.0/24 or 10.20.0.15/32; the whole internet is not a source."
  }

  validation {
    condition     = var.source_route.port >= 1 && var.source_route.port <= 65535
    error_message = "source_route.port must be between 1 and 65535."
  }

  validation {
    condition = try(
      length(var.source_route.peering.route_table_ids) == 0
      || (var.source_route.peering.account_id == null && var.source_route.peering.region == null),
      true
    )
    error_message = "source_route.peering.route_table_ids can only be changed in this account and region: leave it out and add the way back on the other side."
  }

  validation {
    condition     = var.source_route.peering == null || var.existing == null || try(length(var.existing.private_route_table_ids) > 0, false)
    error_message = "source_route.peering in an existing VPC needs existing.private_route_table_ids, which get the way to the source."
  }
}

variable "reader_cidrs" {
  description = "Private networks from which people and tools read the warehouse, such as an office's VPN."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.reader_cidrs : can(cidrnetmask(cidr)) && try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "reader_cidrs must be IPv4 networks, /8 or smaller, such as 10.60.0.0/24; the warehouse is never open to all."
  }
}

variable "web_cidrs" {
  description = "Private networks from which people open Airflow's web server when its access is private, such as an office's VPN."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.web_cidrs : can(cidrnetmask(cidr)) && try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "web_cidrs must be IPv4 networks, /8 or smaller, such as 10.60.0.0/24; access from anywhere is the airflow module's web_access."
  }
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps the flow logs of the VPC that is made here."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number of days that CloudWatch knows: 7, 14, 30, 60, 90, 180, 365, 731, ..."
  }
}
