/**
 * Writes the whole state of a running machine, memory and devices, to a file. QEMU may start no
 * programs and takes no open file for this by number, so it sends to a socket.
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { type Clock, unavailable } from "@innkeeper/core";
import { COPY_FILES, type CopyDirectory } from "./copy-directory.js";
import type { QmpClient } from "./qmp-client.js";

const POLL_MS = 5;
const BYTES_PER_SECOND = 100 * 1024 ** 3;

export interface SaveStateParts {
  readonly qmp: QmpClient;
  readonly clock: Clock;
  readonly directory: CopyDirectory;
}

/** The machine stands still afterwards. @throws `unavailable`. */
export async function saveState(parts: SaveStateParts, file: string): Promise<void> {
  const { qmp, clock, directory } = parts;
  const server = createServer();
  try {
    await directory.withSocketPath("state", (address) => listening(server, address));
    await directory.giveToGuest("state");
    const written = received(server, file);
    await qmp.execute("migrate-set-parameters", { "max-bandwidth": BYTES_PER_SECOND });
    await qmp.execute("migrate", { uri: `unix:${COPY_FILES.state}` });
    await Promise.all([sent(qmp, clock), written]);
  } finally {
    server.close();
  }
}

async function listening(server: Server, address: string): Promise<void> {
  server.listen(address);
  await once(server, "listening");
}

async function received(server: Server, file: string): Promise<void> {
  const [socket] = (await once(server, "connection")) as [Socket];
  await pipeline(socket, createWriteStream(file, { flags: "wx", mode: 0o600 }));
}

async function sent(qmp: QmpClient, clock: Clock): Promise<void> {
  for (;;) {
    const { status, "error-desc": why } = await qmp.execute("query-migrate");
    if (status === "completed") return;
    if (status === "failed") throw unavailable("engine", `its state cannot be written: ${why}`);
    await new Promise<void>((resolve) => {
      clock.schedule(POLL_MS, resolve);
    });
  }
}
