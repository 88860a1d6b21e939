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

variable "analysts" {
  description = "ARNs of the users, roles or accounts that may take the analysts' role; none for no role. Another account decides by itself who of it may."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.analysts : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(root|(user|role)/[A-Za-z0-9+=,.@_/-]+)$", arn))])
    error_message = "analysts must be ARNs of users, roles or accounts, such as arn:aws:iam::111122223333:role/analysts, without *."
  }
}

variable "scan_limit_gib" {
  description = "How much one question may read before Athena ends it, in GiB. Athena is paid by what is read, 5 US dollars a TB or so."
  type        = number
  default     = 20

  validation {
    condition     = var.scan_limit_gib >= 1 && floor(var.scan_limit_gib) == var.scan_limit_gib
    error_message = "scan_limit_gib must be a whole number, 1 or more."
  }
}

variable "results_bucket" {
  description = "The bucket of results, whose objects expire: name and ARN."
  type        = object({ bucket = string, arn = string })
}

variable "processed_bucket_arn" {
  description = "ARN of the bucket of Parquet files."
  type        = string
}

variable "lake_database" {
  description = "Name of the Glue catalogue's database that has the lake's tables."
  type        = string
}

variable "views_file" {
  description = "The package's views.json: the views' SQL and columns."
  type        = string

  validation {
    condition     = fileexists(var.views_file)
    error_message = "views_file must be there: build the package first with `python -m deploy package`."
  }
}
