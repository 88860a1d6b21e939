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
  description = "Ids of the two private subnets, in two zones, in which schedulers and workers run."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 2 && length(distinct(var.subnet_ids)) == 2
    error_message = "subnet_ids must name exactly two different subnets: Amazon MWAA takes no other number."
  }
}

variable "security_group_ids" {
  description = "Ids of the security groups of schedulers, workers and web servers."
  type        = list(string)

  validation {
    condition     = length(var.security_group_ids) >= 1 && length(var.security_group_ids) <= 5
    error_message = "security_group_ids must name one to five security groups."
  }
}

variable "bucket" {
  description = "The bucket of the code, which is also that of latest_update.json: name and ARN. It must be versioned."
  type        = object({ bucket = string, arn = string })
}

variable "package_folder" {
  description = "Folder of the built package: dags/, plugins.zip, requirements.txt and startup.sh. The project's packaging step makes it."
  type        = string

  validation {
    condition     = alltrue([for file in ["plugins.zip", "requirements.txt", "startup.sh"] : fileexists("${var.package_folder}/${file}")])
    error_message = "package_folder must hold plugins.zip, requirements.txt and startup.sh: build it first with `python -m deploy package`."
  }

  validation {
    condition     = length(fileset(var.package_folder, "dags/**.py")) > 0
    error_message = "package_folder must hold Python files in dags/: build it first with `python -m deploy package`."
  }
}

variable "airflow_version" {
  description = "Release of Airflow. requirements.txt must hold what this release's constraints allow."
  type        = string
  default     = "3.2.1"

  validation {
    condition     = can(regex("^3[.][0-9]+[.][0-9]+$", var.airflow_version))
    error_message = "airflow_version must be a release of Airflow 3, such as 3.2.1."
  }
}

variable "environment_class" {
  description = "Size of schedulers, workers and web servers. mw1.micro has one of each in one small environment and no other number."
  type        = string
  default     = "mw1.small"

  validation {
    condition     = contains(["mw1.micro", "mw1.small", "mw1.medium", "mw1.large", "mw1.xlarge", "mw1.2xlarge"], var.environment_class)
    error_message = "environment_class must be mw1.micro, mw1.small, mw1.medium, mw1.large, mw1.xlarge or mw1.2xlarge."
  }
}

variable "min_workers" {
  description = "Workers that always run; the price of the class includes one."
  type        = number
  default     = 1

  validation {
    condition     = var.min_workers >= 1 && var.min_workers <= 25
    error_message = "min_workers must be between 1 and 25."
  }
}

variable "max_workers" {
  description = "Workers that may run when tasks queue; each further one is billed by the second, and installs 100 MB of wheels before its first task. One is enough while no table is read in slices (docs/aws.md)."
  type        = number
  default     = 1

  validation {
    condition     = var.max_workers >= var.min_workers && var.max_workers <= 25
    error_message = "max_workers must be between min_workers and 25."
  }

  validation {
    condition     = var.environment_class != "mw1.micro" || var.max_workers == 1
    error_message = "max_workers must be 1 with mw1.micro, which has no other number of workers."
  }
}

variable "schedulers" {
  description = "Schedulers, which stand in for each other. With mw1.micro there is one, whatever is said here."
  type        = number
  default     = 2

  validation {
    condition     = var.schedulers >= 2 && var.schedulers <= 5
    error_message = "schedulers must be between 2 and 5."
  }
}

variable "web_access" {
  description = "Who can reach Airflow's web server: \"private\", from the VPC only, or \"public\", from anywhere. Either asks for a login through IAM."
  type        = string
  default     = "private"

  validation {
    condition     = contains(["private", "public"], var.web_access)
    error_message = "web_access must be \"private\" or \"public\"."
  }
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

variable "connections_prefix" {
  description = "What the names of the connections' secrets begin with."
  type        = string
}

variable "variables_prefix" {
  description = "What the names of the variables' secrets begin with."
  type        = string
}

variable "variable_names" {
  description = "Names of the variables that are in Secrets Manager."
  type        = list(string)
}

variable "ingestion_bucket_arn" {
  description = "ARN of the bucket of CSV files."
  type        = string
}

variable "processed_bucket_arn" {
  description = "ARN of the bucket of Parquet files and rejected rows."
  type        = string
}

variable "lake_database" {
  description = "Name of the Glue catalogue's database to whose tables the pipeline commits what it loaded."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9_]+$", var.lake_database))
    error_message = "lake_database must be lower-case letters, digits and underscores: a pattern would let the tasks write other databases."
  }
}

variable "secret_arns" {
  description = "ARNs of the secrets that hold Airflow's connections and variables."
  type        = list(string)

  validation {
    condition     = length(var.secret_arns) > 0 && alltrue([for arn in var.secret_arns : !strcontains(arn, "*")])
    error_message = "secret_arns must name each secret, without *."
  }
}

variable "master_secret_arn" {
  description = "ARN of the secret in which RDS keeps the warehouse's master user."
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

variable "maintenance_window_start" {
  description = "When MWAA's weekly maintenance of up to two hours begins, in UTC, such as TUE:20:00. Runs that it interrupts are repeated by the next one."
  type        = string
  default     = "SUN:04:00"

  validation {
    condition     = can(regex("^(MON|TUE|WED|THU|FRI|SAT|SUN):([01][0-9]|2[0-3]):(00|30)$", var.maintenance_window_start))
    error_message = "maintenance_window_start must be a day and a half hour, such as TUE:20:00 or SUN:04:30."
  }
}

variable "worker_replacement_strategy" {
  description = "What an update of the environment does with workers: FORCED ends them at once, with the tasks that they are at; GRACEFUL lets them end their tasks first."
  type        = string
  default     = "FORCED"

  validation {
    condition     = contains(["FORCED", "GRACEFUL"], var.worker_replacement_strategy)
    error_message = "worker_replacement_strategy must be FORCED or GRACEFUL."
  }
}
