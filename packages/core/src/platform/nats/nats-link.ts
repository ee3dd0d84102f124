/**
 * One process's connection to NATS: looked for without end, from the start and after each loss, so
 * that no program waits for NATS or ends with it.
 *
 * A1 `isConnected` is false from the moment a loss is noticed until the connection is back; a peer
 *    that is silent but not gone is noticed after three pings.
 * A2 Credentials that are refused are an error in the log, once, and do not end the attempts: an
 *    operator may mend the server.
 */
import { connect, type NatsConnection, type Status } from "@nats-io/transport-node";
import { type DomainError, unavailable } from "../../domain/errors.js";
import type { Logger } from "../../ports/logger.js";
import { systemClock } from "../system-clock.js";
import { connectFailure, isRefusal } from "./nats-errors.js";
import { checkSeed, connectionOptions, type NatsOptions } from "./nats-options.js";

const DRAIN_MS_MAX = 2_000;

export class NatsLink {
  #connection: NatsConnection | undefined;
  #isConnected = false;
  #isClosed = false;
  #lastFailure: DomainError | undefined;
  #cancelAttempt: () => void = () => undefined;
  readonly #awaiting = new Set<(connection: NatsConnection) => void>();
  readonly #refusing = new Set<(why: DomainError) => void>();

  private constructor(
    private readonly options: NatsOptions,
    private readonly log: Logger,
  ) {}

  /** Begins to connect and returns at once. @throws `invalid` when the nkey seed is none. */
  static open(options: NatsOptions, log: Logger): NatsLink {
    checkSeed(options.credentials);
    const link = new NatsLink(options, log.child({ component: "nats" }));
    void link.#attempt();
    return link;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** @throws `unavailable` before the first connection and while it is lost. */
  get connection(): NatsConnection {
    if (this.#connection !== undefined && this.#isConnected) return this.#connection;
    throw unavailable("nats", this.#lastFailure?.message ?? "not connected");
  }

  /**
   * Does the work with the connection, now or when it is first there; the connection then stays the
   * same for good and renews its subscriptions after each loss. The returned function calls it off.
   */
  whenConnected(work: (connection: NatsConnection) => void): () => void {
    if (this.#connection === undefined) this.#awaiting.add(work);
    else work(this.#connection);
    return () => this.#awaiting.delete(work);
  }

  /**
   * Resolves at the first connection. @throws `unauthenticated` when the server refuses us,
   * `unavailable` when the link is closed.
   */
  connected(): Promise<NatsConnection> {
    if (this.#isClosed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.whenConnected(resolve);
      this.#refusing.add(reject);
    });
  }

  /** Sends what is on its way, ends the subscriptions, lets go. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelAttempt();
    this.#refuse(closed());
    const connection = this.#connection;
    if (connection === undefined || connection.isClosed()) return;
    if (this.#isConnected) await drained(connection);
    await connection.close();
  }

  async #attempt(): Promise<void> {
    try {
      const connection = await connect(connectionOptions(this.options));
      if (this.#isClosed) await connection.close();
      else this.#take(connection);
    } catch (error) {
      if (this.#isClosed) return;
      this.#failed(connectFailure(error));
      this.#cancelAttempt = systemClock.schedule(
        this.options.reconnectMs,
        () => void this.#attempt(),
      );
    }
  }

  #take(connection: NatsConnection): void {
    this.#connection = connection;
    this.#isConnected = true;
    this.log.info({ server: connection.getServer() }, "connected to nats");
    void this.#follow(connection);
    for (const work of this.#awaiting) work(connection);
    this.#awaiting.clear();
    this.#refusing.clear();
  }

  #failed(failure: DomainError): void {
    const isRefused = failure.kind === "unauthenticated";
    if (failure.message !== this.#lastFailure?.message) {
      const fields = { error: failure, servers: this.options.servers };
      if (isRefused) this.log.error(fields, "nats refuses the credentials");
      else this.log.warn(fields, "nats cannot be reached, trying on");
    }
    this.#lastFailure = failure;
    if (isRefused) this.#refuse(failure);
  }

  #refuse(failure: DomainError): void {
    for (const reject of this.#refusing) reject(failure);
    this.#refusing.clear();
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) this.#onStatus(status);
    this.#isConnected = false;
    const error = await connection.closed();
    if (!this.#isClosed) this.log.error({ error }, "the nats connection ended for good");
  }

  #onStatus(status: Status): void {
    if (status.type === "disconnect") this.#onLost(status.server);
    else if (status.type === "reconnect") this.#onBack(status.server);
    else if (status.type === "error") this.#onError(status.error);
    else this.log.debug({ status: status.type }, "nats connection status");
  }

  /** Also told after each attempt that failed. */
  #onLost(server: string): void {
    if (this.#isConnected) this.log.warn({ server }, "nats is lost, trying on");
    this.#isConnected = false;
  }

  #onBack(server: string): void {
    this.#isConnected = true;
    this.#lastFailure = undefined;
    this.log.info({ server }, "nats is back");
  }

  #onError(error: Error): void {
    if (isRefusal(error)) this.#failed(connectFailure(error));
    else this.log.warn({ error }, "nats reports an error");
  }
}

function closed(): DomainError {
  return unavailable("nats", "the link is closed");
}

async function drained(connection: NatsConnection): Promise<void> {
  let cancel: () => void = () => undefined;
  const late = new Promise<void>((resolve) => {
    cancel = systemClock.schedule(DRAIN_MS_MAX, resolve);
  });
  await Promise.race([connection.drain().catch(() => undefined), late]);
  cancel();
}
