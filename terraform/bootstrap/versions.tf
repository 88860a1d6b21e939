terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # One release, exactly: a root is what is applied. Modules take more, so that another root may choose.
      version = "6.25.0"
    }
  }
}
