variable "name" {
  description = "Prefix of every name, for example totesys-dev: the same as the environment's."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}$", var.name))
    error_message = "name must be 3 to 21 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "region" {
  description = "Region of AWS, the same as the environment's."
  type        = string
  default     = "eu-west-2"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region of AWS such as eu-west-2."
  }
}

variable "force_destroy" {
  description = "Whether destroying this also deletes the states in the bucket. Without it, a bucket that is not empty is refused."
  type        = bool
  default     = false
}

variable "github_repository" {
  description = "Repository on GitHub, as owner/name, whose workflow plans pull requests and applies the main branch; null for no such roles."
  type        = string
  default     = null
}

variable "github_ids" {
  description = "Immutable ids of the repository's owner and of the repository on GitHub, which those made or renamed since 15 July 2026 say, or null."
  type        = object({ owner = string, repository = string })
  default     = null
}

variable "github_environment" {
  description = "Environment on GitHub whose jobs of the main branch may apply, or null for any job of the main branch. The workflow's job has to name it."
  type        = string
  default     = null
}

variable "api" {
  description = "Whether the environment has an API, or is to get one: then GitHub's main branch may make what it is made of."
  type        = bool
  default     = false
}

variable "github_oidc_provider_arn" {
  description = "ARN of the account's identity provider for GitHub where another copy in the account has made it; null to make it."
  type        = string
  default     = null
}
