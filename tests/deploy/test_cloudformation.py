"""infra/cloudformation.yaml: lint, what it allows, and an upload that comes out."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict

from moto.iam.access_control import IAMPolicy, PermissionResult

import stack
from places import INFRA, TINY_CLIP

WORKFLOW = """
name: fleet
trigger: { bucket: acme-uploads, key: "in/**/*.mp4" }
output: { bucket: acme-media, prefix: "made/${object.stem}/" }
activities:
  probe:
    analysis: {}
  poster:
    snapshot: { at: 10%, width: 160, name: poster.jpg }
"""
QUEUE_ARN = f"arn:aws:sqs:{stack.REGION}:{stack.ACCOUNT}:events"


def role_policy() -> IAMPolicy:
    """The task role's policy, with the names that the parameters and the stack give."""
    (policy,) = stack.template()["Resources"]["TaskRole"]["Properties"]["Policies"]
    arns = {"UploadBucket": f"arn:aws:s3:::{stack.UPLOADS}", "MediaBucket": f"arn:aws:s3:::{stack.MEDIA}"}
    arns |= {"EventQueue": QUEUE_ARN, "MetricLogs": f"arn:aws:logs:{stack.REGION}:{stack.ACCOUNT}:log-group:metrics:*"}

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "Fn::GetAtt" in value:
            return arns[value["Fn::GetAtt"][0]]
        if "Fn::Sub" in value:
            text = value["Fn::Sub"]
            for name, arn in arns.items():
                text = text.replace(f"${{{name}.Arn}}", arn)
            return text
        return {name: resolved(one) for name, one in value.items()}

    return IAMPolicy(json.dumps(resolved(policy["PolicyDocument"])))


def is_allowed(policy: IAMPolicy, action: str, resource: str) -> bool:
    """Whether a policy lets somebody do it."""
    return policy.is_action_permitted(action, resource) == PermissionResult.PERMITTED


