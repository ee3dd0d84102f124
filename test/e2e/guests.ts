/** Tiny guests of a test, by the public API only. */
import { randomUUID } from "node:crypto";
import type { InnkeeperClient } from "@innkeeper/client";
import { Guest, GuestPhase, RestartCondition } from "@innkeeper/proto/innkeeper/v1/guest";
import { expect, vi } from "vitest";

const PATIENCE = { timeout: 60_000, interval: 100 };

export interface NewGuest {
  readonly nodeId?: string;
  readonly restart?: RestartCondition;
}

export class Guests {
  readonly #made = new Set<string>();

  constructor(readonly client: InnkeeperClient) {}

  /** Asks for it; does not wait until it runs. */
  async request(id: string, { nodeId = "", restart }: NewGuest = {}): Promise<void> {
    this.#made.add(id);
    const guest = Guest.fromPartial({
      id,
      spec: {
        imageId: "tiny",
        resources: { cpuMillis: 100, memoryMib: 16, diskMib: 0 },
        commandLine: "beat=5",
        nodeId,
        restartPolicy: { condition: restart ?? RestartCondition.ON_FAILURE },
      },
    });
    await this.client.guests.createGuest({ guest, requestId: randomUUID() });
  }

  async create(id: string, options: NewGuest = {}): Promise<Guest> {
    await this.request(id, options);
    return await this.until(id, GuestPhase.RUNNING);
  }

  async get(id: string): Promise<Guest> {
    const request = { projectId: "", guestId: id, minRevision: 0 };
    const { guest } = await this.client.guests.getGuest(request);
    return Guest.fromPartial(guest ?? {});
  }

  async ids(): Promise<readonly string[]> {
    const page = { projectId: "", pageSize: 0, pageToken: "", minRevision: 0 };
    return (await this.client.guests.listGuests(page)).guests.map(({ id }) => id);
  }

  async until(id: string, phase: GuestPhase): Promise<Guest> {
    return await vi.waitFor(async () => {
      const guest = await this.get(id);
      expect(guest.status?.phase).toBe(phase);
      return guest;
    }, PATIENCE);
  }

  /** Numbers of the heartbeats that its console shows. */
  async beats(id: string): Promise<readonly number[]> {
    const request = { projectId: "", guestId: id, follow: false };
    let text = "";
    for await (const { data } of this.client.guests.readConsole(request)) text += String(data);
    return [...text.matchAll(/beat ([0-9]+)/g)].map(([, number]) => Number(number));
  }

  /** Waits until it beats after that number, and checks that no beat was lost or came twice. */
  async untilBeatsOn(id: string, after = 0): Promise<number> {
    return await vi.waitFor(async () => {
      const beats = await this.beats(id);
      const newest = beats.at(-1) ?? 0;
      expect(newest).toBeGreaterThan(after);
      const first = beats[0] ?? 0;
      expect(beats).toEqual(beats.map((_, index) => first + index));
      return newest;
    }, PATIENCE);
  }

  /** Removes all that were asked for, and waits until they are gone. */
  async removeAll(): Promise<void> {
    for (const id of this.#made) {
      await this.client.guests.deleteGuest({ projectId: "", guestId: id, requestId: randomUUID() });
    }
    await vi.waitFor(async () => {
      const left = await this.ids();
      expect(left.filter((id) => this.#made.has(id))).toEqual([]);
    }, PATIENCE);
    this.#made.clear();
  }
}
