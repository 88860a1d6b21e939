output "airflow_url" {
  description = "Address of Airflow's web server."
  value       = module.airflow.webserver_url
}

output "environment_name" {
  description = "Name of Airflow's environment."
  value       = module.airflow.environment_name

  precondition {
    condition     = terraform_data.name.output == var.name
    error_message = "This is the state of ${terraform_data.name.output}, and the values are those of ${var.name}: nothing is planned. `make setup-terraform` connects with the right one."
  }
}

output "execution_role_arn" {
  description = "ARN of the role as which schedulers and tasks run."
  value       = module.airflow.execution_role_arn
}

output "state_bucket" {
  description = "Name of the bucket of the code and of latest_update.json."
  value       = module.lake.state.bucket
}

output "dags_path" {
  description = "Where the environment reads DAGs and the pipeline's code."
  value       = module.airflow.dags_path
}

output "people_role_arns" {
  description = "ARNs of the roles that people take to open Airflow: viewer and operator."
  value       = module.airflow.people_role_arns
}

output "topic_arn" {
  description = "ARN of the topic to which alarms, the budget and the pipeline send."
  value       = module.observability.topic_arn
}

output "alarm_names" {
  description = "Names of the alarms."
  value       = module.observability.alarm_names
}

output "warehouse_address" {
  description = "Host name of the warehouse."
  value       = module.warehouse.address
}

output "dashboard" {
  description = "Name of the dashboard in CloudWatch."
  value       = module.observability.dashboard_name
}

output "nat_address" {
  description = "Public address from which tasks reach the internet, for the source's allow list; null without NAT."
  value       = module.network.nat_address
}

output "peering_connection_id" {
  description = "Id of the peering with the source's VPC, which its owner accepts when it is another account or region; null without peering."
  value       = module.network.peering_connection_id
}

output "api" {
  description = "The API: the load balancer's address and zone, which a name of yours is to be an alias of, the auto-scaling group, the target group and the name of the secret of keys; null without an API."
  value = one([for made in module.api : {
    address          = made.address
    zone_id          = made.zone_id
    group_name       = made.group_name
    target_group_arn = made.target_group_arn
    keys_secret      = made.keys_secret_name
  }])
}

output "analytics" {
  description = "Where the lake is asked: Athena's workgroup, the database of views, and the role that analysts take, which is null where nobody is named; null without analytics."
  value       = one([for made in module.analytics : { workgroup = made.workgroup, database = made.database, role_arn = made.role_arn }])
}
