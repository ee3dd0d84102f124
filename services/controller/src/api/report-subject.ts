/**
 * The reports of the nodes over NATS, served by the leader. A controller that no longer leads
 * answers `unavailable`, as over gRPC; that costs the agent a second try and nothing else.
 */
import { DomainError, invalidField } from "@innkeeper/core";
import {
  type NatsLink,
  type NatsRequest,
  NODE_REPORTS,
  nodeOfReport,
  serve,
} from "@innkeeper/core/platform/nats";
import { parseNodeReport } from "@innkeeper/core/wire";
import {
  ReportNodeRequest,
  ReportNodeResponse,
} from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import type { Controller } from "../controller.js";

/** Serves until the returned function is called. */
export function serveReports(
  link: NatsLink,
  controller: Pick<Controller, "report" | "log">,
): () => void {
  const handle = async (request: NatsRequest): Promise<Uint8Array> => {
    const parsed = parseNodeReport(decode(request.data));
    const sender = nodeOfReport(request.subject);
    // The server's permissions say who may publish there: nobody speaks for another node.
    if (parsed.nodeId !== sender) throw notTheSender(sender, parsed.nodeId);
    const answer = await controller.report(parsed);
    const controllers = [...answer.controllers];
    return ReportNodeResponse.encode({ ...answer, controllers }).finish();
  };
  return serve(link, { subject: NODE_REPORTS, handle, log: controller.log });
}

function decode(data: Uint8Array): ReportNodeRequest {
  try {
    return ReportNodeRequest.decode(data);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "malformed";
    throw invalidField("report", why, "an encoded ReportNodeRequest");
  }
}

function notTheSender(sender: string, nodeId: string): DomainError {
  return new DomainError({
    kind: "forbidden",
    reason: "REPORT_OF_ANOTHER_NODE",
    message: `node ${sender} reports as node ${nodeId}`,
    metadata: { sender, nodeId },
  });
}
