"""All that IAM decides about a process's calls: each call, and what AWS's services ask for in its name.

Source: the developer guides of KMS, "Permissions for AWS services in key policies"; S3, "GetObject"; SNS,
"Key management".
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from local.environment import REGION
from tests.terraform.calls import Call
from tests.terraform.cloud import Cloud
from tests.terraform.policies import Statement, statements

WRITES = ("s3:PutObject",)
OBJECTS = ("s3:GetObject", *WRITES)


@dataclass(frozen=True)
class Decisions:
    """What was decided about the calls of one user of the account."""

    cloud: Cloud
    user: str

    @cached_property
    def calls(self) -> set[tuple[str, str, tuple[tuple[str, str], ...]]]:
        """Action, resource and context of all; each once."""
        made = [decided for call in self.cloud.calls(self.user) for decided in self._all(call)]
        return {(call.action, call.resource, tuple(sorted(call.context.items()))) for call in made}

    def __iter__(self) -> Iterator[Call]:
        for action, resource, context in sorted(self.calls):
            yield Call(action, resource, dict(context))

    def _all(self, call: Call) -> Iterator[Call]:
        service = call.action.partition(":")[0]
        if service == "secretsmanager":
            secret = self._secret(call.resource.rpartition(":secret:")[2])
            if secret is not None:
                yield replace(call, resource=secret["ARN"])
                yield self._key_use("kms:Decrypt", secret["KmsKeyId"], service)
            return
        yield call
        if service == "s3":
            yield from self._of_object(call)
        if service == "sns":
            topic = self.cloud.client("sns").get_topic_attributes(TopicArn=call.resource)["Attributes"]
            for action in ("kms:Decrypt", "kms:GenerateDataKey"):
                yield self._key_use(action, topic["KmsMasterKeyId"], service)

    def _of_object(self, call: Call) -> Iterator[Call]:
        bucket = call.resource.removeprefix("arn:aws:s3:::").partition("/")[0]
        if not call.found and call.action == "s3:GetObject":
            # S3 says that an object is missing only to those who may list the bucket.
            yield Call("s3:ListBucket", f"arn:aws:s3:::{bucket}", call.context)
        if call.action in OBJECTS:
            key = self._bucket_key(bucket)
            yield self._key_use("kms:Decrypt", key, "s3")  # also of a write: for the parts of an upload
            if call.action in WRITES:
                yield self._key_use("kms:GenerateDataKey", key, "s3")

    def _bucket_key(self, bucket: str) -> str:
        found = self.cloud.client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
        return str(found["Rules"][0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"])

    def _secret(self, name: str) -> dict[str, Any] | None:
        """A secret by its name or its ARN; None where there is none, about which nothing is decided."""
        client = self.cloud.client("secretsmanager")
        try:
            found: dict[str, Any] = client.describe_secret(SecretId=name)
        except client.exceptions.ResourceNotFoundException:
            return None
        return found

    def _key_use(self, action: str, key: str, service: str) -> Call:
        found = self.cloud.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"]
        return Call(action, found, {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"})


def role_statements(cloud: Cloud, role: str) -> list[Statement]:
    """The statements of every policy of a role. A policy that is not the role's own is a failure."""
    iam = cloud.client("iam")
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policies = {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}
    return [statement for name, policy in policies.items() for statement in statements(name, policy)]
