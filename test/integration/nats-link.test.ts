/** Connecting to a real nats-server: credentials, TLS, losses (A1, A2). */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { LogFields, Logger } from "@innkeeper/core";
import { NatsLink, request, serve } from "@innkeeper/core/platform/nats";
import { silentLogger } from "@innkeeper/core/testing";
import { nkeys } from "@nats-io/transport-node";
import { afterEach, expect, it, vi } from "vitest";
import { NatsServer } from "./nats-server.js";

const WITHIN = { timeout: 10_000, interval: 20 };
let server: NatsServer | undefined;

afterEach(async () => {
  await server?.end();
  server = undefined;
});

const USER = { user: "innkeeper", password: 'p"4 $s' };
const USER_CONFIG = `authorization { user: innkeeper, password: ${JSON.stringify(USER.password)} }`;

it("connects by user and password", async () => {
  server = await NatsServer.start(USER_CONFIG);
  await expectEcho(server.link({ credentials: USER }));
});

it("connects by the seed of an nkey", async () => {
  const pair = nkeys.createUser();
  server = await NatsServer.start(`authorization { users: [{ nkey: ${pair.getPublicKey()} }] }`);
  const nkeySeed = `${new TextDecoder().decode(pair.getSeed())}\n`;
  await expectEcho(server.link({ credentials: { nkeySeed } }));
});

it.each([
  ["a wrong password", { user: USER.user, password: "wrong" }],
  ["another key", { nkeySeed: new TextDecoder().decode(nkeys.createUser().getSeed()) }],
  ["no credentials", undefined],
])("says clearly that the server refuses %s, once, and tries on", async (_, credentials) => {
  server = await NatsServer.start(USER_CONFIG);
  const { log, lines } = listeningLogger();
  const link = NatsLink.open({ ...server.options(), credentials }, log);
  const refused = { kind: "unauthenticated", reason: "NATS_CREDENTIALS_REFUSED" };
  await expect(link.connected()).rejects.toMatchObject(refused);
  await expect(link.connected()).rejects.toMatchObject(refused);
  expect(lines).toEqual(["error: nats refuses the credentials"]);
  expect(() => link.connection).toThrow(/refuses the credentials/);
  await server.stop();
  server.configure("");
  await server.run();
  await link.connected();
  await link.close();
});

it("refuses a seed that is none when it is opened", async () => {
  server = await NatsServer.start();
  const options = { ...server.options(), credentials: { nkeySeed: "secret" } };
  const open = () => NatsLink.open(options, silentLogger);
  expect(open).toThrow(expect.objectContaining({ kind: "invalid" }));
  expect(open).not.toThrow(/secret/);
});

it("connects over TLS with a certificate of its own, to servers of its authority", async () => {
  server = await NatsServer.start();
  const files = makeCertificates(server.directory);
  await server.stop();
  server.configure(tlsConfig(server.directory));
  await server.run();
  const { ca, identity } = files;
  await expectEcho(server.link({ tls: { ca, identity } }));
  const servers = [`tls://127.0.0.1:${server.port}`];
  await expectEcho(server.link({ servers, tls: { ca, identity } }));
});

it("does not take a certificate of another address", async () => {
  server = await NatsServer.start();
  const { ca, identity } = makeCertificates(server.directory, "DNS:localhost,IP:127.0.0.2");
  await server.stop();
  server.configure(tlsConfig(server.directory));
  await server.run();
  const { log, lines } = listeningLogger();
  const link = NatsLink.open({ ...server.options(), tls: { ca, identity } }, log);
  await vi.waitFor(() => expect(lines[0]).toMatch(/^warn: nats cannot be reached/), WITHIN);
  expect(link.isConnected).toBe(false);
  await link.close();
});

it("does not connect over TLS with another authority or without a certificate", async () => {
  server = await NatsServer.start();
  const { ca, identity, otherCa } = makeCertificates(server.directory);
  await server.stop();
  server.configure(tlsConfig(server.directory));
  await server.run();
  for (const tls of [{ ca: otherCa, identity }, { ca, identity: undefined }, undefined]) {
    const { log, lines } = listeningLogger();
    const link = NatsLink.open({ ...server.options(), tls }, log);
    await vi.waitFor(() => expect(lines[0]).toMatch(/^warn: nats cannot be reached/), WITHIN);
    expect(link.isConnected).toBe(false);
    await link.close();
  }
});

it("does not go without TLS when it was told to use it", async () => {
  server = await NatsServer.start();
  const { ca } = makeCertificates(server.directory);
  const { log, lines } = listeningLogger();
  const link = NatsLink.open({ ...server.options(), tls: { ca, identity: undefined } }, log);
  await vi.waitFor(() => expect(lines).toHaveLength(1), WITHIN);
  expect(link.isConnected).toBe(false);
  await link.close();
});

