/**
 * Hostile requests, drawn from a seed: for any message of the protocol, bytes that are well formed
 * by field type but hold what nobody expects, or that are not well formed at all.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Prng } from "@innkeeper/core/testing";
import protobuf from "protobufjs";

const PROTO = fileURLToPath(new URL("../../proto", import.meta.url));
const SERVICES = [
  "innkeeper/v1/cluster_service.proto",
  "innkeeper/v1/event_service.proto",
  "innkeeper/v1/guest_service.proto",
  "innkeeper/v1/image_service.proto",
  "innkeeper/v1/node_service.proto",
  "innkeeper/v1/operation_service.proto",
  "innkeeper/v1/project_service.proto",
  "innkeeper/agent/v1/agent_service.proto",
  "innkeeper/agent/v1/registry_service.proto",
];
const DEPTH_MAX = 5;

export interface Rpc {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly request: protobuf.Type;
  readonly isRequestStream: boolean;
  readonly isResponseStream: boolean;
}

/** Every RPC of every service, public and private. */
export function allRpcs(): readonly Rpc[] {
  const root = new protobuf.Root();
  root.resolvePath = (_, target) =>
    target.startsWith("google/") ? target : path.join(PROTO, target);
  root.loadSync(SERVICES, { keepCase: true });
  root.resolveAll();
  const packages = ["innkeeper.v1", "innkeeper.agent.v1"];
  const services = packages.flatMap((name) =>
    root.lookup(name) instanceof protobuf.Namespace
      ? (root.lookup(name) as protobuf.Namespace).nestedArray.filter(
          (each) => each instanceof protobuf.Service,
        )
      : [],
  );
  return services.flatMap((service) =>
    service.methodsArray.map((method) => ({
      path: `/${service.fullName.slice(1)}/${method.name}`,
      request: method.resolvedRequestType ?? root.lookupType(method.requestType),
      isRequestStream: method.requestStream === true,
      isResponseStream: method.responseStream === true,
    })),
  );
}

const TEXTS = [
  "",
  "a,b",
  "a'b\"c`d",
  "line\nbreak\r\n",
  "../../../../etc/passwd",
  "..",
  "/",
  "nul\0byte",
  "Ünïcödé ☃ \u{1f600}",
  "\u001b[2J\u0007",
  "-incoming exec:reboot",
  "__proto__",
  "constructor",
  "%s%n%x",
  "$(reboot)",
  "-1",
  "9007199254740993",
  "x".repeat(64),
  "x".repeat(64 * 1024),
];
const INTEGERS = [
  0n,
  1n,
  -1n,
  2n,
  50n,
  100n,
  1000n,
  2n ** 31n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];
const DOUBLES = [0, -0, 1e308, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const WORDS = ["running", "absent", "sim", "qemu", "kvm", "tcg", "stopped", "x86_64", "labels"];

/** Draws requests; `known` are names and ids that are really there, so that some get far. */
export class HostileMessages {
  constructor(
    private readonly prng: Prng,
    private readonly known: readonly string[],
  ) {}

  /** Bytes to send as a request of this type. */
  encode(type: protobuf.Type): Buffer {
    const { prng } = this;
    if (prng.chance(0.05)) return this.#garbage(prng.integer(0, 300));
    const bytes = Buffer.from(this.#message(type, 0));
    if (prng.chance(0.05)) return bytes.subarray(0, prng.integer(0, bytes.length));
    return prng.chance(0.05) ? Buffer.concat([bytes, this.#unknownField()]) : bytes;
  }

  #message(type: protobuf.Type, depth: number): Uint8Array {
    const writer = protobuf.Writer.create();
    for (const field of type.fieldsArray) {
      const count = field.repeated || field.map ? this.prng.integer(0, 3) : 1;
      if (this.prng.chance(0.2)) continue;
      for (let n = 0; n < count; n += 1) this.#field(writer, field, depth);
    }
    return writer.finish();
  }

  #field(writer: protobuf.Writer, field: protobuf.Field, depth: number): void {
    const { resolvedType, id } = field;
    if (this.prng.chance(0.01)) {
      writer.uint32((id << 3) | 1).double(this.prng.pick(DOUBLES));
    } else if (field instanceof protobuf.MapField) {
      const entry = protobuf.Writer.create();
      entry.uint32((1 << 3) | 2).string(this.#text());
      entry.uint32((2 << 3) | 2).string(this.#text());
      writer.uint32((id << 3) | 2).bytes(entry.finish());
    } else if (resolvedType instanceof protobuf.Type) {
      if (depth > DEPTH_MAX) return;
      writer.uint32((id << 3) | 2).bytes(this.#message(resolvedType, depth + 1));
    } else if (resolvedType instanceof protobuf.Enum) {
      const values = [...Object.values(resolvedType.values), 99, -1];
      writer.uint32(id << 3).int32(this.prng.pick(values));
    } else {
      this.#scalar(writer, id, field.type);
    }
  }

  #scalar(writer: protobuf.Writer, id: number, type: string): void {
    const { prng } = this;
    switch (type) {
      case "string":
        writer.uint32((id << 3) | 2).string(this.#text());
        break;
      case "bytes":
        writer.uint32((id << 3) | 2).bytes(this.#garbage(prng.integer(0, 2000)));
        break;
      case "double":
        writer.uint32((id << 3) | 1).double(prng.pick(DOUBLES));
        break;
      default:
        writer.uint32(id << 3).int64(this.#integer());
    }
  }

  #text(): string {
    const { prng, known } = this;
    const kind = prng.integer(0, 9);
    if (kind < 5) return prng.pick(known);
    return prng.pick(kind < 6 ? WORDS : TEXTS);
  }

  #integer(): string {
    const { prng } = this;
    return String(prng.chance(0.7) ? prng.integer(0, 2000) : prng.pick(INTEGERS));
  }

  #unknownField(): Buffer {
    const writer = protobuf.Writer.create();
    writer.uint32((this.prng.integer(1000, 5000) << 3) | 2).bytes(this.#garbage(20));
    return Buffer.from(writer.finish());
  }

  #garbage(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.prng.integer(0, 255)));
  }
}
