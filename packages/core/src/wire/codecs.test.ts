/** Nodes, images, numbers and enums on the wire. */
import type { JoinNodeRequest } from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import { JoinNodeRequest as JoinMessage } from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import type { ImageManifest as ProtoManifest } from "@innkeeper/proto/innkeeper/v1/image";
import { describe, expect, it } from "vitest";
import { IMAGE_KINDS, IMAGE_ROLES, type ImageBlob } from "../domain/image.js";
import { aNode, anImage } from "../testing/builders.js";
import { forEachSeed } from "../testing/prng.js";
import * as enums from "./enums.js";
import { imageManifestToProto, parseImageManifest } from "./image-codec.js";
import { introductionToProto, parseIntroduction } from "./node-codec.js";
import { durationOf, parseDurationMs, parseInteger, parsePrintable } from "./numbers.js";

describe("introductions of nodes", () => {
  const node = aNode({ labels: { zone: "a" }, problems: ["no KVM here"] });
  const { id, address, labels, capacity, reserve, overcommitPercent } = node;
  const { abilities, problems, incarnation } = node;
  const sent = { id, address, labels, capacity, reserve, overcommitPercent };
  const introduction = { ...sent, abilities, problems, incarnation };

  it("come back as they were sent, over real bytes", () => {
    const bytes = JoinMessage.encode(introductionToProto(introduction)).finish();
    expect(parseIntroduction(JoinMessage.decode(bytes))).toEqual(introduction);
  });

  it.each(["127.0.0.1:1", "[::1]:65535", "node-1.lan:7410"])("take the address %s", (each) => {
    const proto = { ...introductionToProto(introduction), address: each };
    expect(parseIntroduction(proto).address).toBe(each);
  });

  it.each<[string, Partial<JoinNodeRequest>]>([
    ["node_id", { nodeId: "N1" }],
    ["address", { address: "no-port" }],
    ["address", { address: "h:0" }],
    ["address", { address: "http://h:1" }],
    ["labels key", { labels: { "": "x" } }],
    ["capacity.memory_mib", { capacity: { ...capacity, memoryMib: -1 } }],
    ["reserve.cpu_millis", { reserve: { ...reserve, cpuMillis: 1.5 } }],
    ["overcommit_percent.disk_mib", { overcommitPercent: { ...overcommitPercent, diskMib: 99 } }],
    ["overcommit_percent.cpu_millis", { overcommitPercent: undefined }],
    ["abilities", { problems: Array.from({ length: 65 }, () => "x") }],
    ["incarnation", { incarnation: "1" }],
  ])("with a bad %s are refused by that name", (field, bad) => {
    const proto = { ...introductionToProto(introduction), ...bad };
    expect(() => parseIntroduction(proto)).toThrow(
      expect.objectContaining({ kind: "invalid", metadata: expect.objectContaining({ field }) }),
    );
  });

  it("with a bad ability name which one", () => {
    const proto = introductionToProto(introduction);
    const [first, ...rest] = proto.abilities;
    for (const bad of [{ engine: "vmware" }, { acceleration: "magic" }]) {
      const changed = { ...proto, abilities: [...rest, { ...first, ...bad }] } as JoinNodeRequest;
      expect(() => parseIntroduction(changed)).toThrow(/^abilities\[2\]\.(engine|acceleration): /);
    }
  });
});

