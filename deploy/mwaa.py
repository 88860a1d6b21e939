"""The running environment of Amazon MWAA: waited for, and its DAG started through Airflow's own API."""

import time
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


def _reason(found: dict[str, Any]) -> str:
    message = found.get("LastUpdate", {}).get("Error", {}).get("ErrorMessage")
    return f" ({message})" if message else ""


def start(environment: Environment, pause_seconds: float = PAUSE_SECONDS) -> None:
    """Wait for the environment, switch the DAG on, start a run, and tell where it can be watched."""
    client = environment.client("mwaa")
    found = wait(client, environment.name, pause_seconds)
    _switch_on(client, environment.name, pause_seconds)
    # Airflow 3 asks for a logical date; a run that stands for no interval has none.
    run = _call(client, environment.name, "POST", f"{DAG}/dagRuns", {"logical_date": None})
    console = f"https://{environment.region}.console.aws.amazon.com/mwaa/home?region={environment.region}"
    print(f"started the run {run['dag_run_id']}")
    print(f"Airflow: https://{found['WebserverUrl']}, with a login from {console}#environments/{environment.name}/sso")
    if found.get("WebserverAccessMode") == "PRIVATE_ONLY":
        print("It answers inside the VPC only: docs/aws.md says how to reach it.")
    print("Next: confirm the mail that SNS has sent to each address, and look at docs/runbook.md when an alarm comes.")


def _switch_on(client: Any, name: str, pause_seconds: float) -> None:
    deadline = time.monotonic() + DAG_SECONDS
    while True:
        try:
            _call(client, name, "PATCH", DAG, {"is_paused": False})
        except (client.exceptions.RestApiClientException, client.exceptions.RestApiServerException) as error:
            if error.response.get("RestApiStatusCode", NOT_FOUND) not in UNREADY:
                raise DeployError(f"Airflow refuses to switch {DAG} on: {error.response['RestApiResponse']}") from error
            if time.monotonic() > deadline:
                raise DeployError(
                    "Airflow has not read the DAG: see its import errors, or the DAGProcessing log"
                ) from error
            time.sleep(pause_seconds)
        else:
            return


def _call(client: Any, name: str, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = client.invoke_rest_api(Name=name, Method=method, Path=path, Body=body)
    except (client.exceptions.RestApiClientException, client.exceptions.RestApiServerException):
        raise
    except ClientError as error:
        raise DeployError(f"MWAA refuses {method} {path}: {error}") from error
    return dict(answer["RestApiResponse"])
