"""A stand-in for Amazon MWAA's API, which moto's server lacks: environments, their tags, and Airflow's own API.

What comes of a request is as slow here as it is there in kind, not in time: a new environment is first CREATING, a
changed one UPDATING, and a deleted one DELETING, each until it has been looked at once.
Source: Amazon MWAA API Reference.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote
from uuid import uuid4
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

Document = dict[str, Any]

ACCOUNT = "123456789012"
DAG = "totesys_warehouse"
SERVICE_ROLE = "airflow.amazonaws.com/AWSServiceRoleForAmazonMWAA"

NAME = re.compile(r"[a-zA-Z][0-9a-zA-Z\-_]*")
LOGS = {
    "DagProcessingLogs": "DAGProcessing",
    "SchedulerLogs": "Scheduler",
    "TaskLogs": "Task",
    "WebserverLogs": "WebServer",
    "WorkerLogs": "Worker",
}
"""Each of the environment's logs, and what its log group is called."""

VERSIONED = ("Plugins", "Requirements", "StartupScript")
"""Files of an environment that are named with their object's version."""

DEFAULTS: Document = {
    "AirflowVersion": "3.2.1",
    "EnvironmentClass": "mw1.small",
    "EndpointManagement": "SERVICE",
    "MinWorkers": 1,
    "MaxWorkers": 10,
    "WebserverAccessMode": "PRIVATE_ONLY",
    "WeeklyMaintenanceWindowStart": "SUN:03:00",
}


class Refused(Exception):
    """What the API answers in place of a result."""

    def __init__(self, status: int, kind: str, message: str, **more: Any) -> None:
        """Take an HTTP status, the error's type, its message, and further members of the answer."""
        super().__init__(message)
        self.status = status
        self.document = {"message": message, **more}
        self.kind = kind


