/** A node's report on the wire, over gRPC and over NATS. */
import type { ReportNodeRequest } from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import { parseName, parseUuid } from "../domain/names.js";
import type { NodeReport } from "../ports/controller-client.js";
import { parseReport, reportToProto } from "./assignment-codec.js";
import { parseInteger } from "./numbers.js";

const SEQUENCE = { min: 1, max: Number.MAX_SAFE_INTEGER };

export function nodeReportToProto(report: NodeReport): ReportNodeRequest {
  const { nodeId, incarnation, sequence, isFull, copies } = report;
  return { nodeId, incarnation, sequence, full: isFull, copies: copies.map(reportToProto) };
}

/** @throws `invalid` naming the field. */
export function parseNodeReport(request: ReportNodeRequest): NodeReport {
  return {
    nodeId: parseName("node_id", request.nodeId),
    incarnation: parseUuid("incarnation", request.incarnation),
    sequence: parseInteger("sequence", request.sequence, SEQUENCE),
    isFull: request.full,
    copies: request.copies.map(parseReport),
  };
}
