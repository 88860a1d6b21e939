variable "name" {
  description = "Prefix of every name, for example totesys-dev. Copies with different prefixes live side by side in one account."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}$", var.name))
    error_message = "name must be 3 to 21 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts everything here."
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

variable "subnet_ids" {
  description = "Ids of the private subnets, in two zones, in which the warehouse may be placed."
  type        = list(string)

  validation {
    condition     = length(distinct(var.subnet_ids)) >= 2
    error_message = "subnet_ids must name at least two different subnets: RDS asks for two zones."
  }
}

variable "security_group_id" {
  description = "Id of the security group that says who may connect."
  type        = string
}

variable "engine_version" {
  description = "Release of PostgreSQL: a major one (17), in which RDS keeps the minor release current, or an exact one (17.6)."
  type        = string
  default     = "17"

  validation {
    condition     = can(regex("^[0-9]+([.][0-9]+)?$", var.engine_version)) && try(tonumber(split(".", var.engine_version)[0]) >= 16, false)
    error_message = "engine_version must be a release of PostgreSQL from 16 on, such as 17 or 17.6."
  }
}

variable "instance_class" {
  description = "Class of the instance. On demand in eu-west-2, list prices of November 2025: db.t4g.micro about 13 USD a month, db.t4g.medium 53, db.m7g.large 140; multi_az doubles it."
  type        = string
  default     = "db.t4g.medium"

  validation {
    condition     = can(regex("^db[.][a-z0-9]+[.][a-z0-9]+$", var.instance_class))
    error_message = "instance_class must be an RDS class such as db.t4g.medium."
  }
}

variable "allocated_storage_gib" {
  description = "Storage to begin with, in GiB (gp3)."
  type        = number
  default     = 20

  validation {
    condition     = var.allocated_storage_gib >= 20 && var.allocated_storage_gib <= 65536
    error_message = "allocated_storage_gib must be between 20 and 65536, the limits of gp3."
  }
}

variable "max_allocated_storage_gib" {
  description = "Storage up to which RDS enlarges it by itself, in GiB."
  type        = number
  default     = 100

  validation {
    condition     = var.max_allocated_storage_gib > var.allocated_storage_gib
    error_message = "max_allocated_storage_gib must be more than allocated_storage_gib, or storage cannot grow."
  }
}

variable "multi_az" {
  description = "Whether a standby in another zone takes over when the first fails. Doubles the price of the instance and its storage."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Whether RDS refuses to delete the warehouse. Turn it off and apply before a destroy."
  type        = bool
  default     = true
}

variable "backup_retention_days" {
  description = "Days to which the warehouse can be restored, at any second."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "backup_retention_days must be between 1 and 35: without backups nothing can be restored."
  }
}

variable "skip_final_snapshot" {
  description = "Whether a destroy leaves no last snapshot."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps PostgreSQL's logs."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number of days that CloudWatch knows: 7, 14, 30, 60, 90, 180, 365, 731, ..."
  }
}
