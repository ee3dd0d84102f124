/** Starts and stops gRPC servers. */
import { Server, ServerCredentials, type ServerOptions } from "@grpc/grpc-js";
import { unavailable } from "../../domain/errors.js";

/** 4 MiB: enough for a page of 1,000 guests, small enough to bound memory for each call. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

const OPTIONS: ServerOptions = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
};

export function createServer(): Server {
  return new Server(OPTIONS);
}

/**
 * Listens on host:port (port 0 = any) and returns the port. @throws `unavailable` when it cannot.
 */
export function listen(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(unavailable("address", `${address}: ${error.message}`, error));
      else resolve(port);
    });
  });
}

/** Lets running calls end for `graceMs`, then ends them by force. */
export function shutDown(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(force);
      resolve();
    });
  });
}
