/** Who may use Redis: TLS with certificates on both sides, and a user with few rights. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { aProject, aTransaction } from "@innkeeper/core/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RedisProcess } from "../../testing/redis-process.js";
import { createRedisStore, type RedisStore, type RedisStoreOptions } from "./create-redis-store.js";

const PASSWORD = "correct horse";
/** What the store needs, and nothing else. */
const RIGHTS =
  "~{innkeeper}:* -@all +@hash +@string +@stream +@scripting +@keyspace +@transaction" +
  " +info +wait +ping +select +client|setname";

let directory: string;
let redis: RedisProcess;
let tls: { readonly ca: string; readonly cert: string; readonly key: string };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "innkeeper-tls-"));
  await makeCertificates();
  const file = (name: string): string => join(directory, name);
  redis = await RedisProcess.start({
    settings: [
      "port 0",
      "tls-port $PORT",
      `tls-cert-file ${file("redis.crt")}`,
      `tls-key-file ${file("redis.key")}`,
      `tls-ca-cert-file ${file("ca.crt")}`,
      "user default off",
      `user inn on ">${PASSWORD}" ${RIGHTS}`,
    ],
  });
  const text = async (name: string): Promise<string> => await readFile(file(name), "utf8");
  tls = { ca: await text("ca.crt"), cert: await text("client.crt"), key: await text("client.key") };
});

afterAll(async () => {
  await redis.remove();
  await rm(directory, { recursive: true, force: true });
});

function open(options: Partial<RedisStoreOptions>): Promise<RedisStore> {
  return createRedisStore({
    servers: { url: `rediss://127.0.0.1:${redis.port}` },
    clock: systemClock,
    ids: randomIdSource,
    changesKeptMax: 1000,
    timeoutMs: 3000,
    ...options,
  });
}

it("does everything over TLS as a user with few rights", async () => {
  const opened = await open({ tls, username: "inn", password: PASSWORD });
  const { store, lease } = opened;
  const term = await lease.acquire("one", 10_000);
  const puts = [{ key: "project/a" as const, value: aProject({ id: "a" }) }];
  const request = { id: "r", body: "b", answer: "x" };
  const leaderEpoch = term?.epoch ?? 0;
  const result = await store.commit(aTransaction({ puts, request, leaderEpoch }));
  expect(result).toMatchObject({ isCommitted: true, revision: 1 });
  expect((await store.snapshot()).records).toHaveLength(1);
  expect(await store.findRequest("r")).toEqual(request);
  expect(await store.oldestRevision()).toBe(0);
  for await (const batch of store.changes(0, new AbortController().signal)) {
    expect(batch).toMatchObject({ revision: 1 });
    break;
  }
  expect(term && (await lease.renew(term, 10_000))).toBe(true);
  await opened.close();
});

it("says that the password is wrong", async () => {
  const asked = open({ tls, username: "inn", password: "wrong", timeoutMs: 500 });
  await expect(asked).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining("WRONGPASS"),
  });
});

it("does not speak to a server that our authority does not know", async () => {
  const { ca: _, ...withoutAuthority } = tls;
  const asked = open({
    tls: withoutAuthority,
    username: "inn",
    password: PASSWORD,
    timeoutMs: 500,
  });
  await expect(asked).rejects.toMatchObject({ kind: "unavailable" });
});

async function makeCertificates(): Promise<void> {
  const subject = (name: string): string[] => ["-subj", `/CN=${name}`, "-days", "2", "-nodes"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const files = (name: string): string[] => ["-keyout", `${name}.key`, "-out", `${name}.crt`];
  await openssl("req", "-x509", ...key, ...subject("test authority"), ...files("ca"));
  for (const name of ["redis", "client"]) {
    const signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1"];
    await openssl("req", "-x509", ...key, ...subject(name), ...files(name), ...signed);
  }
}

async function openssl(...args: readonly string[]): Promise<void> {
  await promisify(execFile)("openssl", [...args], { cwd: directory });
}
