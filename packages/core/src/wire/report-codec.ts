/** A node's report on the wire, over gRPC and over NATS. */
import type {
  UsageReading as ProtoReading,
  ReportNodeRequest,
} from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import { COPIES_DIGEST } from "../domain/copies-digest.js";
import type { UsageReading } from "../domain/copy.js";
import { invalidField } from "../domain/errors.js";
import { parseName, parseUuid } from "../domain/names.js";
import type { NodeReport } from "../ports/controller-client.js";
import { parseReport, reportToProto } from "./assignment-codec.js";
import { parseInteger } from "./numbers.js";

const ANY = { min: 0, max: Number.MAX_SAFE_INTEGER };
const SEQUENCE = { min: 1, max: Number.MAX_SAFE_INTEGER };

export function nodeReportToProto(report: NodeReport): ReportNodeRequest {
  const { nodeId, incarnation, sequence, isFull, copies, usage, digest } = report;
  const told = { nodeId, incarnation, sequence, full: isFull, usage: [...usage], digest };
  return { ...told, copies: copies.map(reportToProto) };
}

/** @throws `invalid` naming the field. */
export function parseNodeReport(request: ReportNodeRequest): NodeReport {
  return {
    nodeId: parseName("node_id", request.nodeId),
    incarnation: parseUuid("incarnation", request.incarnation),
    sequence: parseInteger("sequence", request.sequence, SEQUENCE),
    isFull: request.full,
    copies: request.copies.map(parseReport),
    digest: parseDigest(request.digest),
    usage: request.usage.map(parseReading),
  };
}

function parseDigest(digest: string): string {
  if (COPIES_DIGEST.test(digest)) return digest;
  throw invalidField("digest", digest, "16 lower-case hexadecimal digits");
}

function parseReading(proto: ProtoReading): UsageReading {
  return {
    guestUid: parseUuid("usage.guest_uid", proto.guestUid),
    cpuMs: parseInteger("usage.cpu_ms", proto.cpuMs, ANY),
    memoryMib: parseInteger("usage.memory_mib", proto.memoryMib, ANY),
    readAtMs: parseInteger("usage.read_at_ms", proto.readAtMs, ANY),
    ...(proto.dirtyBytesPerSecond !== undefined && {
      dirtyBytesPerSecond: parseInteger(
        "usage.dirty_bytes_per_second",
        proto.dirtyBytesPerSecond,
        ANY,
      ),
    }),
  };
}
