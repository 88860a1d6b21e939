"""The bucket of Terraform's state, made by Terraform itself. Its own state lies in that bucket."""

from pathlib import Path

from botocore.exceptions import ClientError

from deploy import terraform
from deploy.environment import Environment

STATE_KEY = "bootstrap.tfstate"


def bootstrap(environment: Environment) -> None:
    """Make the bucket, and the roles for GitHub where the user's values ask for them; may be repeated."""
    folder = environment.terraform / "bootstrap"
    state = folder / f"{environment.env}.tfstate"
    given = [f"-var=name={environment.name}", f"-var=region={environment.region}"]
    given += [f"-var-file={file.name}" for file in environment.values if (folder / file.name).exists()]
    if not state.exists():
        _fetch(environment, state)
    terraform.run(folder, "init", "-input=false")
    terraform.run(folder, "apply", "-input=false", "-auto-approve", f"-state={state.name}", *given)
    environment.client("s3").put_object(Bucket=environment.state_bucket, Key=STATE_KEY, Body=state.read_bytes())
    state.unlink()


def _fetch(environment: Environment, state: Path) -> None:
    """Take the state out of the bucket, where there is one."""
    try:
        answer = environment.client("s3").get_object(Bucket=environment.state_bucket, Key=STATE_KEY)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"NoSuchBucket", "NoSuchKey"}:
            raise
    else:
        state.write_bytes(answer["Body"].read())


def exists(environment: Environment) -> bool:
    """Whether the bucket is there."""
    try:
        environment.client("s3").head_bucket(Bucket=environment.state_bucket)
    except ClientError:
        return False
    return True
