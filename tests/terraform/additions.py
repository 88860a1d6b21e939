"""What moto lacks or does otherwise than AWS, where Terraform's provider or the pipeline need it."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NoReturn
from unittest import mock
from uuid import uuid4

import flask
from moto.autoscaling.responses import AutoScalingResponse
from moto.budgets.responses import BudgetsResponse
from moto.core.responses import ActionResult
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.glue.exceptions import EntityNotFoundException
from moto.glue.responses import GlueResponse
from moto.iam.access_control import PermissionResult
from moto.rds.models import DBInstance, DBParameterGroup, RDSBackend
from moto.s3.models import FakeBucket, FakeKey

from tests.terraform.calls import Call
from tests.terraform.mwaa import ACCOUNT
from tests.terraform.policies import decides, statements

LOGGING = "logging.s3.amazonaws.com"
TLS = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
"""Of every request: nobody reaches AWS itself without."""

create_budget = BudgetsResponse.create_budget
make_rule = SecurityGroupRule.__init__
update_parameters = DBParameterGroup.update_parameters
create_instance = RDSBackend.create_db_instance


def create_budget_with_tags(response: BudgetsResponse) -> str:
    """Keep the tags of a new budget, which moto forgets."""
    asked = json.loads(response.body)
    tags = {tag["Key"]: tag["Value"] for tag in asked.get("ResourceTags", [])}
    answer = create_budget(response)
    response.backend.budgets[asked["AccountId"]][asked["Budget"]["BudgetName"]].tags = tags
    return answer


def list_tags_of_budget(response: BudgetsResponse) -> str:
    """Answer the tags of a budget."""
    name = json.loads(response.body)["ResourceARN"].rpartition("/")[2]
    tags = response.backend.budgets[ACCOUNT][name].tags
    return json.dumps({"ResourceTags": [{"Key": key, "Value": value} for key, value in tags.items()]})


def describe_subscribers(response: BudgetsResponse) -> str:
    """Answer whom a budget's notification is sent to, which moto keeps and does not tell."""
    asked = json.loads(response.body)
    budget = response.backend.budgets[asked["AccountId"]][asked["BudgetName"]]
    found = [kept.subscribers for kept in budget.notifications if _same(kept.details, asked["Notification"])]
    return json.dumps({"Subscribers": found[0] if found else []})


