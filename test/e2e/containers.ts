/** What is done to containers from outside, by the engine's API. Waiting has deadlines. */
import { type ContainerRuntimeClient, getContainerRuntimeClient } from "testcontainers";
import { expect, vi } from "vitest";

type Container = ReturnType<ContainerRuntimeClient["container"]["getById"]>;
type Inspected = Awaited<ReturnType<Container["inspect"]>>;

const PATIENCE = { timeout: 60_000, interval: 100 };

export class ContainerControl {
  private constructor(
    private readonly runtime: ContainerRuntimeClient,
    private readonly container: Container,
  ) {}

  static async of(id: string): Promise<ContainerControl> {
    const runtime = await getContainerRuntimeClient();
    return new ContainerControl(runtime, runtime.container.getById(id));
  }

  inspect(): Promise<Inspected> {
    return this.container.inspect();
  }

  /** `kill -9` of everything inside. The engine does not restart what was killed by request. */
  async kill(): Promise<void> {
    await this.container.kill({ signal: "SIGKILL" });
    await vi.waitFor(
      async () => expect((await this.inspect()).State.Running).toBe(false),
      PATIENCE,
    );
  }

  async start(): Promise<void> {
    await this.container.start();
  }

  /** Asks it to stop; `kill -9` only if it has not within ten seconds. */
  async restart(): Promise<void> {
    await this.container.restart({ t: 10 });
  }

  async remove(): Promise<void> {
    await this.container.remove({ force: true, v: true });
  }

  async pause(): Promise<void> {
    await this.container.pause();
  }

  async unpause(): Promise<void> {
    await this.container.unpause();
  }

  /** Runs a line of JavaScript in the container's own node. */
  async node(script: string): Promise<string> {
    const { exitCode, output } = await this.runtime.container.exec(this.container, [
      "node",
      "--print",
      script,
    ]);
    expect(`${exitCode} ${output}`).toMatch(/^0 /);
    return output.trim();
  }

  /** Gives what puts it back, under the names that it had. */
  async disconnect(): Promise<() => Promise<void>> {
    const { Config, NetworkSettings } = await this.inspect();
    const [name = ""] = Object.keys(NetworkSettings.Networks);
    const alias = Config.Labels["com.docker.compose.service"] ?? "";
    const network = this.runtime.network.getById(name);
    const { id } = this.container;
    await network.disconnect({ Container: id });
    return async () => {
      await network.connect({ Container: id, EndpointConfig: { Aliases: [alias] } });
    };
  }

  async untilHealthy(): Promise<void> {
    await vi.waitFor(async () => {
      const { State } = await this.inspect();
      expect([State.Running, State.Health?.Status]).toEqual([true, "healthy"]);
    }, PATIENCE);
  }
}