class Template(unittest.TestCase):
    """What the template says."""

    def resource(self, name: str) -> Dict[str, Any]:
        """Properties of a resource."""
        return stack.template()["Resources"][name]["Properties"]

    def test_cfn_lint_finds_nothing(self) -> None:
        lint = Path(sys.executable).with_name("cfn-lint")
        found = subprocess.run([lint, INFRA / "cloudformation.yaml"], capture_output=True, text=True, check=False)
        self.assertEqual((found.returncode, found.stdout), (0, ""), found.stderr)

    def test_buckets_are_private_encrypted_and_swept(self) -> None:
        for name in ("UploadBucket", "MediaBucket"):
            bucket = self.resource(name)
            self.assertEqual(set(bucket["PublicAccessBlockConfiguration"].values()), {True}, name)
            (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            self.assertIn("SSEAlgorithm", rule["ServerSideEncryptionByDefault"], name)
            (rule,) = bucket["LifecycleConfiguration"]["Rules"]
            self.assertEqual(rule["Status"], "Enabled", name)
            self.assertIn("DaysAfterInitiation", rule["AbortIncompleteMultipartUpload"], name)

    def test_only_s3_for_this_bucket_of_this_account_may_send_events(self) -> None:
        (statement,) = self.resource("EventQueuePolicy")["PolicyDocument"]["Statement"]
        self.assertEqual(statement["Principal"], {"Service": "s3.amazonaws.com"})
        self.assertEqual(statement["Action"], "sqs:SendMessage")
        source = statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"]
        self.assertTrue(source.endswith(":s3:::${UploadBucketName}"), source)
        self.assertEqual(statement["Condition"]["StringEquals"], {"aws:SourceAccount": {"Ref": "AWS::AccountId"}})

    def test_the_role_may_touch_only_its_own(self) -> None:
        policy = role_policy()
        upload, media = f"arn:aws:s3:::{stack.UPLOADS}/x.mp4", f"arn:aws:s3:::{stack.MEDIA}/x.mp4"
        for action, resource in [
            ("s3:PutObject", upload),
            ("s3:DeleteObject", upload),
            ("s3:DeleteObject", media),
            ("s3:GetObject", "arn:aws:s3:::others/x.mp4"),
            ("s3:ListBucket", "arn:aws:s3:::others"),
            ("sqs:ReceiveMessage", QUEUE_ARN + "-of-others"),
            ("sqs:SendMessage", QUEUE_ARN),
            ("secretsmanager:GetSecretValue", "*"),
        ]:
            self.assertFalse(is_allowed(policy, action, resource), (action, resource))

    def test_the_database_is_private_and_its_password_in_no_template(self) -> None:
        database = self.resource("Database")
        self.assertEqual((database["StorageEncrypted"], database["PubliclyAccessible"]), (True, False))
        self.assertIn("{{resolve:secretsmanager:", database["MasterUserPassword"]["Fn::Sub"])
        names = [variable["Name"] for variable in stack.container()["Environment"]]
        self.assertFalse([name for name in names if "PASSWORD" in name or "SECRET" in name or "ACCESS_KEY" in name])

    def test_a_task_is_killed_after_its_drain(self) -> None:
        reelmill = stack.container()
        (drain,) = [one["Value"] for one in reelmill["Environment"] if one["Name"] == "REELMILL_WORKER_DRAIN"]
        # Stopped jobs and open requests have 15 s after the drain.
        self.assertLessEqual(int(drain.removesuffix("s")) + 15, reelmill["StopTimeout"])

    def test_it_grows_by_the_metric_that_its_agent_reads(self) -> None:
        alarm = self.resource("JobsWait")
        (variable,) = [one for one in stack.container("metrics")["Environment"] if one["Name"] == "CW_CONFIG_CONTENT"]
        processor = json.loads(variable["Value"]["Fn::Sub"])["logs"]["metrics_collected"]["prometheus"]["emf_processor"]
        (declared,) = processor["metric_declaration"]
        self.assertEqual(processor["metric_namespace"], alarm["Namespace"])
        self.assertEqual(declared["metric_selectors"], [f"^{alarm['MetricName']}$"])
        self.assertEqual(declared["dimensions"], [[one["Name"] for one in alarm["Dimensions"]]])


class Deployed(unittest.TestCase):
    """Its buckets, queues and notification on moto's CloudFormation, with a daemon on them."""

    def test_an_upload_comes_out_in_the_other_bucket(self) -> None:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as undo:
            cloud, outputs, daemon = stack.started(Path(folder), WORKFLOW, undo)
            self.assertEqual((outputs["UploadBucket"], outputs["MediaBucket"]), (stack.UPLOADS, stack.MEDIA))
            s3, sqs = cloud.client("s3"), cloud.client("sqs")
            s3.upload_file(str(TINY_CLIP), outputs["UploadBucket"], "in/a b/clip +1.mp4")
            made = stack.wait_for("the poster", lambda: stack.keys(s3, outputs["MediaBucket"]))
            self.assertEqual(made, ["made/clip +1/poster.jpg"])
            body = s3.get_object(Bucket=outputs["MediaBucket"], Key=made[0])["Body"].read()
            self.assertEqual(body[:2], b"\xff\xd8", "it is a JPEG")

            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "RedrivePolicy"]

            def attributes() -> Dict[str, str]:
                got = sqs.get_queue_attributes(QueueUrl=outputs["EventQueueUrl"], AttributeNames=names)
                return got["Attributes"]

            stack.wait_for("an empty queue", lambda: {attributes()[name] for name in names[:2]} == {"0"})
            dead = sqs.get_queue_attributes(QueueUrl=outputs["DeadLetterQueueUrl"], AttributeNames=["QueueArn"])
            redrive = json.loads(attributes()["RedrivePolicy"])
            self.assertEqual(redrive["deadLetterTargetArn"], dead["Attributes"]["QueueArn"])
            self.assertEqual(daemon.end(), 0, daemon.log())

            policy, asked = role_policy(), set(cloud.asked_by_daemon())
            self.assertIn(("s3:PutObject", f"arn:aws:s3:::{stack.MEDIA}/{made[0]}"), asked)
            for action, resource in asked:
                where = QUEUE_ARN if resource == "queue" else resource
                self.assertTrue(is_allowed(policy, action, where), f"the role does not allow {action} on {where}")


if __name__ == "__main__":
    unittest.main()
