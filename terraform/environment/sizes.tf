# What dev and prod differ in. <env>.tfvars gives the project's values; one that <env>.local.tfvars names, too, counts instead.
# Nothing here has a default where the two differ, so that neither can be forgotten.

variable "cidr" {
  description = "Addresses of the VPC that is made. They must not overlap with those of the source's network."
  type        = string
}

variable "reach" {
  description = "How the private subnets reach AWS: \"endpoints\" or \"nat\"; see the module network."
  type        = string

  validation {
    condition     = var.reach != "endpoints" || var.web_access == "private" || try(!var.existing_network.endpoints, false)
    error_message = "reach = \"endpoints\" with web_access = \"public\" is refused: Amazon describes it nowhere, and nobody has seen it work. Take \"nat\", or a private web server."
  }
}

variable "endpoint_services" {
  description = "Services that get an interface endpoint; null for the module network's own list, which docs/aws.md tells what is known of."
  type        = set(string)
  default     = null
}

variable "web_access" {
  description = "Who can reach Airflow's web server: \"private\", from web_cidrs only, or \"public\", from anywhere, with a login through IAM."
  type        = string
}

variable "monthly_budget_usd" {
  description = "What a month may cost, in US dollars, before mail is sent."
  type        = number
}

variable "deletion_protection" {
  description = "Whether RDS refuses to delete the warehouse, and S3 a bucket that is not empty. Turn it off and apply before a destroy."
  type        = bool
}

variable "recovery_window_days" {
  description = "Days for which a deleted secret can be restored: 0, or 7 to 30. For as long its name cannot be used again."
  type        = number
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps all logs."
  type        = number
}

variable "cold_after_days" {
  description = "Days after which data files move to cheaper storage; see the module lake."
  type        = number
  default     = 90
}

variable "expire_after_days" {
  description = "Days after which CSV files, and those of rejected rows, are deleted, or null to keep them; see the module lake."
  type        = number
  default     = null
}

variable "warehouse" {
  description = <<-EOT
    The warehouse's size and safety; see the module warehouse for each of these.
    ca_bundle: where Airflow's workers find the certificates of RDS, with which the server then has to prove itself; null
               for encryption alone. free_storage_gib, connections: when to raise the alarm; see the module observability.
  EOT
  type = object({
    engine_version            = optional(string, "17")
    instance_class            = string
    allocated_storage_gib     = optional(number, 20)
    max_allocated_storage_gib = optional(number, 100)
    multi_az                  = bool
    backup_retention_days     = number
    skip_final_snapshot       = bool
    ca_bundle                 = optional(string)
    free_storage_gib          = optional(number, 2)
    connections               = optional(number, 80)
  })
}

variable "airflow" {
  description = "Airflow's release and size; see the module airflow for each of these."
  type = object({
    version           = optional(string, "3.2.1")
    environment_class = string
    min_workers       = optional(number, 1)
    max_workers       = optional(number, 1)
    schedulers        = optional(number, 2)

    maintenance_window_start    = optional(string, "SUN:04:00")
    worker_replacement_strategy = optional(string, "FORCED")
  })
}
