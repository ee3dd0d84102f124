/**
 * A cluster of several controllers on a real Redis, with simulated guests: every process a real
 * one.
 */
import path from "node:path";
import { createClient, type InnkeeperClient } from "@innkeeper/client";
import { vi } from "vitest";
import { RedisProcess } from "../../services/controller/src/testing/redis-process.js";
import { PATIENCE, Programs, type Started } from "./programs.js";

const PLENTY: Readonly<Record<string, string>> = {
  INN_CPU_MILLIS: "1000000",
  INN_MEMORY_MIB: "1000000",
};

export interface Member {
  readonly id: string;
  process: Started;
  client: InnkeeperClient;
}

export class RedisCluster {
  readonly programs = new Programs();
  readonly members = new Map<string, Member>();
  readonly agents = new Map<string, Started>();

  private constructor(readonly redis: RedisProcess) {}

  static async start(size: {
    readonly controllers: number;
    readonly agents: number;
    /** Simulated guests unless stated. */
    readonly engines?: string;
    /** What each node offers; plenty unless stated. */
    readonly offer?: Readonly<Record<string, string>>;
  }): Promise<RedisCluster> {
    const settings = ["appendonly yes", "appendfsync everysec"];
    const cluster = new RedisCluster(await RedisProcess.start({ settings }));
    for (let index = 1; index <= size.controllers; index += 1) {
      await cluster.startController(`c${index}`);
    }
    const { engines = "sim", offer } = size;
    for (let index = 1; index <= size.agents; index += 1) {
      await cluster.startAgent(`n${index}`, engines, offer);
    }
    await cluster.untilReady(size.agents);
    return cluster;
  }

  async startController(id: string): Promise<Member> {
    const process = await this.programs.controller({
      INN_CONTROLLER_ID: id,
      INN_DATA: path.join(this.programs.directory, id),
      INN_STORE: "redis",
      INN_REDIS_URL: `redis://127.0.0.1:${this.redis.port}`,
    });
    const member = { id, process, client: createClient(process.address) };
    this.members.set(id, member);
    return member;
  }

  /** It knows every controller. */
  async startAgent(nodeId: string, engines = "sim", offered = PLENTY): Promise<Started> {
    const controllers = [...this.members.values()].map(({ process }) => process.address).join(",");
    const settings = { ...offered, INN_ENGINES: engines };
    const agent = await this.programs.agent(nodeId, controllers, settings);
    this.agents.set(nodeId, agent);
    return agent;
  }

  async kill(member: Member): Promise<void> {
    await this.programs.kill(member.process);
    member.client.close();
    this.members.delete(member.id);
  }

  /** Whoever says that it leads. */
  async leader(): Promise<Member> {
    return await vi.waitFor(async () => {
      for (const member of this.members.values()) {
        const { leaderEpoch } = await member.client.cluster.getCluster({});
        if (leaderEpoch > 0) return member;
      }
      throw new Error("nobody leads");
    }, PATIENCE);
  }

  async followers(): Promise<Member[]> {
    const leader = await this.leader();
    return [...this.members.values()].filter((member) => member !== leader);
  }

  async untilReady(nodes: number): Promise<void> {
    const { client } = await this.leader();
    await vi.waitFor(async () => {
      const { nodesReady } = await client.cluster.getCluster({});
      if (nodesReady < nodes) throw new Error(`${nodesReady} of ${nodes} nodes are ready`);
    }, PATIENCE);
  }

  async dispose(): Promise<void> {
    for (const { client } of this.members.values()) client.close();
    await this.programs.dispose();
    await this.redis.remove();
  }
}