it("begins before the server does, and serves when it comes", async () => {
  server = await NatsServer.start();
  await server.stop();
  const link = server.link();
  expect(() => link.connection).toThrow(expect.objectContaining({ kind: "unavailable" }));
  const echoed = expectEcho(link);
  await server.run();
  await echoed;
});

it("comes back after each loss, with its subscriptions (A1)", async () => {
  server = await NatsServer.start();
  const link = server.link();
  await link.connected();
  serve(link, { subject: "again", handle: async ({ data }) => data, log: silentLogger });
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await server.stop(signal);
    await vi.waitFor(() => expect(link.isConnected).toBe(false), WITHIN);
    await expect(ask(link, "again")).rejects.toMatchObject({ kind: "unavailable" });
    await server.run();
    await vi.waitFor(() => expect(link.isConnected).toBe(true), WITHIN);
    expect(await ask(link, "again")).toBe("hello");
  }
});

it("notices a server that is silent but not gone, and that it is back (A1)", async () => {
  server = await NatsServer.start();
  const link = server.link();
  await link.connected();
  server.freeze();
  await vi.waitFor(() => expect(link.isConnected).toBe(false), WITHIN);
  server.thaw();
  await vi.waitFor(() => expect(link.isConnected).toBe(true), WITHIN);
});

it("sends what is on its way before it closes", async () => {
  server = await NatsServer.start();
  const [sender, receiver] = [server.link(), server.link()];
  let received = 0;
  const connection = await receiver.connected();
  connection.subscribe("last.words", {
    callback: () => {
      received += 1;
    },
  });
  await connection.flush();
  const sending = await sender.connected();
  for (let count = 0; count < 1_000; count += 1) sending.publish("last.words", "x".repeat(1_000));
  await sender.close();
  await vi.waitFor(() => expect(received).toBe(1_000), WITHIN);
});

it("refuses a message that is larger than the server takes", async () => {
  server = await NatsServer.start("max_payload: 1000");
  const link = server.link();
  await link.connected();
  const data = new Uint8Array(1_001);
  const sent = request(link, { subject: "large", data, context: {} }, 1_000);
  await expect(sent).rejects.toMatchObject({ kind: "unavailable" });
});

it("carries the context of a request to its handler", async () => {
  server = await NatsServer.start();
  const link = server.link();
  await link.connected();
  const seen: unknown[] = [];
  const handle = async ({ data, context }: { data: Uint8Array; context: unknown }) => {
    seen.push(context);
    return data;
  };
  serve(link, { subject: "context", handle, log: silentLogger });
  const context = { requestId: "r-1", operationId: "o-1" };
  const message = { subject: "context", data: new Uint8Array(), context };
  await request(link, message, 2_000);
  await request(link, { ...message, context: {} }, 2_000);
  expect(seen).toEqual([context, {}]);
});

async function expectEcho(link: NatsLink): Promise<void> {
  const stop = serve(link, {
    subject: "echo",
    handle: async ({ data }) => data,
    log: silentLogger,
  });
  await link.connected();
  expect(await ask(link, "echo")).toBe("hello");
  stop();
}

async function ask(link: NatsLink, subject: string): Promise<string> {
  const data = new TextEncoder().encode("hello");
  return new TextDecoder().decode(await request(link, { subject, data, context: {} }, 2_000));
}

function listeningLogger(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (_: LogFields, sentence: string) => {
    lines.push(`${level}: ${sentence}`);
  };
  const log: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: at("warn"),
    error: at("error"),
    child: () => log,
  };
  return { log, lines };
}

function tlsConfig(directory: string): string {
  const file = (name: string) => JSON.stringify(path.join(directory, name));
  const files = `cert_file: ${file("server.pem")}, key_file: ${file("server.key")}`;
  return `tls { ${files}, ca_file: ${file("ca.pem")}, verify: true }`;
}

/** Two authorities; a server and a client of the first. */
function makeCertificates(directory: string, names = "IP:127.0.0.1") {
  const file = (name: string) => path.join(directory, name);
  const read = (name: string) => readFileSync(file(name), "utf8");
  const openssl = (...args: readonly string[]) =>
    execFileSync("openssl", args, { stdio: "pipe", cwd: directory });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  for (const name of ["ca", "other-ca"]) {
    const self = ["req", "-x509", ...newKey, "-days", "2", "-subj", `/CN=${name}`];
    openssl(...self, "-keyout", `${name}.key`, "-out", `${name}.pem`);
  }
  writeFileSync(file("names.ext"), `subjectAltName=${names}\n`);
  for (const name of ["server", "client"]) {
    openssl("req", ...newKey, "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", "csr.pem");
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
    openssl(
      "x509",
      "-req",
      "-in",
      "csr.pem",
      ...by,
      "-extfile",
      "names.ext",
      "-out",
      `${name}.pem`,
    );
  }
  const identity = { cert: read("client.pem"), key: read("client.key") };
  return { ca: read("ca.pem"), otherCa: read("other-ca.pem"), identity };
}
