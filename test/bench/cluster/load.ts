/** Clients that ask for guests over gRPC: one by one, at a fixed rate, in batches. */
import { randomUUID } from "node:crypto";
import { createClient, type InnkeeperClient } from "@innkeeper/client";
import { Guest } from "@innkeeper/proto/innkeeper/v1/guest";
import { until } from "../until.js";

const CHANNELS = 4;
const WRITERS = 128;
const BATCH = 1000;
const BATCHES_AT_ONCE = 4;

export interface Created {
  readonly startedAtMs: number;
  readonly count: number;
}

function newGuest(id: string): Guest {
  const resources = { cpuMillis: 500, memoryMib: 256, diskMib: 0 };
  return Guest.fromPartial({ id, spec: { imageId: "tiny", resources } });
}

async function withClients<T>(
  address: string,
  count: number,
  work: (clients: readonly InnkeeperClient[]) => Promise<T>,
): Promise<T> {
  const clients = Array.from({ length: count }, () => createClient(address));
  try {
    return await work(clients);
  } finally {
    for (const client of clients) client.close();
  }
}

/** Each writer asks again as soon as it is answered. */
export function createOneByOne(address: string, prefix: string, count: number): Promise<Created> {
  return withClients(address, CHANNELS, async (clients) => {
    const startedAtMs = Date.now();
    let next = 0;
    const write = async (client: InnkeeperClient): Promise<void> => {
      while (next < count) {
        next += 1;
        const guest = newGuest(`${prefix}${next}`);
        await client.guests.createGuest({ guest, requestId: randomUUID() });
      }
    };
    const shared = Array.from({ length: WRITERS / CHANNELS }, () => clients).flat();
    await Promise.all(shared.map(write));
    return { startedAtMs, count };
  });
}

/**
 * At a fixed rate, whatever the answers take.
 * @returns when each was asked for, by name.
 */
export function createEvery(
  address: string,
  prefix: string,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<ReadonlyMap<string, number>> {
  return withClients(address, CHANNELS, async (clients) => {
    const asked = new Map<string, number>();
    const answers: Promise<unknown>[] = [];
    const startedMs = performance.now();
    const total = Math.round(perSecond * seconds);
    const askWhatIsDue = (): boolean => {
      const due = ((performance.now() - startedMs) * perSecond) / 1000;
      while (asked.size < Math.min(due, total)) {
        const id = `${prefix}${asked.size}`;
        asked.set(id, Date.now());
        const guest = newGuest(id);
        const client = clients[asked.size % CHANNELS];
        if (client) answers.push(client.guests.createGuest({ guest, requestId: randomUUID() }));
      }
      return asked.size === total;
    };
    await until(askWhatIsDue, "all requests");
    await Promise.all(answers);
    return asked;
  });
}

export function createBatches(address: string, prefix: string, count: number): Promise<Created> {
  return withClients(address, BATCHES_AT_ONCE, async (clients) => {
    const startedAtMs = Date.now();
    let next = 0;
    const write = async (client: InnkeeperClient): Promise<void> => {
      while (next < count) {
        const size = Math.min(BATCH, count - next);
        const guests = Array.from({ length: size }, (_, index) =>
          newGuest(`${prefix}${next + index}`),
        );
        next += size;
        await client.guests.createGuests({ guests, gang: false, requestId: randomUUID() });
      }
    };
    await Promise.all(clients.map(write));
    return { startedAtMs, count };
  });
}
