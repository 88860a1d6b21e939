output "address" {
  description = "Host name of the warehouse."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port of the warehouse."
  value       = local.port
}

output "database" {
  description = "Name of the database."
  value       = local.database
}

output "identifier" {
  description = "Identifier of the RDS instance, by which its metrics are found."
  value       = local.identifier
}

output "master_secret_arn" {
  description = "ARN of the secret in which RDS keeps the master user's name and password, and which it rotates every seven days."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "ca_bundle_url" {
  description = "Where the certificates of RDS are to be had, for clients that connect with sslmode=verify-full."
  value       = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
}
