output "workgroup" {
  description = "Name of the workgroup of Athena in which the lake is asked."
  value       = aws_athena_workgroup.this.name
}

output "database" {
  description = "Name of the Glue catalogue's database that has the warehouse's tables as views of the lake."
  value       = aws_glue_catalog_database.warehouse.name
}

output "role_arn" {
  description = "ARN of the role that analysts take; null where nobody is named who may."
  value       = one(aws_iam_role.analysts[*].arn)
}
