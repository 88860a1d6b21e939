"""All that IAM decides about a process's calls: each call, and what AWS's services ask for in its name.

Source: the developer guides of KMS, "Permissions for AWS services in key policies"; S3, "GetObject"; SNS,
"Key management"; Glue, "Specifying AWS Glue resource ARNs".
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from local.environment import REGION
from tests.terraform.calls import Call
from tests.terraform.cloud import Cloud
from tests.terraform.policies import Statement, statements

WRITES = ("s3:PutObject",)
OBJECTS = ("s3:GetObject", "s3:GetObjectVersion", *WRITES)


def decisions(cloud: Cloud, user: str) -> list[Call]:
    """What was decided about all calls that a user of the account has made, each once."""
    made = [decided for call in cloud.calls(user) for decided in _Service(cloud).decisions(call)]
    by_content = {(call.action, call.resource, *sorted(call.context.items())): call for call in made}
    return [by_content[content] for content in sorted(by_content)]


@dataclass(frozen=True)
class _Service:
    """AWS's services as they are set up in an account."""

    cloud: Cloud

    def decisions(self, call: Call) -> Iterator[Call]:
        service = call.action.partition(":")[0]
        if service == "secretsmanager":
            secret = self._secret(call.resource)
            yield replace(call, resource=secret["ARN"])
            yield self._key_use("kms:Decrypt", secret["KmsKeyId"], service)
            return
        yield call
        if service == "s3":
            yield from self._of_object(call)
        if service == "glue":
            yield from _parents(call)
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

    def _secret(self, asked: str) -> dict[str, Any]:
        """A secret by its ARN, or by one that ends with its name. Raises: LookupError where there is none."""
        name = asked.rpartition(":secret:")[2]
        for page in self.cloud.client("secretsmanager").get_paginator("list_secrets").paginate():
            for secret in page["SecretList"]:
                if asked == secret["ARN"] or name == secret["Name"]:
                    return dict(secret)
        raise LookupError(f"the pipeline asked for {name}, which is no secret")

    def _key_use(self, action: str, key: str, service: str) -> Call:
        found = self.cloud.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"]
        return Call(action, found, {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"})


def _parents(call: Call) -> Iterator[Call]:
    """The same of that which a table or a database of the catalogue is in: Glue asks for all of it."""
    account, _, name = call.resource.rpartition(":")
    kind, _, inside = name.partition("/")
    if kind == "table":
        yield replace(call, resource=f"{account}:database/{inside.partition('/')[0]}")
    yield replace(call, resource=f"{account}:catalog")


def role_statements(cloud: Cloud, role: str) -> list[Statement]:
    """The statements of every policy of a role. A policy that is not the role's own is a failure."""
    iam = cloud.client("iam")
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policies = {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}
    return [statement for name, policy in policies.items() for statement in statements(name, policy)]
