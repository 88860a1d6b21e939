# prod is deployed by jobs in GitHub's environment of this name, which wait until somebody approves (.github/workflows/deploy.yaml).
# It counts only with a github_repository, which prod.local.tfvars names.
github_environment = "prod"
