"""Programs and libraries that people upload with, as they come: with their defaults, and large enough for parts."""

from __future__ import annotations

import filecmp
import shutil
import unittest
from pathlib import Path

import fsspec
from boto3.s3.transfer import TransferConfig
from minio import Minio
from minio.commonconfig import CopySource

from surroundings import MIB, REGION, Endpoint

HERE = Path(__file__).resolve().parent
HAS_RCLONE = bool(shutil.which("rclone"))
HAS_SDK = bool(shutil.which("node")) and (HERE / "node_modules/.installed").is_file()


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.endpoint = Endpoint()
        cls.s3 = cls.endpoint.client()
        cls.files = cls.endpoint.folder / "files"
        (cls.files / "more").mkdir(parents=True)
        (cls.files / "small a+b &\u00fc.txt").write_bytes(b"small")
        (cls.files / "more/large.bin").write_bytes(bytes(range(256)) * 4096 * 33)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.endpoint.end()

    def same(self, folder: Path) -> None:
        """What came back is what was sent."""
        for name in ("small a+b &\u00fc.txt", "more/large.bin"):
            self.assertTrue(filecmp.cmp(self.files / name, folder / name, shallow=False), name)

    def test_field_fault_clients_awscli(self) -> None:
        bucket, back = "awscli-bucket", self.endpoint.folder / "awscli"
        aws = lambda *words, ok=True: self.endpoint.run("aws", *words, ok=ok)
        aws("s3", "mb", f"s3://{bucket}")
        aws("s3", "sync", str(self.files), f"s3://{bucket}/in")
        self.assertIn("large.bin", aws("s3", "ls", "--recursive", f"s3://{bucket}"))
        aws("s3", "sync", f"s3://{bucket}/in", str(back))
        self.same(back)
        aws("s3", "cp", f"s3://{bucket}/in/more/large.bin", f"s3://{bucket}/copy.bin")
        aws("s3", "mv", f"s3://{bucket}/copy.bin", f"s3://{bucket}/moved.bin")
        self.assertIn("NotImplemented", aws("s3", "cp", "--acl", "public-read", str(self.files / "more/large.bin"), f"s3://{bucket}/x", ok=False))
        aws("s3", "rb", "--force", f"s3://{bucket}")

    def test_field_fault_clients_s3cmd(self) -> None:
        bucket, back = "s3cmd-bucket", self.endpoint.folder / "s3cmd"
        back.mkdir()
        config = self.endpoint.folder / "s3cfg"
        lines = [
            "[default]",
            f"access_key = {self.endpoint.key}",
            f"secret_key = {self.endpoint.secret}",
            f"host_base = {self.endpoint.address}",
            f"host_bucket = {self.endpoint.address}",
            "use_https = False",
        ]
        config.write_text("\n".join(lines), encoding="utf-8")
        s3cmd = lambda *words, ok=True: self.endpoint.run("s3cmd", "-c", str(config), "--no-progress", *words, ok=ok)
        s3cmd("mb", f"s3://{bucket}")
        s3cmd("put", "--recursive", f"{self.files}/", f"s3://{bucket}/in/")
        self.assertIn("large.bin", s3cmd("ls", "--recursive", f"s3://{bucket}"))
        self.assertIn("Location:", s3cmd("info", f"s3://{bucket}"))
        self.assertIn("ACL:", s3cmd("info", f"s3://{bucket}/in/more/large.bin"))
        s3cmd("get", "--recursive", f"s3://{bucket}/in/", f"{back}/")
        self.same(back)
        s3cmd("cp", f"s3://{bucket}/in/more/large.bin", f"s3://{bucket}/copy.bin")
        s3cmd("mv", f"s3://{bucket}/copy.bin", f"s3://{bucket}/moved.bin")
        s3cmd("modify", "--add-header=Cache-Control:no-store", f"s3://{bucket}/moved.bin")
        self.assertEqual(self.s3.head_object(Bucket=bucket, Key="moved.bin")["CacheControl"], "no-store")
        s3cmd("sync", f"{self.files}/", f"s3://{bucket}/in/")
        s3cmd("put", "--acl-public", str(self.files / "more/large.bin"), f"s3://{bucket}/x", ok=False)
        s3cmd("multipart", f"s3://{bucket}")
        s3cmd("rb", "--recursive", "--force", f"s3://{bucket}")

    @unittest.skipUnless(HAS_RCLONE, "there is no rclone")
    def test_field_fault_clients_rclone(self) -> None:
        bucket, back = "rclone-bucket", self.endpoint.folder / "rclone"
        config = self.endpoint.folder / "rclone.conf"
        lines = [
            "[r]",
            "type = s3",
            "provider = Other",
            f"access_key_id = {self.endpoint.key}",
            f"secret_access_key = {self.endpoint.secret}",
            f"endpoint = {self.endpoint.url}",
            "acl = private",
        ]
        config.write_text("\n".join(lines), encoding="utf-8")
        rclone = lambda *words, ok=True: self.endpoint.run("rclone", "--config", str(config), "--retries", "1", *words, ok=ok)
        rclone("mkdir", f"r:{bucket}")
        rclone("copy", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M", str(self.files), f"r:{bucket}/in")
        rclone("check", "--download", str(self.files), f"r:{bucket}/in")
        rclone("check", str(self.files), f"r:{bucket}/in")
        rclone("copy", f"r:{bucket}/in", str(back))
        self.same(back)
        rclone("moveto", f"r:{bucket}/in/more/large.bin", f"r:{bucket}/moved.bin")
        self.assertIn("moved.bin", rclone("lsf", f"r:{bucket}"))
        rclone("touch", f"r:{bucket}/touched")
        rclone("purge", f"r:{bucket}")

    @unittest.skipUnless(HAS_SDK, "there is no node, or `npm ci` was not run")
    def test_field_fault_clients_aws_sdk_for_javascript(self) -> None:
        self.endpoint.run(shutil.which("node"), str(HERE / "sdk.mjs"), self.endpoint.bucket())

    def test_field_fault_clients_minio_py(self) -> None:
        bucket = "minio-bucket"
        client = Minio(self.endpoint.address, access_key=self.endpoint.key, secret_key=self.endpoint.secret, secure=False)
        client.make_bucket(bucket_name=bucket)
        self.assertTrue(client.bucket_exists(bucket_name=bucket))
        large = self.files / "more/large.bin"
        metadata = {"Title": "one", "Cache-Control": "no-store"}
        client.fput_object(bucket_name=bucket, object_name="in/large.bin", file_path=str(large), part_size=5 * MIB, metadata=metadata)
        found = client.stat_object(bucket_name=bucket, object_name="in/large.bin")
        self.assertEqual(found.size, large.stat().st_size)
        client.fget_object(bucket_name=bucket, object_name="in/large.bin", file_path=str(self.endpoint.folder / "minio.bin"))
        self.assertTrue(filecmp.cmp(large, self.endpoint.folder / "minio.bin", shallow=False))
        client.copy_object(bucket_name=bucket, object_name="copy.bin", source=CopySource(bucket_name=bucket, object_name="in/large.bin"))
        names = [found.object_name for found in client.list_objects(bucket_name=bucket, recursive=True)]
        self.assertEqual(names, ["copy.bin", "in/large.bin"])
        for name in names:
            client.remove_object(bucket_name=bucket, object_name=name)
        client.remove_bucket(bucket_name=bucket)

    def test_field_fault_clients_s3fs(self) -> None:
        bucket = self.endpoint.bucket()
        settings = {"endpoint_url": self.endpoint.url, "client_kwargs": {"region_name": REGION}}
        files = fsspec.filesystem("s3", key=self.endpoint.key, secret=self.endpoint.secret, skip_instance_cache=True, **settings)
        large = self.files / "more/large.bin"
        files.put(str(large), f"{bucket}/in/large.bin")
        with files.open(f"{bucket}/in/written.bin", "wb", block_size=5 * MIB) as target:
            target.write(large.read_bytes())
        with files.open(f"{bucket}/in/written.bin", "rb") as source:
            source.seek(MIB)
            self.assertEqual(source.read(100), large.read_bytes()[MIB : MIB + 100])
        self.assertEqual(sorted(files.ls(f"{bucket}/in")), [f"{bucket}/in/large.bin", f"{bucket}/in/written.bin"])
        files.cp_file(f"{bucket}/in/large.bin", f"{bucket}/copy.bin")
        self.assertEqual(files.info(f"{bucket}/copy.bin")["size"], large.stat().st_size)
        files.rm(bucket, recursive=True)

    def test_field_fault_clients_boto3_by_the_name_of_the_host(self) -> None:
        import botocore.httpsession  # noqa: F401  (the name is looked up by the patched resolver below)
        import socket

        # `*.localhost` is this machine; not every resolver knows.
        ask = socket.getaddrinfo

        def answer(host, *rest, **named):
            return ask("127.0.0.1" if str(host).endswith("localhost") else host, *rest, **named)

        bucket = self.endpoint.bucket()
        socket.getaddrinfo = answer
        try:
            import boto3
            from botocore.config import Config

            config = Config(s3={"addressing_style": "virtual"}, retries={"total_max_attempts": 1})
            client = boto3.client(
                "s3",
                endpoint_url=f"http://localhost:{self.endpoint.port}",
                region_name=REGION,
                aws_access_key_id=self.endpoint.key,
                aws_secret_access_key=self.endpoint.secret,
                config=config,
            )
            body = bytes(range(256)) * 4096 * 9
            (self.endpoint.folder / "nine.bin").write_bytes(body)
            parts = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
            client.upload_file(str(self.endpoint.folder / "nine.bin"), bucket, "a/nine.bin", Config=parts)
            self.assertEqual(client.get_object(Bucket=bucket, Key="a/nine.bin")["Body"].read(), body)
            self.assertEqual([found["Key"] for found in client.list_objects_v2(Bucket=bucket)["Contents"]], ["a/nine.bin"])
        finally:
            socket.getaddrinfo = ask
        self.assertEqual(self.s3.head_object(Bucket=bucket, Key="a/nine.bin")["ContentLength"], len(body))


if __name__ == "__main__":
    unittest.main()
