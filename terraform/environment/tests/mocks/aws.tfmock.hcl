mock_data "aws_caller_identity" {
  defaults = { account_id = "111122223333" }
}
mock_data "aws_partition" {
  defaults = { partition = "aws" }
}
mock_data "aws_region" {
  defaults = { id = "eu-west-2" }
}
mock_data "aws_vpc" {
  defaults = { cidr_block = "10.99.0.0/16" }
}
mock_data "aws_availability_zones" {
  defaults = { names = ["eu-west-2a", "eu-west-2b"] }
}
mock_resource "aws_s3_bucket" {
  defaults = { arn = "arn:aws:s3:::mock" }
}
mock_data "aws_kms_key" {
  defaults = { arn = "arn:aws:kms:eu-west-2:111122223333:key/11112222-3333-4444-5555-666677778888" }
}
mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::111122223333:role/mock" }
}
mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-west-2:111122223333:log-group:mock" }
}
mock_resource "aws_cloudwatch_metric_alarm" {
  defaults = { arn = "arn:aws:cloudwatch:eu-west-2:111122223333:alarm:mock" }
}
mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-west-2:111122223333:totesys-test-alerts" }
}
mock_resource "aws_secretsmanager_secret" {
  defaults = { arn = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:mock-AbCdEf" }
}
mock_resource "aws_db_instance" {
  defaults = {
    address            = "totesys-test-warehouse.mock.eu-west-2.rds.amazonaws.com"
    master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:rds!db-mock" }]
  }
}
mock_resource "aws_mwaa_environment" {
  defaults = { webserver_url = "mock.airflow.eu-west-2.amazonaws.com" }
}
mock_data "aws_ssm_parameter" {
  defaults = { insecure_value = "ami-0123456789abcdef0" }
}
mock_resource "aws_iam_instance_profile" {
  defaults = { arn = "arn:aws:iam::111122223333:instance-profile/mock" }
}
mock_resource "aws_launch_template" {
  defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
}
mock_resource "aws_lb" {
  defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-2:111122223333:loadbalancer/app/mock/1", arn_suffix = "app/mock/1" }
}
mock_resource "aws_lb_target_group" {
  defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-2:111122223333:targetgroup/mock/1", arn_suffix = "targetgroup/mock/1" }
}
