"""The running environment of Amazon MWAA: waited for, and its DAG started through Airflow's own API."""

import time
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from deploy.environment import Environment
from deploy.errors import DeployError

DAG = "/dags/totesys_warehouse"
PAUSE_SECONDS = 20.0
READY_SECONDS = 3 * 3600
"""MWAA takes half an hour to make an environment, and may take over two to change one."""
DAG_SECONDS = 900
"""How long Airflow may take until it has read a DAG file that is new in its bucket."""
RUN_SECONDS = 3600
"""How long the first run is watched. One of a large source may take longer, and goes on."""
NOT_FOUND = 404
UNREADY = {NOT_FOUND, 500, 502, 503, 504}
"""How Airflow's API answers while it has not read the DAG, or has only just started."""
LOST = {"CREATE_FAILED", "UPDATE_FAILED", "UNAVAILABLE", "DELETING", "DELETED"}


def describe(client: Any, name: str) -> dict[str, Any]:
    """What MWAA says of an environment. Raises: DeployError when it has none of this name."""
    try:
        return dict(client.get_environment(Name=name)["Environment"])
    except client.exceptions.ResourceNotFoundException:
        raise DeployError(f"there is no Airflow environment {name}: make deploy makes it") from None


def wait(client: Any, name: str, pause_seconds: float = PAUSE_SECONDS) -> dict[str, Any]:
    """What MWAA says of an environment once it is available.

    Raises: DeployError when that will not be, with the reason that MWAA gives, or takes too long.
    """
    deadline, shown = time.monotonic() + READY_SECONDS, ""
    while time.monotonic() < deadline:
        found = describe(client, name)
        status = found["Status"]
        if status == "AVAILABLE":
            return found
        if status in LOST:
            raise DeployError(f"the environment {name} is {status}{_reason(found)}: see docs/runbook.md")
        if status != shown:
            print(f"the environment {name} is {status}", flush=True)
            shown = status
        time.sleep(pause_seconds)
    raise DeployError(f"the environment {name} is still {shown} after {READY_SECONDS // 3600} hours")


def require_updated(found: dict[str, Any], since: datetime) -> None:
    """Raises: DeployError when MWAA could not do an update that was asked for since then.

    It rolls such an update back and is available again, as it was before; Terraform takes that for success.
    """
    update = found.get("LastUpdate", {})
    if update.get("Status") != "FAILED":
        return
    said = f"MWAA could not do the update of {update['CreatedAt']:%Y-%m-%d %H:%M %Z} and took it back{_reason(found)}"
    if update["CreatedAt"] >= since:
        raise DeployError(f"{said}. The environment is as it was before: see docs/runbook.md, Deploy")
    print(f"{said}. The plan tells whether anything of it is still wanted.")


def _reason(found: dict[str, Any]) -> str:
    message = found.get("LastUpdate", {}).get("Error", {}).get("ErrorMessage")
    return f" ({message})" if message else ""


def start(environment: Environment, since: datetime, pause_seconds: float = PAUSE_SECONDS) -> None:
    """Wait for the environment, switch the DAG on, start a run, and tell what became of it.

    Raises: DeployError when an update that was asked for since then was taken back, or the run failed.
    """
    client = environment.client("mwaa")
    found = wait(client, environment.name, pause_seconds)
    require_updated(found, since)
    _switch_on(client, environment.name, pause_seconds)
    # Airflow 3 asks for a logical date; a run that stands for no interval has none.
    run = call(client, environment.name, "POST", f"{DAG}/dagRuns", Body={"logical_date": None})
    console = f"https://{environment.region}.console.aws.amazon.com/mwaa/home?region={environment.region}"
    print(f"started the run {run['dag_run_id']}")
    print(f"Airflow: https://{found['WebserverUrl']}, with a login from {console}#environments/{environment.name}/sso")
    if found.get("WebserverAccessMode") == "PRIVATE_ONLY":
        print("It answers inside the VPC only: docs/aws.md says how to reach it.")
    print("Meanwhile: confirm the mail that SNS has sent to each address.", flush=True)
    _watch(client, environment.name, run["dag_run_id"], pause_seconds)
    print(f"Next: make verify ENV={environment.env}, and docs/runbook.md when an alarm comes.")


def _watch(client: Any, name: str, run_id: str, pause_seconds: float) -> None:
    """Wait for a run's end. Raises: DeployError when it failed, with the tasks that did."""
    deadline, path = time.monotonic() + RUN_SECONDS, f"{DAG}/dagRuns/{run_id}"
    while time.monotonic() < deadline:
        try:
            state = call(client, name, "GET", path)["state"]
        except client.exceptions.RestApiServerException:
            state = "unknown"  # the web server is being replaced
        if state == "success":
            print("the run succeeded: the warehouse is filled")
            return
        if state == "failed":
            raise DeployError(
                f"the run {run_id} failed; failed tasks: {_failed_tasks(client, name, path)}. Their logs say why: log "
                f"group airflow-{name}-Task, or Airflow. What was deployed stays; the next run repeats what was left."
            )
        time.sleep(pause_seconds)
    print(f"the run is still at work after {RUN_SECONDS // 60} minutes: watch it in Airflow")


def _failed_tasks(client: Any, name: str, path: str) -> str:
    tasks = call(client, name, "GET", f"{path}/taskInstances", QueryParameters={"state": "failed"})["task_instances"]
    return ", ".join(sorted({task["task_id"] for task in tasks})) or "none, so it ran out of time"


def _switch_on(client: Any, name: str, pause_seconds: float) -> None:
    deadline = time.monotonic() + DAG_SECONDS
    while True:
        try:
            call(client, name, "PATCH", DAG, Body={"is_paused": False})
        except (client.exceptions.RestApiClientException, client.exceptions.RestApiServerException) as error:
            if error.response.get("RestApiStatusCode", NOT_FOUND) not in UNREADY:
                raise DeployError(f"Airflow refuses to switch {DAG} on: {error.response['RestApiResponse']}") from error
            if time.monotonic() > deadline:
                raise DeployError(
                    f"Airflow has not read the DAG: see its import errors, or log group airflow-{name}-DAGProcessing."
                    " A package that could not be installed is told there, at a container's start, and nowhere else."
                ) from error
            time.sleep(pause_seconds)
        else:
            return


def call(client: Any, name: str, method: str, path: str, **given: Any) -> dict[str, Any]:
    """What Airflow's API answers, through MWAA's, given a Body or QueryParameters.

    Raises: DeployError when MWAA refuses.
    """
    try:
        answer = client.invoke_rest_api(Name=name, Method=method, Path=path, **given)
    except (client.exceptions.RestApiClientException, client.exceptions.RestApiServerException):
        raise
    except ClientError as error:
        raise DeployError(f"MWAA refuses {method} {path}: {error}") from error
    return dict(answer["RestApiResponse"])
