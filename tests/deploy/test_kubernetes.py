"""infra/kubernetes: every manifest against the schemas of Kubernetes, and what they promise each other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import kubernetes_validate
import psycopg
import yaml
from jsonschema import Draft202012Validator

from places import INFRA, PROGRAM, ROOT, documents

MANIFESTS = INFRA / "kubernetes"
AWS = MANIFESTS / "overlays/aws"
KUBERNETES = "1.31"
KEDA = json.loads(Path(__file__).with_name("keda.schema.json").read_text("utf-8"))
MIGRATIONS = ROOT / "src/store/postgres/migrations"
LAST_WORDS_S = 15


def kustomizations() -> List[Path]:
    """Folders with a kustomization."""
    return sorted(path.parent for path in MANIFESTS.rglob("kustomization.yaml"))


def manifests() -> Iterator[Tuple[Path, Dict[str, Any]]]:
    """Every Kubernetes object of the tree; patches, which are parts of one, are judged where they are built in."""
    for folder in kustomizations():
        (kustomization,) = documents(folder / "kustomization.yaml")
        for path in [folder / name for name in kustomization["resources"] if name.endswith(".yaml")]:
            yield from ((path, document) for document in documents(path))


def built(folder: Path) -> List[Dict[str, Any]]:
    """What kustomize makes of a folder."""
    run = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [document for document in yaml.safe_load_all(run.stdout) if document]


def one(folder: str, kind: str) -> Dict[str, Any]:
    """The object of a kind in a folder."""
    (found,) = [it for path, it in manifests() if path.parent == MANIFESTS / folder and it["kind"] == kind]
    return found


def judge(manifest: Dict[str, Any]) -> None:
    """Raises where a manifest is not what its schema says."""
    if not manifest["apiVersion"].startswith("keda.sh/"):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        return
    Draft202012Validator(KEDA).validate(manifest)
    advanced = manifest["spec"].get("advanced")
    if advanced:
        # KEDA hands this part on as it is.
        behavior = advanced["horizontalPodAutoscalerConfig"]["behavior"]
        spec = {"maxReplicas": 1, "scaleTargetRef": {"kind": "Deployment", "name": "x"}, "behavior": behavior}
        scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}}
        kubernetes_validate.validate({**scaler, "spec": spec}, KUBERNETES, strict=True)


class Manifests(unittest.TestCase):
    """What is written."""

    def test_each_is_what_its_schema_says(self) -> None:
        kinds = set()
        for path, manifest in manifests():
            with self.subTest(path=path.name, kind=manifest["kind"]):
                judge(manifest)
                kinds.add(manifest["kind"])
        wanted = {"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", "ScaledObject"}
        self.assertLessEqual(wanted, kinds)

    def test_the_schemas_find_slips(self) -> None:
        slip = one("base", "Deployment")
        slip["spec"]["template"]["spec"]["terminationGracePeriod"] = 900
        self.assertRaises(kubernetes_validate.ValidationError, judge, slip)

    def test_each_file_is_named_by_its_kustomization(self) -> None:
        for folder in kustomizations():
            (kustomization,) = documents(folder / "kustomization.yaml")
            named = [*kustomization.get("resources", []), *kustomization.get("components", [])]
            named += [patch["path"] for patch in kustomization.get("patches", [])]
            named += [file for made in kustomization.get("configMapGenerator", []) for file in made.get("files", [])]
            for name in named:
                self.assertTrue((folder / name).exists(), f"{folder.name}: {name}")
            own = {path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")} - {"kustomization.yaml"}
            self.assertEqual(own - set(named), set(), folder.name)

    def test_the_overlay_is_built(self) -> None:
        if not shutil.which("kubectl"):
            self.skipTest("there is no kubectl here")
        objects = built(AWS)
        for manifest in objects:
            judge(manifest)
            if manifest["kind"] != "Namespace":
                self.assertEqual(manifest["metadata"]["namespace"], "reelmill", manifest["kind"])
        (account,) = [it for it in objects if it["kind"] == "ServiceAccount"]
        self.assertIn("eks.amazonaws.com/role-arn", account["metadata"]["annotations"])

    def test_the_api_is_added_to_it(self) -> None:
        if not shutil.which("kubectl"):
            self.skipTest("there is no kubectl here")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            parts = {"resources": [AWS], "components": [MANIFESTS / "components/api"]}
            relative = {key: [os.path.relpath(path, folder) for path in paths] for key, paths in parts.items()}
            (folder / "kustomization.yaml").write_text(yaml.safe_dump(relative), encoding="utf-8")
            objects = built(folder)
        for manifest in objects:
            judge(manifest)
        (deployment,) = [it for it in objects if it["kind"] == "Deployment"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        self.assertIn({"name": "REELMILL_API_LISTEN", "value": "0.0.0.0:8080"}, container["env"])
        (service,) = [it for it in objects if it["kind"] == "Service"]
        self.assertEqual(service["spec"]["ports"][0]["targetPort"], container["ports"][0]["name"])

    def test_its_workflows_are_right(self) -> None:
        said = subprocess.run([PROGRAM, "validate", AWS / "workflows"], capture_output=True, text=True, check=False)
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)


class Pods(unittest.TestCase):
    """The Deployment."""

    def setUp(self) -> None:
        self.pod = one("base", "Deployment")["spec"]["template"]["spec"]
        (self.container,) = self.pod["containers"]
        self.environment = {it["name"]: it.get("value") for it in self.container["env"]}

    def test_it_meets_the_restricted_profile(self) -> None:
        pod, container = self.pod["securityContext"], self.container["securityContext"]
        self.assertEqual((pod["runAsNonRoot"], pod["runAsUser"]), (True, 10001))
        self.assertEqual(pod["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertEqual((container["allowPrivilegeEscalation"], container["readOnlyRootFilesystem"]), (False, True))
        self.assertEqual(container["capabilities"], {"drop": ["ALL"]})

    def test_a_pod_is_killed_after_its_drain(self) -> None:
        drain = 60 * int(self.environment["REELMILL_WORKER_DRAIN"].removesuffix("m"))
        self.assertGreaterEqual(self.pod["terminationGracePeriodSeconds"], drain + LAST_WORDS_S)

    def test_scratch_fits_in_its_volume(self) -> None:
        (data,) = [volume["emptyDir"]["sizeLimit"] for volume in self.pod["volumes"] if volume["name"] == "data"]
        scratch = self.environment["REELMILL_WORKER_SCRATCH_MAX"].removesuffix("GiB")
        self.assertLess(int(scratch), int(data.removesuffix("Gi")))

    def test_selectors_find_its_pods(self) -> None:
        labels = one("base", "Deployment")["spec"]["template"]["metadata"]["labels"]
        self.assertEqual(one("base", "PodDisruptionBudget")["spec"]["selector"]["matchLabels"], labels)
        self.assertEqual(one("base", "NetworkPolicy")["spec"]["podSelector"]["matchLabels"], labels)
        self.assertEqual(one("components/api", "Service")["spec"]["selector"], labels)

    def test_keys_are_in_no_manifest(self) -> None:
        everything = "".join(path.read_text("utf-8") for path in MANIFESTS.rglob("*.yaml"))
        self.assertNotIn("AWS_ACCESS_KEY_ID", everything)
        self.assertNotIn("kind: Secret\n", everything)


class Scaling(unittest.TestCase):
    """The question that KEDA asks, in a database with Reelmill's tables."""

    def test_it_counts_what_pods_could_do(self) -> None:
        url = os.environ.get("REELMILL_POSTGRES")
        if not url:
            self.skipTest("there is no PostgreSQL; infra/postgres.sh gives one")
        (trigger,) = one("components/keda", "ScaledObject")["spec"]["triggers"]
        self.assertEqual(trigger["metadata"]["targetQueryValue"], self.slots())
        query = trigger["metadata"]["query"]
        with psycopg.connect(url) as db:
            # Of its own, and gone with the transaction.
            db.execute("CREATE SCHEMA keda; SET LOCAL search_path = keda; SET LOCAL session_replication_role = replica")
            for migration in sorted(MIGRATIONS.glob("*.sql")):
                db.execute(migration.read_text("utf-8"))
            self.assertEqual(db.execute(query).fetchone(), (0,), "nothing to do")
            queues = "('free', 0, false), ('bounded', 2, false), ('paused', 0, true)"
            db.execute(f"INSERT INTO queues (name, concurrency, paused) VALUES {queues}")
            rows = [("free", "queued", 4), ("free", "running", 3), ("bounded", "queued", 9), ("bounded", "running", 1)]
            rows += [("paused", "queued", 50), ("paused", "running", 1), ("free", "succeeded", 7)]
            for number, (queue, state, count) in enumerate(rows):
                worker, due = ("'w'", "1") if state == "running" else ("NULL", "NULL")
                ended = "1" if state == "succeeded" else "NULL"
                db.execute(
                    "INSERT INTO jobs (execution, activity, id, state, queue, priority, worker, due_at, ended_at)"
                    f" SELECT {number}, n, gen_random_uuid(), '{state}', '{queue}', 6, {worker}, {due}, {ended}"
                    f" FROM generate_series(1, {count}) n"
                )
            self.assertEqual(db.execute(query).fetchone(), (7 + 2 + 1,))
            db.rollback()

    @staticmethod
    def slots() -> str:
        """Jobs at once in a pod."""
        (container,) = one("base", "Deployment")["spec"]["template"]["spec"]["containers"]
        (slots,) = [it["value"] for it in container["env"] if it["name"] == "REELMILL_WORKER_SLOTS"]
        return slots


if __name__ == "__main__":
    unittest.main()
