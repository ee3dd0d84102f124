/**
 * Users that go on asking while the cluster is disturbed. Each request is made once; only gRPC's
 * own retry policy repeats it, so whatever fails here is what a user would have seen.
 */
import { randomUUID } from "node:crypto";
import type { InnkeeperClient } from "@innkeeper/client";
import { Guest } from "@innkeeper/proto/innkeeper/v1/guest";

const PAGE = { projectId: "", pageSize: 0, pageToken: "", minRevision: 0 };

export class Load {
  #isRunning = true;
  #requests = 0;
  readonly failures: string[] = [];
  readonly #work: Promise<unknown>;

  /** Readers list and get; writers relabel the guest, each with requests of its own. */
  constructor(
    private readonly client: InnkeeperClient,
    private readonly guestId: string,
  ) {
    const users = [() => this.#list(), () => this.#get(), () => this.#relabel()];
    this.#work = Promise.all(users.map((ask) => this.#repeat(ask)));
  }

  get requests(): number {
    return this.#requests;
  }

  async end(): Promise<void> {
    this.#isRunning = false;
    await this.#work;
  }

  /** One after another, until told to end. */
  async #repeat(ask: () => Promise<unknown>): Promise<void> {
    while (this.#isRunning) {
      await ask().catch((error: unknown) => this.failures.push(String(error)));
      this.#requests += 1;
    }
  }

  async #list(): Promise<void> {
    const { guests } = await this.client.guests.listGuests(PAGE);
    if (!guests.some(({ id }) => id === this.guestId)) throw new Error("the guest is not listed");
  }

  async #get(): Promise<void> {
    const { guestId } = this;
    await this.client.guests.getGuest({ projectId: "", guestId, minRevision: 0 });
  }

  async #relabel(): Promise<void> {
    const guest = Guest.fromPartial({ id: this.guestId, labels: { turn: String(this.#requests) } });
    const request = { guest, updateMask: ["labels"], requestId: randomUUID() };
    await this.client.guests.updateGuest(request);
  }
}
