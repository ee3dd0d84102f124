/** The agent's gRPC server: called by the leader only. */
import type { Server } from "@grpc/grpc-js";
import { type Logger, parseUuid, unavailable } from "@innkeeper/core";
import { bothStreams, createServer, serverStream, tolerant, unary } from "@innkeeper/core/platform";
import {
  execOutputToProto,
  openConsole,
  parseAddress,
  parseAssignment,
  parseCommand,
  parseConsoleWriter,
  parseInteger,
  reportToProto,
} from "@innkeeper/core/wire";
import {
  type AgentServiceServer,
  AgentServiceService,
} from "@innkeeper/proto/innkeeper/agent/v1/agent_service";
import { HealthImplementation } from "grpc-health-check";
import type { Agent } from "../agent.js";

const CONSOLE_BYTES_MAX = 1024 * 1024;
const OFFSET = { min: 0, max: Number.MAX_SAFE_INTEGER };

/**
 * `agentNow` gives undefined until the agent has adopted what runs; calls before that are refused
 * as unavailable.
 */
export function agentServer(agentNow: () => Agent | undefined, log: Logger): Server {
  const server = createServer();
  server.addService(tolerant(AgentServiceService), agentService(agentNow, log));
  new HealthImplementation({ "": "SERVING" }).addToServer(server);
  return server;
}

function agentService(agentNow: () => Agent | undefined, log: Logger): AgentServiceServer {
  const ready = (): Agent => {
    const agent = agentNow();
    if (agent === undefined) throw unavailable("agent", "it is still starting");
    return agent;
  };
  return {
    applyAssignments: unary(log, async ({ leaderEpoch, assignments, leaderAddress }) => {
      const reports = await ready().apply({
        leaderEpoch: parseInteger("leader_epoch", leaderEpoch, OFFSET),
        assignments: assignments.map(parseAssignment),
        ...(leaderAddress === ""
          ? {}
          : { leaderAddress: parseAddress("leader_address", leaderAddress) }),
      });
      return { reports: reports.map(reportToProto) };
    }),
    readCopyConsole: unary(log, async (request) => {
      const guestUid = parseUuid("guest_uid", request.guestUid);
      const offset = parseInteger("offset", request.offset, OFFSET);
      const limit = { min: 1, max: CONSOLE_BYTES_MAX };
      const bytesMax = parseInteger("bytes_max", request.bytesMax, limit);
      const { bytes, nextOffset } = await ready().readConsole(guestUid, offset, bytesMax);
      return { data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), nextOffset };
    }),
    writeCopyConsole: bothStreams(log, async function* ({ requests, signal }) {
      const { opening, input } = await openConsole(requests);
      const writer = parseConsoleWriter("opening", opening);
      for await (const { isTerminal } of ready().writeConsole(writer, input, signal)) {
        yield { grant: { terminal: isTerminal } };
      }
    }),
    execCopy: serverStream(log, async function* ({ guestUid, command }, signal) {
      const uid = parseUuid("guest_uid", guestUid);
      const request = parseCommand("command", command);
      for await (const output of ready().exec(uid, request, signal)) {
        yield { output: execOutputToProto(output) };
      }
    }),
  };
}
