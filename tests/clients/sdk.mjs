// What users of the AWS SDK for JavaScript do: run by `test_programs.py` with a bucket; keys and address from the environment.
import assert from "node:assert/strict";
import { Readable } from "node:stream";

import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const Bucket = process.argv[2];
const s3 = new S3Client({ endpoint: process.env.AWS_ENDPOINT_URL, forcePathStyle: true, maxAttempts: 1 });
const bytes = async (Key) => Buffer.from(await (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToByteArray());

for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  const Key = `put/ä +&${ChecksumAlgorithm}.txt`;
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: "one", ChecksumAlgorithm, CacheControl: "no-store" }));
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
  assert.ok(head[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm);
  assert.equal(head.ChecksumType, "FULL_OBJECT");
  assert.equal(head.CacheControl, "no-store");
  assert.equal((await bytes(Key)).toString(), "one");
}

// A stream, whose checksum comes behind it.
const streamed = Buffer.alloc(300_000, "stream");
const Body = Readable.from([streamed.subarray(0, 100_000), streamed.subarray(100_000)]);
await s3.send(new PutObjectCommand({ Bucket, Key: "streamed", Body, ContentLength: streamed.length }));
assert.ok((await bytes("streamed")).equals(streamed));

const large = Buffer.alloc(12 * 1024 * 1024 + 7, "parts and more parts ");
const params = { Bucket, Key: "parts.bin", Body: Readable.from([large]), ContentType: "video/mp4" };
const done = await new Upload({ client: s3, partSize: 5 * 1024 * 1024, params }).done();
assert.match(done.ETag, /-3"$/);
assert.ok((await bytes("parts.bin")).equals(large));

await s3.send(new CopyObjectCommand({ Bucket, Key: "copy.bin", CopySource: `${Bucket}/parts.bin` }));
assert.equal((await s3.send(new HeadObjectCommand({ Bucket, Key: "copy.bin" }))).ContentType, "video/mp4");

// An address for somebody without keys.
const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "presigned", ContentType: "text/plain" }), { expiresIn: 60 });
assert.equal((await fetch(put, { method: "PUT", body: "signed", headers: { "content-type": "text/plain" } })).status, 200);
const get = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "presigned" }), { expiresIn: 60 });
assert.equal(await (await fetch(get)).text(), "signed");

await assert.rejects(s3.send(new PutObjectCommand({ Bucket, Key: "presigned", Body: "x", IfNoneMatch: "*" })), {
  name: "PreconditionFailed",
});
await assert.rejects(s3.send(new GetObjectCommand({ Bucket, Key: "never" })), { name: "NoSuchKey" });

const found = (await s3.send(new ListObjectsV2Command({ Bucket }))).Contents.map(({ Key }) => Key);
assert.equal(found.length, 9);
const deleted = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: found.map((Key) => ({ Key })) } }));
assert.equal(deleted.Deleted.length, 9);
assert.equal((await s3.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0);
