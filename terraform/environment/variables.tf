# What an environment's user says, in <env>.local.tfvars. Sizes and safety are in sizes.tf.

variable "name" {
  description = "Prefix of every name. Copies with different prefixes live side by side in one account."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}$", var.name))
    error_message = "name must be 3 to 21 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "region" {
  description = "Region of AWS in which everything is made."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region of AWS, such as eu-west-2."
  }
}

variable "source_database" {
  description = <<-EOT
    The ToteSys database, the role that reads it, and the way there.
    sslmode:   "require" encrypts; "verify-full" also proves that the server is the one that is meant, by the certificates in
               ca_bundle, a file that Airflow's workers have.
    cidr:      the addresses that tasks may connect to, such as 10.20.0.0/24.
    peering:   the VPC of the database, to peer with; null when the addresses are reached otherwise.
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
  description = "Password of the role that reads the source. Set TF_VAR_source_password; it is written to Secrets Manager and kept nowhere else."
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
  description = "A new password for the pipeline's role in the warehouse. `make deploy` sets TF_VAR_warehouse_password to a random one each time; it is used only when warehouse_password_version or the connection changes."
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
  description = "Addresses that alerts are mailed to. Each gets a mail in which the subscription has to be confirmed."
  type        = set(string)
}

variable "budget_tag" {
  description = "The tag whose costs count towards the budget, or null for the whole account. It counts only once it is activated as a cost allocation tag."
  type        = object({ key = string, value = string })
  default     = null
}

variable "package_folder" {
  description = "Folder of the built package, which `make deploy` makes."
  type        = string
  default     = "../../build/package"
}

variable "existing_network" {
  description = "An existing VPC to live in, with exactly two private subnets, or null to make one; see `existing` of the module network."
  type = object({
    vpc_id                  = string
    private_subnet_ids      = list(string)
    private_route_table_ids = optional(list(string), [])
    endpoints               = optional(bool, false)
  })
  default = null
}

variable "reader_cidrs" {
  description = "Private networks from which people and tools read the warehouse."
  type        = set(string)
  default     = []
}

variable "web_cidrs" {
  description = "Private networks from which people open Airflow's web server when its access is private."
  type        = set(string)
  default     = []
}

variable "object_lock_days" {
  description = "Days for which nobody without s3:BypassGovernanceRetention can delete a data file, or null for no lock. Once on, a bucket's lock can never be turned off."
  type        = number
  default     = null
}

variable "analytics" {
  description = <<-EOT
    Who asks the lake in Athena, or null for no workgroup and no views; nothing of it costs anything until somebody asks.
    analysts:       ARNs of the users, roles or accounts that may take the role <name>-analysts; none for no role.
    scan_limit_gib: how much one question may read before Athena ends it.
  EOT
  type = object({
    analysts       = optional(set(string), [])
    scan_limit_gib = optional(number, 20)
  })
  default = {}
}

variable "api" {
  description = <<-EOT
    The warehouse's data over HTTP, or null for none; see the module api for each of these.
    certificate_arn, client_cidrs: what the load balancer shows to whom. What the API costs stands in docs/aws.md.
    secret_version: counts its passwords in the warehouse; raise it to have a new one written.
  EOT
  type = object({
    certificate_arn   = string
    client_cidrs      = set(string)
    public_subnet_ids = optional(list(string), [])
    architecture      = optional(string, "arm64")
    instance_type     = optional(string)
    min_instances     = optional(number, 2)
    max_instances     = optional(number, 4)
    secret_version    = optional(number, 1)
  })
  default = null
}

variable "api_password" {
  description = "A new password for the API's login in the warehouse. `make deploy` sets TF_VAR_api_password to a random one each time; it is used only when api.secret_version or the warehouse changes."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "api_cursor_key" {
  description = "A new key for the cursors of the API's pages, as the password."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "zones" {
  description = "The two availability zones to live in, such as [\"eu-west-2a\", \"eu-west-2c\"], or null for the first two of the region. It counts when the network is made, and moves nothing afterwards."
  type        = list(string)
  default     = null
}
