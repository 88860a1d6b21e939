"""What a destroyed environment leaves, which stands in the way of a new one of its name or has to be known of."""

from collections.abc import Iterator

from deploy.environment import Environment


def names_of_logs(environment: Environment) -> tuple[str, ...]:
    """What the names of an environment's log groups begin with."""
    name = environment.name
    return f"airflow-{name}-", f"/aws/ec2/{name}-api", f"/aws/rds/instance/{name}-warehouse/", f"/aws/vpc/{name}/"


def delete_returned_logs(environment: Environment) -> None:
    """Delete log groups that a last line has made anew after they were destroyed: without key, kept for ever."""
    logs = environment.client("logs")
    for prefix in names_of_logs(environment):
        for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix):
            for group in page["logGroups"]:
                logs.delete_log_group(logGroupName=group["logGroupName"])
                print(f"deleted the log group {group['logGroupName']}, which had come back")


def kept_secrets(environment: Environment) -> Iterator[str]:
    """The names of deleted secrets that can still be restored, and so cannot be used again."""
    pages = (
        environment.client("secretsmanager")
        .get_paginator("list_secrets")
        .paginate(IncludePlannedDeletion=True, Filters=[{"Key": "name", "Values": [f"{environment.name}/"]}])
    )
    yield from (secret["Name"] for page in pages for secret in page["SecretList"] if secret.get("DeletedDate"))


def tell(environment: Environment) -> None:
    """Say what is left of an environment that was destroyed."""
    delete_returned_logs(environment)
    print(f"What the bootstrap made is left: the bucket {environment.state_bucket} and the keys (docs/aws.md, Keys).")
    if kept := sorted(kept_secrets(environment)):
        print(f"{len(kept)} secrets can be restored for a while, and until then none can be made with their names:")
        print("".join(f"  {name}\n" for name in kept) + "docs/aws.md (Anew) tells how to make the environment again.")
