/** Reports to the leading controller over NATS, each answered. */
import type { NodeReport, ReportAnswer } from "@innkeeper/core";
import { type NatsLink, nodeReportSubject, request } from "@innkeeper/core/platform/nats";
import { nodeReportToProto } from "@innkeeper/core/wire";
import {
  ReportNodeRequest,
  ReportNodeResponse,
} from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import type { ReportChannel } from "./two-way-client.js";

export class NatsReportChannel implements ReportChannel {
  constructor(
    private readonly link: NatsLink,
    private readonly timeoutMs: number,
  ) {}

  get isConnected(): boolean {
    return this.link.isConnected;
  }

  async report(report: NodeReport): Promise<ReportAnswer> {
    const { nodeId, incarnation, sequence } = report;
    const data = ReportNodeRequest.encode(nodeReportToProto(report)).finish();
    const subject = nodeReportSubject(nodeId);
    const context = { requestId: `${incarnation}.${sequence}` };
    const answer = await request(this.link, { subject, data, context }, this.timeoutMs);
    return ReportNodeResponse.decode(answer);
  }
}
