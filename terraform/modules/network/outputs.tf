output "vpc_id" {
  description = "Id of the VPC."
  value       = local.vpc_id
}

output "private_subnet_ids" {
  description = "Ids of the two private subnets, in two zones."
  value       = local.private_subnet_ids
  # Airflow's environment starts by calling AWS: its ways there, and to the source, come first.
  depends_on = [
    aws_vpc_endpoint.interface, aws_vpc_endpoint.s3, aws_route.out, aws_route.to_source,
    aws_route_table_association.private, aws_vpc_security_group_egress_rule.airflow,
  ]
}

output "airflow_security_group_id" {
  description = "Id of the security group of Airflow's environment."
  value       = aws_security_group.airflow.id
}

output "warehouse_security_group_id" {
  description = "Id of the security group of the warehouse."
  value       = aws_security_group.warehouse.id
}

output "endpoints_security_group_ids" {
  description = "Id of the security group of the endpoints to AWS; none where no endpoints are made."
  value       = aws_security_group.endpoints[*].id
}

output "s3_prefix_list_ids" {
  description = "Id of the list of S3's addresses behind its gateway endpoint; none where none is made."
  value       = aws_vpc_endpoint.s3[*].prefix_list_id
}

output "endpoint_ids" {
  description = "Ids of the endpoints, by service; empty where the VPC's own ways to AWS are used."
  value = merge(
    { for service, endpoint in aws_vpc_endpoint.interface : service => endpoint.id },
    { for endpoint in aws_vpc_endpoint.s3 : "s3" => endpoint.id },
  )
}

output "nat_address" {
  description = "Public address from which tasks reach the internet, for the source's allow list; null without NAT."
  value       = one(aws_eip.nat[*].public_ip)
}

output "peering_connection_id" {
  description = "Id of the peering with the source's VPC, which its owner accepts when it is another account or region; null without peering."
  value       = one(aws_vpc_peering_connection.source[*].id)
}
