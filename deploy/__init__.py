"""Brings the pipeline to AWS: packages it, drives Terraform, starts it, and keeps its code up to date there."""