describe("image manifests", () => {
  it.each(IMAGE_KINDS)("of kind %s come back as they were sent", (kind) => {
    const { manifest } = anImage();
    const [blob] = manifest.blobs as [ImageBlob];
    const blobs = IMAGE_ROLES[kind].map((role) => ({ ...blob, role }));
    const disk = kind === "disk" ? { diskFormat: "qcow2" as const, diskMib: 2048 } : {};
    const command = kind === "rootfs" ? ["/init", "a b", "'c'"] : [];
    const first = kind === "rootfs" ? { isSystemd: true as const } : {};
    const sent = { ...manifest, kind, ...disk, command, ...first, blobs };
    expect(parseImageManifest("m", imageManifestToProto(sent))).toEqual(sent);
  });

  const proto = imageManifestToProto(anImage().manifest);
  const [kernel, initrd] = proto.blobs as [ProtoManifest["blobs"][0], ProtoManifest["blobs"][0]];

  it.each<[string, Partial<ProtoManifest>]>([
    ["m.kind", { kind: "IMAGE_KIND_UNSPECIFIED" as ProtoManifest["kind"] }],
    ["m.architecture", { architecture: "arm64" }],
    ["m.command_line", { commandLine: "new\nline" }],
    ["m.command_line", { commandLine: "x".repeat(1025) }],
    ["m.memory_mib_min", { memoryMibMin: 0 }],
    ["m.disk_mib", { diskMib: 1 }],
    ["m.disk_format", { diskFormat: "DISK_FORMAT_RAW" as ProtoManifest["diskFormat"] }],
    ["m.command", { command: ["/init"] }],
    ["m.systemd", { systemd: true }],
    ["m.blobs", { blobs: [kernel] }],
    ["m.blobs", { blobs: [kernel, initrd, initrd] }],
    ["m.blobs[1].sha256", { blobs: [kernel, { ...initrd, sha256: "../x" }] }],
    ["m.blobs[0].size_bytes", { blobs: [{ ...kernel, sizeBytes: 0 }, initrd] }],
  ])("with a bad %s are refused by that name", (field, bad) => {
    expect(() => parseImageManifest("m", { ...proto, ...bad })).toThrow(
      expect.objectContaining({ kind: "invalid", metadata: expect.objectContaining({ field }) }),
    );
  });

  it("must be there", () => {
    expect(() => parseImageManifest("m", undefined)).toThrow(/^m: /);
  });
});

describe("durations", () => {
  it("come back to the millisecond", () => {
    forEachSeed(500, (prng) => {
      const ms = prng.integer(0, 3_600_000);
      const range = { min: 0, max: 3_600_000, unset: -1 };
      expect(parseDurationMs("d", durationOf(ms), range)).toBe(ms);
    });
  });

  it("are the default when unset, and refused outside the range or malformed", () => {
    const range = { min: 10, max: 1000, unset: 77 };
    expect(parseDurationMs("d", undefined, range)).toBe(77);
    const bad = [
      durationOf(9),
      durationOf(1001),
      { seconds: 0, nanos: 1_000_000_000 },
      { seconds: Number.NaN, nanos: 0 },
      { seconds: -1, nanos: 0 },
    ];
    for (const each of bad) expect(() => parseDurationMs("d", each, range)).toThrow(/^d: /);
  });
});

describe("integers and texts", () => {
  it("take both bounds and nothing outside, nor what is no integer", () => {
    const range = { min: -1, max: 3 };
    expect([-1, 0, 3].map((each) => parseInteger("n", each, range))).toEqual([-1, 0, 3]);
    for (const bad of [-2, 4, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => parseInteger("n", bad, range)).toThrow(/^n: .*an integer from -1 to 3/);
    }
  });

  it("take printable ASCII only", () => {
    expect(parsePrintable("t", " ~", 2)).toBe(" ~");
    for (const bad of ["abc", "ä", "\t", "\u007f", "a\n"]) {
      expect(() => parsePrintable("t", bad, 2)).toThrow(/^t: /);
    }
  });
});

describe("enums", () => {
  const tables = Object.entries(enums).filter(([name]) => name.endsWith("_TO_PROTO"));

  it.each(tables)("%s is one to one and knows no unset value", (_, table) => {
    const values = Object.values(table as Record<string, string>);
    expect(new Set(values).size).toBe(values.length);
    for (const value of values) expect(value).not.toContain("UNSPECIFIED");
    for (const [domain, value] of Object.entries(table as Record<string, string>)) {
      expect(enums.parseEnum("f", value, table as Record<string, string>)).toBe(domain);
    }
    const parse = (): unknown => enums.parseEnum("f", "ODD", table as Record<string, string>);
    expect(parse).toThrow(/^f: "ODD" is not allowed/);
  });
});
