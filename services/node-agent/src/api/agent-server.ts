/** The agent's gRPC server: called by the leader, and for blobs by other agents. */
import type { Server } from "@grpc/grpc-js";
import { type BlobStore, type Logger, parseSha256, parseUuid, unavailable } from "@innkeeper/core";
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

const BLOB_STREAMS_MAX = 4;
const CONSOLE_BYTES_MAX = 1024 * 1024;
const OFFSET = { min: 0, max: Number.MAX_SAFE_INTEGER };

/**
 * `agentNow` gives undefined until the agent has adopted what runs; calls before that are refused
 * as unavailable.
 */
export function agentServer(
  agentNow: () => Agent | undefined,
  blobs: Pick<BlobStore, "read">,
  log: Logger,
): Server {
  const server = createServer();
  const readNodeBlob = blobReader(blobs, log);
  const service = { ...agentService(agentNow, log), readNodeBlob };
  server.addService(tolerant(AgentServiceService), service);
  new HealthImplementation({ "": "SERVING" }).addToServer(server);
  return server;
}

type AgentCalls = Pick<
  AgentServiceServer,
  "applyAssignments" | "readCopyConsole" | "writeCopyConsole" | "execCopy" | "exportDisk"
>;

function agentService(agentNow: () => Agent | undefined, log: Logger): AgentCalls {
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
    exportDisk: serverStream(log, async function* (request, signal) {
      const guestUid = parseUuid("guest_uid", request.guestUid);
      const { snapshotUid: uid } = request;
      const snapshotUid = uid === "" ? "" : parseUuid("snapshot_uid", uid);
      for await (const piece of ready().exportDisk(guestUid, snapshotUid, signal)) {
        const { bytes, totalBytes } = piece;
        yield { data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), totalBytes };
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

/** Few at once: its guests need the host more than other nodes need a blob from here. */
function blobReader(
  blobs: Pick<BlobStore, "read">,
  log: Logger,
): AgentServiceServer["readNodeBlob"] {
  let streamCount = 0;
  return serverStream(log, async function* (request) {
    const sha256 = parseSha256("sha256", request.sha256);
    const offset = parseInteger("offset", request.offset, OFFSET);
    if (streamCount >= BLOB_STREAMS_MAX) throw unavailable("blobs", "others read as many as may");
    streamCount += 1;
    try {
      for await (const data of blobs.read(sha256, offset)) yield { data: Buffer.from(data) };
    } finally {
      streamCount -= 1;
    }
  });
}
