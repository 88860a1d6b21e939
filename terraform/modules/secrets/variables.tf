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

variable "secret_prefix" {
  description = "What the secrets' names begin with; null for <name>/airflow. Airflow finds them below <prefix>/connections and <prefix>/variables."
  type        = string
  default     = null

  validation {
    condition     = var.secret_prefix == null || can(regex("^[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*$", var.secret_prefix))
    error_message = "secret_prefix must be parts of letters, digits and _ + = . @ - with a / between them, and neither begin nor end with one."
  }
}

variable "recovery_window_days" {
  description = "Days for which a deleted secret can be restored. 0 deletes at once, so that the same name can be used again the same day."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "recovery_window_days must be 0, or between 7 and 30: Secrets Manager allows nothing else."
  }
}

variable "source_database" {
  description = <<-EOT
    The ToteSys database, and the role that reads it.
    sslmode:   "require" encrypts; "verify-full" also proves that the server is the one that is meant.
    ca_bundle: where Airflow's workers find the certificates that verify-ca and verify-full trust, such as
               /usr/local/airflow/dags/certificates/source.pem; null with "require".
  EOT
  type = object({
    host      = string
    port      = optional(number, 5432)
    database  = string
    user      = string
    sslmode   = optional(string, "require")
    ca_bundle = optional(string)
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9.:-]+$", var.source_database.host))
    error_message = "source_database.host must be a host name or an address, without a scheme, a port or a path."
  }

  validation {
    condition     = var.source_database.port >= 1 && var.source_database.port <= 65535
    error_message = "source_database.port must be between 1 and 65535."
  }

  validation {
    condition     = length(var.source_database.database) > 0 && length(var.source_database.user) > 0
    error_message = "source_database.database and source_database.user must be named."
  }

  validation {
    condition     = contains(["require", "verify-ca", "verify-full"], var.source_database.sslmode)
    error_message = "source_database.sslmode must be require, verify-ca or verify-full: the source is never read without encryption."
  }

  validation {
    condition     = var.source_database.sslmode == "require" || var.source_database.ca_bundle != null
    error_message = "source_database.ca_bundle must say where the certificates are that verify-ca and verify-full trust."
  }
}

variable "source_password" {
  description = "Password of the role that reads the source. It is written to Secrets Manager and kept nowhere else, and only written when source_password_version or the connection changes."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(var.source_password) > 0
    error_message = "source_password must not be empty: set TF_VAR_source_password."
  }
}

variable "source_password_version" {
  description = "Counts the source's passwords: raise it to have a new one written."
  type        = number
  default     = 1

  validation {
    condition     = var.source_password_version >= 1 && floor(var.source_password_version) == var.source_password_version
    error_message = "source_password_version must be a whole number, 1 or more."
  }
}

variable "warehouse" {
  description = <<-EOT
    The warehouse. The connection is encrypted; with ca_bundle (see source_database) the server must also prove that it is the
    warehouse (sslmode verify-full).
  EOT
  type = object({
    host      = string
    port      = number
    database  = string
    ca_bundle = optional(string)
  })
}

variable "warehouse_password" {
  description = "A new password for the pipeline's own role in the warehouse. It is written to Secrets Manager and kept nowhere else, and only written when warehouse_password_version or the connection changes; else it is not used."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(var.warehouse_password) >= 24
    error_message = "warehouse_password must have 24 characters or more: set TF_VAR_warehouse_password to something random, for example from: openssl rand -base64 32"
  }
}

variable "warehouse_password_version" {
  description = "Counts the passwords of the pipeline's role in the warehouse: raise it to have a new one written. The next run gives it to the role."
  type        = number
  default     = 1

  validation {
    condition     = var.warehouse_password_version >= 1 && floor(var.warehouse_password_version) == var.warehouse_password_version
    error_message = "warehouse_password_version must be a whole number, 1 or more."
  }
}

variable "warehouse_master_secret_arn" {
  description = "ARN of the secret in which RDS keeps the master user, as whom the first run makes the pipeline's role."
  type        = string
}

variable "buckets" {
  description = "Names of the three buckets."
  type        = object({ ingestion = string, processed = string, state = string })
}

variable "api_secret_arns" {
  description = "ARN of the secret of the API's login in the warehouse, which the pipeline makes; none where there is no API."
  type        = list(string)
  default     = []
}

variable "lake_database" {
  description = "Name of the Glue catalogue's database that has the lake's tables."
  type        = string
}

variable "topic_arn" {
  description = "ARN of the topic to which the pipeline sends its alerts."
  type        = string
}

variable "metrics_namespace" {
  description = "Namespace of CloudWatch in which the pipeline publishes its metrics."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._/#-]{1,255}$", var.metrics_namespace)) && !startswith(var.metrics_namespace, "AWS/")
    error_message = "metrics_namespace must be 1 to 255 letters, digits or . _ / # -, and not begin with AWS/, which belongs to AWS."
  }
}

