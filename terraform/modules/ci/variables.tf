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

variable "github_environment" {
  description = "Environment on GitHub whose jobs may apply, or null for jobs of the main branch. With one, GitHub puts the environment in the branch's place, so allow only the main branch in its deployment rules."
  type        = string
  default     = null

  validation {
    condition     = var.github_environment == null || can(regex("^[A-Za-z0-9._-]+$", var.github_environment))
    error_message = "github_environment must be null, or the name of an environment without spaces and patterns."
  }
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
