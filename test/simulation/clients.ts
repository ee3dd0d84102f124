/** The two ports between controllers and agents, over the simulated network. */
import type {
  AgentClient,
  AgentDirectory,
  ApplyAssignments,
  ConsoleChunk,
  ControllerClient,
  CopyReport,
  NodeIntroduction,
  NodeReport,
  ReportAnswer,
} from "@innkeeper/core";
import { toDomainError, unavailable } from "@innkeeper/core";
import type { Controller } from "../../services/controller/src/controller.js";
import type { Agent } from "../../services/node-agent/src/agent.js";
import type { Endpoint, SimNetwork } from "./network.js";

const AGENT_TIMEOUT_MS = 3_000;
const CONTROLLER_TIMEOUT_MS = 2_000;

/** A node's address is its name on the simulated network. */
export function agentDirectory(network: SimNetwork, from: Endpoint): AgentDirectory {
  return { clientFor: (address) => new SimAgentClient(network, from, address) };
}

class SimAgentClient implements AgentClient {
  constructor(
    private readonly network: SimNetwork,
    private readonly from: Endpoint,
    private readonly address: string,
  ) {}

  apply(request: ApplyAssignments): Promise<readonly CopyReport[]> {
    const sent = structuredClone(request);
    const what = `apply ${sent.assignments.map((each) => each.desired).join()}`;
    return this.#call(what, (agent) => agent.apply(sent));
  }

  readConsole(guestUid: string, offset: number, bytesMax: number): Promise<ConsoleChunk> {
    return this.#call("readConsole", (agent) => agent.readConsole(guestUid, offset, bytesMax));
  }

  writeConsole(): never {
    throw unavailable("agent", "nobody writes to consoles in the simulation");
  }

  exportDisk(): never {
    throw new Error("the workload exports no disks");
  }

  exec(): never {
    throw unavailable("agent", "no command is run in the simulation");
  }

  close(): void {
    // Nothing is held open.
  }

  #call<Answer>(what: string, serve: (agent: Agent) => Promise<Answer>): Promise<Answer> {
    const { from, address: to } = this;
    return this.network.call({ from, to, what, timeoutMs: AGENT_TIMEOUT_MS }, serve);
  }
}

/** Asks the controller that answered last, then each of the others. */
export class SimControllerClient implements ControllerClient {
  #index = 0;

  constructor(
    private readonly network: SimNetwork,
    private readonly from: Endpoint,
    private readonly controllerIds: readonly string[],
  ) {}

  join(node: NodeIntroduction): Promise<void> {
    const sent = structuredClone(node);
    return this.#call("join", (controller) => controller.join(sent));
  }

  report(report: NodeReport): Promise<ReportAnswer> {
    const sent = structuredClone(report);
    return this.#call("report", (controller) => controller.report(sent));
  }

  findBlob(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  async *readBlob(
    sha256: string,
    offsetBytes: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield await this.#call("readBlob", async ({ blobs }) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of blobs.read(sha256, offsetBytes)) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
  }

  close(): void {
    // Nothing is held open.
  }

  async #call<Answer>(
    what: string,
    serve: (controller: Controller) => Promise<Answer>,
  ): Promise<Answer> {
    const ids = this.controllerIds;
    for (let attempt = 1; attempt < ids.length; attempt += 1) {
      try {
        return await this.#callOne(what, serve);
      } catch (error) {
        const { kind } = toDomainError(error);
        if (kind !== "unavailable" && kind !== "timeout") throw error;
        this.#index += 1;
      }
    }
    return await this.#callOne(what, serve);
  }

  #callOne<Answer>(
    what: string,
    serve: (controller: Controller) => Promise<Answer>,
  ): Promise<Answer> {
    const to = this.controllerIds[this.#index % this.controllerIds.length] ?? "";
    const call = { from: this.from, to, what, timeoutMs: CONTROLLER_TIMEOUT_MS };
    return this.network.call(call, serve);
  }
}
