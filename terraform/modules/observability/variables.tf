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

variable "emails" {
  description = "Addresses that alerts are mailed to. Each gets a mail in which the subscription has to be confirmed."
  type        = set(string)

  validation {
    condition     = length(var.emails) > 0 && alltrue([for email in var.emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$", email))])
    error_message = "emails must be at least one address such as data@example.com: an alarm that nobody hears is none."
  }
}

variable "environment_name" {
  description = "Name of Airflow's environment, under which its metrics are found."
  type        = string
}

variable "warehouse_identifier" {
  description = "Identifier of the warehouse's RDS instance, under which its metrics are found."
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

variable "apis" {
  description = "The API's load balancer and target group as their metrics name them; none where there is no API."
  type        = list(object({ load_balancer = string, target_group = string }))
  default     = []
}

variable "api_errors" {
  description = "Answers with a status of 500 or more within five minutes above which the alarm is raised."
  type        = number
  default     = 10

  validation {
    condition     = var.api_errors >= 0
    error_message = "api_errors must not be negative."
  }
}

variable "api_seconds" {
  description = "Seconds within which 99 of 100 answers of the API have to begin."
  type        = number
  default     = 2

  validation {
    condition     = var.api_seconds > 0
    error_message = "api_seconds must be more than 0."
  }
}

variable "rejected_keys" {
  description = "Requests with a wrong, expired or insufficient key within five minutes above which the alarm is raised."
  type        = number
  default     = 100

  validation {
    condition     = var.rejected_keys >= 0
    error_message = "rejected_keys must not be negative."
  }
}

variable "silence_minutes" {
  description = "Minutes without a successful run after which the alarm is raised: two intervals of the schedule."
  type        = number
  default     = 40

  validation {
    condition     = var.silence_minutes >= 2 && var.silence_minutes % 2 == 0 && var.silence_minutes <= 1440
    error_message = "silence_minutes must be an even number of minutes between 2 and 1440: it is watched in two halves."
  }
}

variable "lag_seconds" {
  description = "Seconds between a change at the source and its arrival in the warehouse above which the alarm is raised."
  type        = number
  default     = 1800

  validation {
    condition     = var.lag_seconds >= 60
    error_message = "lag_seconds must be 60 or more."
  }
}

variable "queued_tasks" {
  description = "Tasks that wait for a worker for 20 minutes on end, above which the alarm is raised."
  type        = number
  default     = 10

  validation {
    condition     = var.queued_tasks >= 0
    error_message = "queued_tasks must not be negative."
  }
}

variable "free_storage_gib" {
  description = "Free storage of the warehouse, in GiB, below which the alarm is raised. RDS enlarges the storage by itself below a tenth of it, up to its limit; below this it did not."
  type        = number
  default     = 2

  validation {
    condition     = var.free_storage_gib > 0
    error_message = "free_storage_gib must be more than 0."
  }
}

variable "cpu_percent" {
  description = "Use of the warehouse's processors, in percent over 30 minutes, above which the alarm is raised."
  type        = number
  default     = 90

  validation {
    condition     = var.cpu_percent > 0 && var.cpu_percent < 100
    error_message = "cpu_percent must be between 0 and 100."
  }
}

variable "container_percent" {
  description = "Use of a worker's memory or processor, in percent, above which the alarm is raised."
  type        = number
  default     = 90

  validation {
    condition     = var.container_percent > 0 && var.container_percent < 100
    error_message = "container_percent must be between 0 and 100."
  }
}

variable "connections" {
  description = "Open connections to the warehouse above which the alarm is raised. PostgreSQL on RDS takes about one for each 9.5 MB of memory that is left to it: a db.t4g.micro some 80, a db.t4g.medium some 400."
  type        = number
  default     = 80

  validation {
    condition     = var.connections >= 10
    error_message = "connections must be 10 or more: a run alone opens several."
  }
}

variable "monthly_budget_usd" {
  description = "What a month may cost, in US dollars. Mail is sent when 80 % is forecast and when all of it is spent."
  type        = number

  validation {
    condition     = var.monthly_budget_usd > 0
    error_message = "monthly_budget_usd must be more than 0."
  }
}

variable "budget_tag" {
  description = "The tag whose costs count, or null for the whole account. A tag counts only once it is activated as a cost allocation tag in the account's billing settings; before that its budget stays at 0 and never alarms."
  type        = object({ key = string, value = string })
  default     = null
}
