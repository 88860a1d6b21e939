terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # One release, exactly: a root is what is applied. Modules take more, so that another root may choose.
      version = "6.25.0"
    }
  }

  # Bucket, name, region and the key that encrypts it come from `make setup-terraform`, which passes them to `terraform init`.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "totesys-warehouse"
      Environment = var.name
      ManagedBy   = "terraform"
    }
  }
}

# The name that this state was made for. With values of another environment the plan fails (outputs.tf), as it would rename or
# replace everything.
resource "terraform_data" "name" {
  input = var.name

  lifecycle {
    ignore_changes = [input]
  }
}