def _same(kept: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Whether two notifications are one; a state that nobody set is none."""
    return all(asked.get(name) == value for name, value in kept.items() if name != "NotificationState")


def bucket_permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """What a bucket's policy says of a request; moto overlooks the conditions, and denies all that one denies some."""
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    headers = flask.request.headers if flask.has_request_context() else {}
    asked = {f"s3:{name.lower()}": value for name, value in headers.items() if name.lower().startswith("x-amz-server-")}
    said = statements(bucket.name, json.loads(bucket.policy))
    allowing, denying = decides(said, Call(action.replace("HeadObject", "GetObject"), resource, TLS | asked))
    if denying:
        return PermissionResult.DENIED
    return PermissionResult.PERMITTED if allowing else PermissionResult.NEUTRAL


class ListedKey(FakeKey):
    """An object in a listing: it shares the content of the one that it was copied from, which moto copies, too."""

    def dispose(self, garbage: bool = False) -> None:
        """Leave the content to the other."""


def copy_for_a_listing(key: FakeKey, _: dict[int, Any]) -> ListedKey:
    """Copy an object to list its bucket's versions."""
    copied = ListedKey.__new__(ListedKey)
    vars(copied).update(vars(key))
    return copied


def may_deliver_logs(bucket: FakeBucket, target_bucket: FakeBucket, target_prefix: str | None) -> bool:
    """Whether the target's policy lets S3 deliver a bucket's access logs; moto overlooks the conditions."""
    source = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": f"arn:aws:s3:::{bucket.name}"}
    call = Call("s3:PutObject", f"arn:aws:s3:::{target_bucket.name}/{target_prefix or ''}log", TLS | source)
    allowing, denying = decides(
        statements(target_bucket.name, json.loads(target_bucket.policy or '{"Statement": []}')), call
    )
    return not denying and any(said.document["Principal"] == {"Service": LOGGING} for said in allowing)


def make_rule_with_description(rule: SecurityGroupRule, *arguments: Any, **named: Any) -> None:
    """Keep the description of a security group's rule, which moto keeps only of rules for addresses."""
    make_rule(rule, *arguments, **named)
    ends = (end for end in arguments if isinstance(end, dict))  # an address, a group or a list of prefixes
    rule.kept_description = next((end["Description"] for end in ends if end.get("Description")), None)


def update_parameters_as_user(group: DBParameterGroup, parameters: list[dict[str, Any]]) -> None:
    """Note that parameters were set by the user, which is what Terraform's provider asks for."""
    update_parameters(group, [{**parameter, "Source": "user"} for parameter in parameters])


def create_instance_of_its_own(backend: RDSBackend, asked: dict[str, Any]) -> DBInstance:
    """Give an instance an id of its own and AWS's certificate, and keep what is asked of Performance Insights."""
    instance = create_instance(backend, {"ca_certificate_identifier": "rds-ca-rsa2048-g1", **asked})
    instance.dbi_resource_id = f"db-{uuid4().hex.upper()}"
    instance.performance_insights_enabled = asked.get("enable_performance_insights", False)
    instance.performance_insights_kms_key_id = asked.get("performance_insights_kms_key_id")
    instance.performance_insights_retention_period = asked.get("performance_insights_retention_period")
    return instance


def get_no_table_optimizer(response: GlueResponse) -> NoReturn:
    """Answer that nobody has given a table an optimizer, which moto does not know."""
    raise EntityNotFoundException(f"{response.parameters['TableName']} has no optimizer")


def start_instance_refresh(response: AutoScalingResponse) -> ActionResult:
    """Replace a group's instances, which moto does not know, at once."""
    begun = {"InstanceRefreshId": str(uuid4()), "Status": "Successful", "StartTime": datetime.now(UTC)}
    response.autoscaling_backend.refreshes = [begun, *refreshes(response)]  # type: ignore[attr-defined]
    return ActionResult(begun)


def describe_instance_refreshes(response: AutoScalingResponse) -> ActionResult:
    """Answer which instances were replaced, the last first."""
    return ActionResult({"InstanceRefreshes": refreshes(response)})


def refreshes(response: AutoScalingResponse) -> list[dict[str, Any]]:
    """What was replaced so far."""
    return list(getattr(response.autoscaling_backend, "refreshes", []))


@contextmanager
def added_to_moto(database_host: str) -> Iterator[None]:
    """Take the host at which every RDS instance is to be found; moto has all of this until the end of the `with`."""
    additions: list[tuple[type, str, Any]] = [
        (AutoScalingResponse, "start_instance_refresh", start_instance_refresh),
        (AutoScalingResponse, "describe_instance_refreshes", describe_instance_refreshes),
        (BudgetsResponse, "create_budget", create_budget_with_tags),
        (BudgetsResponse, "list_tags_for_resource", list_tags_of_budget),
        (BudgetsResponse, "describe_subscribers_for_notification", describe_subscribers),
        (GlueResponse, "get_table_optimizer", get_no_table_optimizer),
        (FakeKey, "__deepcopy__", copy_for_a_listing),
        (FakeBucket, "get_permission", bucket_permission),
        (FakeBucket, "_log_permissions_enabled_policy", may_deliver_logs),
        (SecurityGroupRule, "__init__", make_rule_with_description),
        (SecurityGroupRule, "description", property(attrgetter("kept_description"))),
        (DBParameterGroup, "update_parameters", update_parameters_as_user),
        (RDSBackend, "create_db_instance", create_instance_of_its_own),
        (DBInstance, "address", database_host),
    ]
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}))
        for place, name, addition in additions:
            stack.enter_context(mock.patch.object(place, name, addition, create=True))
        yield
