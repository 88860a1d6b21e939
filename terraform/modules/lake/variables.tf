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

variable "object_lock_days" {
  description = "Days for which nobody without s3:BypassGovernanceRetention can delete a data file, or null for no lock. It can be turned on later; S3 never lets it be turned off for a bucket, only its days be changed."
  type        = number
  default     = null

  validation {
    condition     = var.object_lock_days == null || try(var.object_lock_days >= 1 && var.object_lock_days <= 36500, false)
    error_message = "object_lock_days must be null, or between 1 and 36500."
  }
}

variable "cold_after_days" {
  description = "Days after which data files move to Glacier Instant Retrieval: a fifth of the price of storage, still read at once, dearer to read. Files below 128 KB stay where they are, which is cheaper for them."
  type        = number
  default     = 90

  validation {
    condition     = var.cold_after_days >= 1
    error_message = "cold_after_days must be 1 or more."
  }
}

variable "expire_after_days" {
  description = "Days after which CSV files, and those of rejected rows, are deleted, or null to keep them. A run that needs a file which has expired reads its table whole, and writes it anew."
  type        = number
  default     = null

  validation {
    condition     = var.expire_after_days == null || try(var.expire_after_days > var.cold_after_days, false)
    error_message = "expire_after_days must be null, or more than cold_after_days: S3 refuses to delete before it moves."
  }

  validation {
    condition     = var.expire_after_days == null || var.object_lock_days == null || try(var.expire_after_days >= var.object_lock_days, false)
    error_message = "expire_after_days must not be less than object_lock_days: a locked file cannot be deleted."
  }
}

variable "load_balancers" {
  description = "Names of the load balancers whose access logs are delivered to the bucket of access logs, each below its name."
  type        = set(string)
  default     = []
}

variable "force_destroy" {
  description = "Whether destroying the infrastructure also deletes the buckets' contents. Without it, a bucket that is not empty is refused."
  type        = bool
  default     = false
}
