/**
 * A client that knows nothing of Innkeeper: it asks the server by the reflection protocol what
 * there is, builds its messages from the answer, creates a guest and waits for it. No code of ours.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Client, credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import {
  loadFileDescriptorSetFromBuffer,
  loadSync,
  type PackageDefinition,
} from "@grpc/proto-loader";
import protobuf from "protobufjs";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { PATIENCE, Programs } from "./programs.js";

const TINY = fileURLToPath(new URL("../../images/build/tiny/image.json", import.meta.url));

/** The part of `grpc.reflection.v1` and `grpc.health.v1` that is used here. */
const REFLECTION = `syntax = "proto3";
package grpc.reflection.v1;
service ServerReflection {
  rpc ServerReflectionInfo(stream Request) returns (stream Response);
}
message Request {
  oneof message_request { string file_containing_symbol = 4; string list_services = 7; }
}
message Response {
  Files file_descriptor_response = 4;
  Services list_services_response = 6;
}
message Files { repeated bytes file_descriptor_proto = 1; }
message Services { repeated Service service = 1; }
message Service { string name = 1; }`;
const HEALTH = `syntax = "proto3";
package grpc.health.v1;
service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse { int32 status = 1; }`;
const SERVING = 1;

const OPTIONS = { longs: Number, enums: String, defaults: true };

let programs: Programs;
let address: string;

beforeAll(async () => {
  programs = new Programs();
  ({ address } = await programs.controller());
  await programs.agent("n1", address);
  expect((await programs.inn(address, "image", "import", TINY)).code).toBe(0);
});

afterAll(async () => {
  await programs.dispose();
});

type Message = Readonly<Record<string, unknown>>;
type Unary = (
  request: Message,
  done: (error: ServiceError | null, answer: Message) => void,
) => void;

interface Stream {
  on(event: "data", listener: (message: Message) => void): void;
  on(event: "error", listener: (error: unknown) => void): void;
  write(message: Message): void;
  end(): void;
}

/** The client of one service, from whatever describes it. */
function clientOf(definition: PackageDefinition, service: string): Record<string, unknown> {
  const loaded = loadPackageDefinition(definition);
  const found = service.split(".").reduce<unknown>((at, step) => (at as Message)[step], loaded);
  const Service = found as new (address: string, how: unknown) => Client;
  return new Service(address, credentials.createInsecure()) as unknown as Record<string, unknown>;
}

function written(name: string, text: string): PackageDefinition {
  const file = path.join(programs.directory, name);
  writeFileSync(file, text);
  return loadSync(file, OPTIONS);
}

function close(client: Record<string, unknown>): void {
  (client as unknown as Client).close();
}

/** Asks the reflection service one question. */
function ask(question: Message): Promise<Message> {
  const client = clientOf(written("r.proto", REFLECTION), "grpc.reflection.v1.ServerReflection");
  return new Promise((resolve, reject) => {
    const open = client["ServerReflectionInfo"] as () => Stream;
    const stream = open.call(client);
    stream.on("data", (answer) => {
      resolve(answer);
      stream.end();
      close(client);
    });
    stream.on("error", reject);
    stream.write(question);
  });
}

async function call(client: Record<string, unknown>, method: string, request: Message) {
  return await new Promise<Message>((resolve, reject) => {
    (client[method] as Unary).call(client, request, (error, answer) => {
      if (error) reject(error);
      else resolve(answer);
    });
  });
}

/** Everything that the server says about the file of this symbol. */
async function described(symbol: string): Promise<PackageDefinition> {
  const answer = await ask({ fileContainingSymbol: symbol });
  const files = answer["fileDescriptorResponse"] as { fileDescriptorProto: Buffer[] };
  const set = protobuf.Writer.create();
  for (const file of files.fileDescriptorProto) set.uint32((1 << 3) | 2).bytes(file);
  return loadFileDescriptorSetFromBuffer(Buffer.from(set.finish()), OPTIONS);
}

it("lists every service", async () => {
  const answer = await ask({ listServices: "" });
  const { service } = answer["listServicesResponse"] as { service: { name: string }[] };
  const names = service.map(({ name }) => name);
  for (const each of ["Cluster", "Event", "Guest", "Image", "Node", "Operation", "Project"]) {
    expect(names).toContain(`innkeeper.v1.${each}Service`);
  }
  expect(names).toContain("innkeeper.agent.v1.RegistryService");
});

it("says that it is serving", async () => {
  const client = clientOf(written("h.proto", HEALTH), "grpc.health.v1.Health");
  expect(await call(client, "Check", { service: "" })).toEqual({ status: SERVING });
  close(client);
});

it("tells enough to create a guest, wait for it and read why it is where it is", async () => {
  const guests = clientOf(
    await described("innkeeper.v1.GuestService"),
    "innkeeper.v1.GuestService",
  );
  const operations = clientOf(
    await described("innkeeper.v1.OperationService"),
    "innkeeper.v1.OperationService",
  );
  const resources = { cpu_millis: 100, memory_mib: 32 };
  const guest = { id: "stranger", spec: { image_id: "tiny", mode: "MODE_HYBRID", resources } };
  const { operation } = await call(guests, "CreateGuest", { guest });
  const operationId = (operation as { id: string }).id;
  const ended = await vi.waitFor(async () => {
    const answer = await call(operations, "WaitOperation", { operation_id: operationId });
    expect(answer["operation"]).toMatchObject({ done: true });
    return answer["operation"];
  }, PATIENCE);
  expect(ended).toMatchObject({
    state: "OPERATION_STATE_SUCCEEDED",
    guest: {
      id: "stranger",
      status: {
        phase: "GUEST_PHASE_RUNNING",
        placement: { node_id: "n1", engine: "sim", mode: "MODE_HYBRID" },
      },
    },
  });
  await expect(call(guests, "GetGuest", { guest_id: "nobody" })).rejects.toMatchObject({
    code: 5,
    details: 'no guest "nobody"',
  });
  close(guests);
  close(operations);
});
