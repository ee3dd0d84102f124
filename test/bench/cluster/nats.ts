/** A nats-server with JetStream as a child process, on a port and in a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { createInterface } from "node:readline";

const READY = "Server is ready";

export interface NatsProcess {
  readonly address: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export async function startNats(directory: string): Promise<NatsProcess> {
  const port = await freePort();
  const options = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", directory];
  const child = spawn("nats-server", options, { stdio: ["ignore", "ignore", "pipe"] });
  await ready(child);
  const stop = async (): Promise<void> => {
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  };
  return { address: `127.0.0.1:${port}`, pid: child.pid ?? 0, stop };
}

async function ready(child: ChildProcess): Promise<void> {
  if (child.stderr === null) throw new Error("nats-server has no standard error");
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.includes(READY)) {
      child.stderr.resume();
      return;
    }
  }
  throw new Error("nats-server did not start");
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
