resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:log_retention_days is a variable, a year unless an environment says otherwise
  name              = "/aws/ec2/${local.full_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

locals {
  # Amazon's agent reads the API's log, of which some lines are metrics (CloudWatch knows them by their form), and how it was installed.
  agent = {
    logs = {
      logs_collected = {
        files = {
          collect_list = [
            for stream, file in { api = "/var/log/totesys-api/api.log", start = "/var/log/cloud-init-output.log" } : {
              file_path               = file
              log_group_name          = aws_cloudwatch_log_group.this.name
              log_stream_name         = "{instance_id}/${stream}"
            }
          ]
        }
      }
    }
  }
}
