output "airflow_url" {
  description = "Address of Airflow's web server."
  value       = module.stack.airflow_url
}

output "environment_name" {
  description = "Name of Airflow's environment."
  value       = module.stack.environment_name
}

output "execution_role_arn" {
  description = "ARN of the role as which schedulers and tasks run."
  value       = module.stack.execution_role_arn
}

output "state_bucket" {
  description = "Name of the bucket of the code and of latest_update.json."
  value       = module.stack.state_bucket
}

output "dags_path" {
  description = "Where the environment reads DAGs and the pipeline's code."
  value       = module.stack.dags_path
}

output "topic_arn" {
  description = "ARN of the topic to which alarms, the budget and the pipeline send."
  value       = module.stack.topic_arn
}

output "alarm_names" {
  description = "Names of the alarms."
  value       = module.stack.alarm_names
}

output "warehouse_address" {
  description = "Host name of the warehouse."
  value       = module.stack.warehouse_address
}

output "dashboard" {
  description = "Name of the dashboard in CloudWatch."
  value       = module.stack.dashboard
}

output "nat_address" {
  description = "Public address from which tasks reach the internet, for the source's allow list; null without NAT."
  value       = module.stack.nat_address
}

output "peering_connection_id" {
  description = "Id of the peering with the source's VPC, which its owner accepts when it is another account or region; null without peering."
  value       = module.stack.peering_connection_id
}
