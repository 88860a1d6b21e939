output "address" {
  description = "Name at which the load balancer is reached. Let a name of yours, for which the certificate is, be an alias of it."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Id of the hosted zone of that name, which an alias in Route 53 asks for."
  value       = aws_lb.this.zone_id
}

output "group_name" {
  description = "Name of the auto-scaling group."
  value       = aws_autoscaling_group.this.name
}

output "load_balancer" {
  description = "The load balancer as its metrics name it."
  value       = aws_lb.this.arn_suffix
}

output "target_group" {
  description = "The target group as its metrics name it."
  value       = aws_lb_target_group.this.arn_suffix
}

output "target_group_arn" {
  description = "ARN of the target group, by which is asked how healthy the instances are."
  value       = aws_lb_target_group.this.arn
}

output "role_arn" {
  description = "ARN of the role as which the instances run."
  value       = aws_iam_role.this.arn
}

output "secret_arn" {
  description = "ARN of the secret of the API's login in the warehouse, which the pipeline makes."
  value       = aws_secretsmanager_secret.this["api"].arn
  # Who waits for the ARN waits for the value, too.
  depends_on = [aws_secretsmanager_secret_version.this]
}

output "keys_secret_name" {
  description = "Name of the secret of the keys of those who may ask."
  value       = aws_secretsmanager_secret.this["api-keys"].name
}

output "versions" {
  description = "Number of each secret's value as Terraform last wrote it; it changes when the value is written again."
  value       = { for name, version in aws_secretsmanager_secret_version.this : name => version.secret_string_wo_version }
}
