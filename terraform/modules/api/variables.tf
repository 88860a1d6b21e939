variable "name" {
  description = "Prefix of every name, for example totesys-dev. Copies with different prefixes live side by side in one account."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}$", var.name))
    error_message = "name must be 3 to 21 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the secrets, the logs and the package."
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

variable "certificate_arn" {
  description = "ARN of the certificate, in ACM or IAM, that the load balancer shows: for the name under which clients call it, in this region."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:(acm:[a-z0-9-]+:[0-9]{12}:certificate/|iam::[0-9]{12}:server-certificate/)", var.certificate_arn))
    error_message = "certificate_arn must be the ARN of a certificate (arn:aws:acm:<region>:<account>:certificate/<id>): nothing is served without TLS."
  }
}

variable "network" {
  description = <<-EOT
    Where the API lives, in the module network's outputs.
    endpoints_security_group_ids: the group of the endpoints to AWS; none where AWS is reached through NAT or ways of the VPC's own.
    s3_prefix_list_ids:           the addresses of S3 behind its gateway endpoint; none where there is none.
  EOT
  type = object({
    vpc_id                       = string
    private_subnet_ids           = list(string)
    warehouse_security_group_id  = string
    endpoints_security_group_ids = list(string)
    s3_prefix_list_ids           = list(string)
  })
}

variable "client_cidrs" {
  description = "Networks from which clients call the API."
  type        = set(string)

  validation {
    condition     = length(var.client_cidrs) > 0 && alltrue([for cidr in var.client_cidrs : can(cidrnetmask(cidr))])
    error_message = "client_cidrs must be one IPv4 network or more, such as 10.60.0.0/24: nobody else reaches the load balancer."
  }

  validation {
    condition     = length(var.public_subnet_ids) > 0 || alltrue([for cidr in var.client_cidrs : try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "client_cidrs must be /8 or smaller: an internal load balancer has no clients in the whole internet."
  }
}

variable "public_subnet_ids" {
  description = "Public subnets in two zones or more for a load balancer that the internet reaches; none for an internal one."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.public_subnet_ids) != 1
    error_message = "public_subnet_ids must be none, or subnets in two zones or more: a load balancer takes no fewer."
  }
}

variable "architecture" {
  description = "Processor of the instances, for which the package was built: \"arm64\" or \"x86_64\"."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be \"arm64\" or \"x86_64\"."
  }
}

variable "instance_type" {
  description = "Type of the instances, of that processor; null for the smallest that has two cores and 2 GB."
  type        = string
  default     = null
}

variable "min_instances" {
  description = "Instances that there are at least. Two lie in two zones."
  type        = number
  default     = 2

  validation {
    condition     = var.min_instances >= 1 && floor(var.min_instances) == var.min_instances
    error_message = "min_instances must be a whole number, 1 or more."
  }
}

variable "max_instances" {
  description = "Instances that there are at most, where their processors are busy."
  type        = number
  default     = 4

  validation {
    condition     = var.max_instances >= var.min_instances && var.max_instances <= 20
    error_message = "max_instances must be between min_instances and 20."
  }
}

variable "deletion_protection" {
  description = "Whether the load balancer refuses to be deleted. Turn it off and apply before a destroy."
  type        = bool
  default     = true
}

variable "recovery_window_days" {
  description = "Days for which a deleted secret can be restored: 0, or 7 to 30; see the module secrets."
  type        = number
  default     = 30
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps the logs."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number of days that CloudWatch knows: 7, 14, 30, 60, 90, 180, 365, 731, ..."
  }
}

variable "access_logs_bucket" {
  description = "Name of the bucket that the load balancer's access logs are delivered to, which lets them be."
  type        = string
}

variable "metrics_namespace" {
  description = "Namespace of CloudWatch in which the API publishes its metrics, in the embedded format of its log."
  type        = string
}

variable "state_bucket" {
  description = "The bucket of the package and of status.json: name and ARN."
  type        = object({ bucket = string, arn = string })
}

variable "processed_bucket" {
  description = "The bucket of Parquet files, to which the API makes links: name and ARN."
  type        = object({ bucket = string, arn = string })
}

variable "package_folder" {
  description = "Folder of the built package, with the API's archive and the views' definitions."
  type        = string

  validation {
    condition     = fileexists("${var.package_folder}/api.zip") && fileexists("${var.package_folder}/views.json")
    error_message = "package_folder must hold api.zip and views.json: build the package first with `python -m deploy package --env <env>`."
  }
}

variable "warehouse" {
  description = "The warehouse to read from."
  type        = object({ host = string, port = number, database = string })
}

variable "warehouse_password" {
  description = "A new password for the API's login in the warehouse. It is written to Secrets Manager and kept nowhere else, and only written when secret_version or the warehouse changes."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(var.warehouse_password) >= 24
    error_message = "warehouse_password must have 24 characters or more: set TF_VAR_api_password to something random, for example from: openssl rand -base64 32"
  }
}

variable "cursor_key" {
  description = "A new key with which the API signs the cursors of its pages, written as the password is."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(var.cursor_key) >= 32
    error_message = "cursor_key must have 32 characters or more: set TF_VAR_api_cursor_key to something random, for example from: openssl rand -base64 32"
  }
}

variable "secret_version" {
  description = "Counts the API's passwords and keys of cursors: raise it to have new ones written."
  type        = number
  default     = 1

  validation {
    condition     = var.secret_version >= 1 && floor(var.secret_version) == var.secret_version
    error_message = "secret_version must be a whole number, 1 or more."
  }
}