@dataclass
class Mwaa:
    """The API as a WSGI application. It remembers what Airflow was asked (`rest_calls`), as method, path and body."""

    region: str = "eu-west-2"
    environments: dict[str, Document] = field(default_factory=dict)
    rest_calls: list[tuple[str, str, Any]] = field(default_factory=list)
    runs: dict[str, Document] = field(default_factory=dict)
    run: Callable[[str], str] = lambda _: "success"
    """Does a run in an environment; returns how it ended. It has a thread of its own, as a run has."""
    takes_back: str = ""
    """Why the next update is not done."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            answer, status, headers = self._answer(request), 200, {}
        except Refused as refused:
            answer, status, headers = refused.document, refused.status, {"x-amzn-errortype": refused.kind}
        response = Response(json.dumps(answer), status, headers, content_type="application/json")
        return response(environ, start_response)

    def _answer(self, request: Request) -> Document:
        kind, _, rest = request.path.strip("/").partition("/")
        body = request.get_json(force=True, silent=True) or {}
        handlers: dict[tuple[str, str], Callable[[], Document]] = {
            ("PUT", "environments"): lambda: self._create(rest, body),
            ("GET", "environments"): lambda: self._get(rest) if rest else {"Environments": sorted(self.environments)},
            ("PATCH", "environments"): lambda: self._update(rest, body),
            ("DELETE", "environments"): lambda: self._delete(rest),
            ("GET", "tags"): lambda: {"Tags": self._tags(rest)},
            ("POST", "tags"): lambda: self._tags(rest).update(body["Tags"]) or {},
            ("DELETE", "tags"): lambda: self._untag(rest, request.args.getlist("tagKeys")),
            ("POST", "restapi"): lambda: self._invoke(rest, body),
            ("POST", "webtoken"): lambda: self._web_token(rest),
        }
        handler = handlers.get((request.method, kind))
        if handler is None:
            raise Refused(404, "UnknownOperationException", f"{request.method} {request.path}")
        return handler()

    def _environment(self, name: str) -> Document:
        if name not in self.environments:
            raise Refused(404, "ResourceNotFoundException", f"No environment with name '{name}' found")
        return self.environments[name]

    def _create(self, name: str, wanted: Document) -> Document:
        if name in self.environments:
            raise Refused(400, "ValidationException", f"Environment {name} already exists")
        if not NAME.fullmatch(name):
            raise Refused(400, "ValidationException", f"{name} is no name of an environment")
        check(wanted)
        micro = wanted.get("EnvironmentClass") == "mw1.micro"
        counts = dict.fromkeys(("Schedulers", "MinWebservers", "MaxWebservers"), 1 if micro else 2)
        arn = f"arn:aws:airflow:{self.region}:{ACCOUNT}:environment/{name}"
        self.environments[name] = {
            **DEFAULTS,
            **counts,
            **wanted,
            "Name": name,
            "Arn": arn,
            "Status": "CREATING",
            "CreatedAt": int(time.time()),
            "Tags": wanted.get("Tags", {}),
            "LoggingConfiguration": self._logging(name, wanted.get("LoggingConfiguration", {})),
            "ServiceRoleArn": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{SERVICE_ROLE}",
            "WebserverUrl": f"{uuid4()}.c1.{self.region}.airflow.amazonaws.com",
            "CeleryExecutorQueue": f"arn:aws:sqs:{self.region}:111122223333:airflow-celery-{uuid4()}",
        }
        return {"Arn": arn}

    def _logging(self, name: str, wanted: Document) -> Document:
        logs = {}
        for kind, group in LOGS.items():
            arn = f"arn:aws:logs:{self.region}:{ACCOUNT}:log-group:airflow-{name}-{group}"
            logs[kind] = {"Enabled": False, "LogLevel": "INFO", **wanted.get(kind, {}), "CloudWatchLogGroupArn": arn}
        return logs

    def _get(self, name: str) -> Document:
        environment = self._environment(name)
        shown = dict(environment)
        if environment["Status"] == "DELETING":
            del self.environments[name]
        environment["Status"] = "AVAILABLE"
        return {"Environment": shown}

    def _update(self, name: str, wanted: Document) -> Document:
        environment = self._environment(name)
        if environment["Status"] != "AVAILABLE":
            raise Refused(400, "ValidationException", f"Environment {name} is {environment['Status']}")
        logging = self._logging(name, {**environment["LoggingConfiguration"], **wanted.pop("LoggingConfiguration", {})})
        network = {**environment["NetworkConfiguration"], **wanted.pop("NetworkConfiguration", {})}
        updated = {**environment, **wanted, "LoggingConfiguration": logging, "NetworkConfiguration": network}
        check(updated)
        update: Document = {"Status": "SUCCESS", "CreatedAt": int(time.time())}
        if self.takes_back:
            update |= {"Status": "FAILED", "Error": {"ErrorCode": "FAILED", "ErrorMessage": self.takes_back}}
            updated, self.takes_back = environment, ""
        self.environments[name] = {**updated, "Status": "UPDATING", "LastUpdate": update}
        return {"Arn": environment["Arn"]}

    def _delete(self, name: str) -> Document:
        self._environment(name)["Status"] = "DELETING"
        return {}

    def _tags(self, arn: str) -> Document:
        tags: Document = self._environment(unquote(arn).rpartition("/")[2])["Tags"]
        return tags

    def _untag(self, arn: str, keys: list[str]) -> Document:
        tags = self._tags(arn)
        for key in keys:
            tags.pop(key, None)
        return {}

    def _web_token(self, name: str) -> Document:
        return {"WebToken": uuid4().hex, "WebServerHostname": self._environment(name)["WebserverUrl"]}

    def _invoke(self, name: str, call: Document) -> Document:
        self._environment(name)
        method, path, body = call["Method"], call["Path"], call.get("Body")
        self.rest_calls.append((method, path, body))
        return {
            "RestApiStatusCode": 200,
            "RestApiResponse": self._airflow(name, method, path.strip("/").split("/"), body),
        }

    def _airflow(self, environment: str, method: str, path: list[str], body: Any) -> Document:
        """What Airflow's own API answers about its one DAG. Source: Airflow's API reference, version 2."""
        match method, path:
            case "GET" | "PATCH", ["dags", name] if name == DAG:
                return {"dag_id": DAG, "is_paused": False, **(body or {})}
            case "POST", ["dags", name, "dagRuns"] if name == DAG:
                run = {"dag_id": DAG, "dag_run_id": f"manual__{uuid4()}", "state": "queued", **(body or {})}
                self.runs[run["dag_run_id"]] = run
                answer = dict(run)
                threading.Thread(target=lambda: run.update(state=self.run(environment)), daemon=True).start()
                return answer
            case "GET", ["dags", name, "dagRuns", run] if name == DAG and run in self.runs:
                return self.runs[run]
            case "GET", ["dags", name, "dagRuns", run, "taskInstances"] if name == DAG and run in self.runs:
                return {"task_instances": [], "total_entries": 0}
            case "GET", ["importErrors"]:
                return {"import_errors": [], "total_entries": 0}
        answer = {"status": 404, "title": "Not Found", "detail": f"{method} /{'/'.join(path)}"}
        more = {"RestApiStatusCode": 404, "RestApiResponse": answer}
        raise Refused(400, "RestApiClientException", "Airflow refused the request", **more)


def check(environment: Document) -> None:
    """Refuse an environment that MWAA would refuse."""
    for name in ("ExecutionRoleArn", "SourceBucketArn", "DagS3Path", "NetworkConfiguration"):
        if not environment.get(name):
            raise Refused(400, "ValidationException", f"{name} is required")
    for file in VERSIONED:
        if environment.get(f"{file}S3Path") and not environment.get(f"{file}S3ObjectVersion"):
            raise Refused(400, "ValidationException", f"{file}S3ObjectVersion is required beside {file}S3Path")
    for option in environment.get("AirflowConfigurationOptions", {}):
        if option.count(".") != 1:
            raise Refused(400, "ValidationException", f"{option} is no configuration option: section.name is")


class MwaaServer:
    """The stand-in on a free port of this machine, in a thread of this process, until the end of the `with`.

    SDKs put `api.` or `env.` before the endpoint's host: with AWS_DISABLE_HOST_PREFIX_INJECTION=true boto3 does not;
    Terraform's provider always does, and reaches the server where HTTP_PROXY names it as well.
    """

    def __init__(self) -> None:
        """Make a server that is not running yet."""
        self.mwaa = Mwaa()
        self._server = make_server("127.0.0.1", 0, self.mwaa, threaded=True)
        self.endpoint_url = f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
