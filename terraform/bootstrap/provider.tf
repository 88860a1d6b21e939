provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "totesys-warehouse"
      Environment = var.name
      ManagedBy   = "terraform/bootstrap"
    }
  }
}
