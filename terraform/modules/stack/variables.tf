variable "name" {
  description = "Prefix of every name, for example totesys-dev. Copies with different prefixes live side by side in one account."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}$", var.name))
    error_message = "name must be 3 to 21 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "source_database" {
  description = <<-EOT
    The ToteSys database, the role that reads it, and the way there.
    sslmode, ca_bundle: how the connection is encrypted and proved; see the module secrets.
    cidr, peering:      the addresses of the database and the VPC to peer with, if any; see source_route of the module network.
  EOT
  type = object({
    host      = string
    port      = optional(number, 5432)
    database  = string
    user      = string
    sslmode   = optional(string, "require")
    ca_bundle = optional(string)
    cidr      = string
    peering = optional(object({
      vpc_id          = string
      account_id      = optional(string)
      region          = optional(string)
      route_table_ids = optional(list(string), [])
    }))
  })
}

variable "source_password" {
  description = "Password of the role that reads the source; see the module secrets."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "source_password_version" {
  description = "Counts the source's passwords: raise it to have a new one written."
  type        = number
  default     = 1
}

variable "warehouse_password" {
  description = "A new password for the pipeline's role in the warehouse; see the module secrets."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "warehouse_password_version" {
  description = "Counts the passwords of the pipeline's role in the warehouse: raise it to have a new one written."
  type        = number
  default     = 1
}

variable "emails" {
  description = "Addresses that alerts are mailed to."
  type        = set(string)
}

variable "monthly_budget_usd" {
  description = "What a month may cost, in US dollars, before mail is sent."
  type        = number
}

variable "budget_tag" {
  description = "The tag whose costs count towards the budget, or null for the whole account; see the module observability."
  type        = object({ key = string, value = string })
  default     = null
}

variable "package_folder" {
  description = "Folder of the built package: dags/, plugins.zip, requirements.txt and startup.sh."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps all logs."
  type        = number
  default     = 365
}

variable "recovery_window_days" {
  description = "Days for which a deleted secret can be restored: 0, or 7 to 30."
  type        = number
  default     = 30
}

variable "key_deletion_window_days" {
  description = "Days between the removal of the key and its end: 7 to 30."
  type        = number
  default     = 30
}

variable "network" {
  description = <<-EOT
    The network; see the module network for each of these.
    reach: "endpoints" or "nat". existing: a VPC to live in. reader_cidrs: who reads the warehouse. web_cidrs: who opens
    Airflow's web server when it is private. endpoint_services: null for the module's own list.
  EOT
  type = object({
    cidr              = optional(string, "10.40.0.0/16")
    reach             = optional(string, "endpoints")
    endpoint_services = optional(set(string))
    existing = optional(object({
      vpc_id                  = string
      private_subnet_ids      = list(string)
      private_route_table_ids = optional(list(string), [])
      endpoints               = optional(bool, false)
    }))
    reader_cidrs = optional(set(string), [])
    web_cidrs    = optional(set(string), [])
  })
  default = {}
}

variable "lake" {
  description = "The buckets' life; see the module lake for each of these."
  type = object({
    object_lock_days  = optional(number)
    cold_after_days   = optional(number, 90)
    expire_after_days = optional(number)
    force_destroy     = optional(bool, false)
  })
  default = {}
}

variable "warehouse" {
  description = <<-EOT
    The warehouse's size and safety; see the module warehouse for each of these.
    ca_bundle: where Airflow's workers find the certificates of RDS, with which the server then has to prove itself; null
               for encryption alone. free_storage_gib, connections: when to raise the alarm; see the module observability.
  EOT
  type = object({
    engine_version            = optional(string, "17")
    instance_class            = optional(string, "db.t4g.medium")
    allocated_storage_gib     = optional(number, 20)
    max_allocated_storage_gib = optional(number, 100)
    multi_az                  = optional(bool, true)
    deletion_protection       = optional(bool, true)
    backup_retention_days     = optional(number, 14)
    skip_final_snapshot       = optional(bool, false)
    ca_bundle                 = optional(string)
    free_storage_gib          = optional(number, 2)
    connections               = optional(number, 80)
  })
  default = {}
}

variable "airflow" {
  description = "Airflow's release, size and access; see the module airflow for each of these."
  type = object({
    version           = optional(string, "3.2.1")
    environment_class = optional(string, "mw1.small")
    min_workers       = optional(number, 1)
    max_workers       = optional(number, 2)
    schedulers        = optional(number, 2)
    web_access        = optional(string, "private")
  })
  default = {}
}
