output "arn" {
  description = "ARN of the boundary, which every role of the environment has."
  value       = aws_iam_policy.boundary.arn
}
