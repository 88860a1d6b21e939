output "arn" {
  description = "ARN of the key."
  value       = aws_kms_key.this.arn
  # Who may use the key only under its alias needs the alias first.
  depends_on = [aws_kms_alias.this]
}

output "id" {
  description = "Id of the key."
  value       = aws_kms_key.this.key_id
}
