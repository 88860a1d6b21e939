output "environment_arn" {
  description = "ARN of Airflow's environment."
  value       = aws_mwaa_environment.this.arn
}

output "environment_name" {
  description = "Name of Airflow's environment."
  value       = aws_mwaa_environment.this.name
}

output "webserver_url" {
  description = "Address of Airflow's web server."
  value       = "https://${aws_mwaa_environment.this.webserver_url}"
}

output "execution_role_arn" {
  description = "ARN of the role as which schedulers and tasks run."
  value       = aws_iam_role.execution.arn
}

output "execution_role_name" {
  description = "Name of the role as which schedulers and tasks run."
  value       = aws_iam_role.execution.name
}

output "people_role_arns" {
  description = "ARNs of the roles that people take to open Airflow: viewer and operator."
  value       = { for kind, role in aws_iam_role.people : kind => role.arn }
}

output "dags_path" {
  description = "Where the environment reads DAGs and the pipeline's code: s3://<bucket>/dags."
  value       = "s3://${var.bucket.bucket}/dags"
}
