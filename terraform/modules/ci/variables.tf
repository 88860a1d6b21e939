variable "name" {
  description = "Prefix of every name, for example totesys-dev: the roles may touch what bears it, and little else."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}$", var.name))
    error_message = "name must be 3 to 21 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "github_repository" {
  description = "Repository on GitHub whose workflows may take the roles, as owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository must be one repository as owner/name, such as octo-org/totesys; a pattern would let others in."
  }
}

variable "github_ids" {
  description = "Immutable ids of the repository's owner and of the repository on GitHub, or null. A repository that was made or renamed since 15 July 2026 says them; with them, only the form with ids is trusted."
  type        = object({ owner = string, repository = string })
  default     = null

  validation {
    condition     = var.github_ids == null || try(can(regex("^[0-9]+$", var.github_ids.owner)) && can(regex("^[0-9]+$", var.github_ids.repository)), false)
    error_message = "github_ids must be null, or two numbers: gh api repos/<owner>/<repository> --jq '{owner: .owner.id, repository: .id}'."
  }
}

variable "github_environment" {
  description = "Environment on GitHub whose jobs may apply, or null for jobs of the main branch. The jobs have to name it, and have to be of the main branch all the same."
  type        = string
  default     = null

  validation {
    condition     = var.github_environment == null || can(regex("^[A-Za-z0-9._-]+$", var.github_environment))
    error_message = "github_environment must be null, or the name of an environment without spaces and patterns."
  }
}

variable "api" {
  description = "Whether the environment has an API: then an apply may make instances, a group and a load balancer for it."
  type        = bool
  default     = false
}

variable "oidc_provider_arn" {
  description = "ARN of the account's identity provider for token.actions.githubusercontent.com, or null to make it. An account has only one: the second copy in an account is given the first one's."
  type        = string
  default     = null

  validation {
    condition     = var.oidc_provider_arn == null || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/token[.]actions[.]githubusercontent[.]com$", var.oidc_provider_arn))
    error_message = "oidc_provider_arn must be null or arn:aws:iam::<account>:oidc-provider/token.actions.githubusercontent.com."
  }
}

variable "key_arn" {
  description = "ARN of the environment's KMS key."
  type        = string
}

variable "state_key_arn" {
  description = "ARN of the KMS key of Terraform's state."
  type        = string
}

variable "boundary_arn" {
  description = "ARN of the policy that every role has as its boundary which the apply role writes."
  type        = string
}
