/** A TCP proxy that cuts the connection at the worst moments, on demand. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { listenAnywhere } from "./redis-process.js";

/**
 * Where the next request that matches is cut: not forwarded at all, forwarded in part, or forwarded
 * whole and its answer dropped.
 */
export type Cut = "before" | "half" | "after";

export class CuttingProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #cutRequests: string;
  #next: Cut | undefined;

  private constructor(server: Server, port: number, cutRequests: string) {
    this.#server = server;
    this.port = port;
    this.#cutRequests = cutRequests;
  }

  /** @param cutRequests only what contains this text is cut */
  static async to(targetPort: number, cutRequests: string): Promise<CuttingProxy> {
    const server = createServer();
    const proxy = new CuttingProxy(server, await listenAnywhere(server), cutRequests);
    server.on("connection", (client: Socket) => {
      proxy.#join(client, connect(targetPort, "127.0.0.1"));
    });
    return proxy;
  }

  /** True until the cut has happened. */
  get isArmed(): boolean {
    return this.#next !== undefined;
  }

  cutNext(cut: Cut): void {
    this.#next = cut;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, target: Socket): void {
    let dropsAnswer = false;
    const end = (): void => {
      client.destroy();
      target.destroy();
    };
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      socket.on("error", end);
      socket.on("close", end);
      socket.on("close", () => this.#sockets.delete(socket));
    }
    client.on("data", (chunk: Buffer) => {
      const cut = chunk.includes(this.#cutRequests) ? this.#takeCut() : undefined;
      if (cut === "before") end();
      else if (cut === "half") target.write(chunk.subarray(0, chunk.length >> 1), end);
      else target.write(chunk);
      if (cut === "after") dropsAnswer = true;
    });
    target.on("data", (chunk: Buffer) => {
      if (dropsAnswer) end();
      else client.write(chunk);
    });
  }

  #takeCut(): Cut | undefined {
    const cut = this.#next;
    this.#next = undefined;
    return cut;
  }
}
