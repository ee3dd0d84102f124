/**
 * The network between simulated processes: calls take time, get lost with their answers, arrive
 * twice, and fail while two ends are cut off from each other.
 *
 * P1 What is sent is copied: two processes never share an object.
 * P2 A killed process neither hears nor says anything any more; a caller whose call got lost hears
 *    of its deadline.
 */
import { DomainError, unavailable } from "@innkeeper/core";
import type { FakeClock, Prng, ProcessClock } from "@innkeeper/core/testing";
import type { Trace } from "./trace.js";

export interface NetworkRates {
  readonly lossChance: number;
  readonly duplicateChance: number;
  readonly delayMsMin: number;
  readonly delayMsMax: number;
}

/** One end of the network, while it lives. */
export interface Endpoint {
  readonly name: string;
  readonly clock: ProcessClock;
}

export interface Call {
  readonly from: Endpoint;
  readonly to: string;
  readonly what: string;
  readonly timeoutMs: number;
}

interface Served<Service> extends Endpoint {
  readonly service: Service;
}

export class SimNetwork {
  readonly #served = new Map<string, Served<unknown>>();
  readonly #cuts = new Set<string>();

  #rates: NetworkRates;

  constructor(
    private readonly world: {
      readonly clock: FakeClock;
      readonly prng: Prng;
      readonly trace: Trace;
    },
    rates: NetworkRates,
  ) {
    this.#rates = rates;
  }

  /** From now on the process answers under its name. */
  serve<Service>(endpoint: Endpoint, service: Service): void {
    this.#served.set(endpoint.name, { ...endpoint, service });
  }

  vanish(name: string): void {
    this.#served.delete(name);
  }

  cut(left: string, right: string): void {
    this.#cuts.add(cutKey(left, right));
  }

  heal(left: string, right: string): void {
    this.#cuts.delete(cutKey(left, right));
  }

  /** No faults from now on. */
  becomePerfect(): void {
    this.#cuts.clear();
    this.#rates = { lossChance: 0, duplicateChance: 0, delayMsMin: 1, delayMsMax: 2 };
  }

  /**
   * @throws what `serve` throws; `unavailable` when nobody is there; `timeout` when no answer
   * comes.
   */
  call<Service, Answer>(call: Call, serve: (service: Service) => Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      let isDone = false;
      const finish = (end: () => void): void => {
        if (isDone || call.from.clock.isKilled) return;
        isDone = true;
        cancel();
        end();
      };
      const cancel = call.from.clock.schedule(call.timeoutMs, () => {
        finish(() => reject(deadline(call)));
      });
      const answer = (end: () => void): void => this.#travel(call, "answer", () => finish(end));
      const deliver = (): void => this.#deliver(call, serve, { answer, resolve, reject });
      this.#travel(call, "request", deliver);
      if (this.world.prng.chance(this.#rates.duplicateChance)) this.#travel(call, "copy", deliver);
    });
  }

  #deliver<Service, Answer>(
    call: Call,
    serve: (service: Service) => Promise<Answer>,
    caller: {
      answer: (end: () => void) => void;
      resolve: (answer: Answer) => void;
      reject: (error: unknown) => void;
    },
  ): void {
    const target = this.#served.get(call.to) as Served<Service> | undefined;
    if (target === undefined || target.clock.isKilled) {
      caller.answer(() => caller.reject(unavailable(call.to, "nobody listens")));
      return;
    }
    serve(target.service).then(
      (answer) => {
        if (target.clock.isKilled) return;
        const copied = structuredClone(answer);
        caller.answer(() => caller.resolve(copied));
      },
      (error: unknown) => {
        if (!target.clock.isKilled) caller.answer(() => caller.reject(error));
      },
    );
  }

  #travel(call: Call, what: string, arrive: () => void): void {
    const { lossChance, delayMsMin, delayMsMax } = this.#rates;
    const isLost = this.world.prng.chance(lossChance) || this.#isCut(call);
    const delayMs = this.world.prng.integer(delayMsMin, delayMsMax);
    const route = `${call.from.name}>${call.to} ${call.what} ${what}`;
    if (isLost) {
      this.world.trace.add(`lost ${route}`);
      return;
    }
    this.world.clock.schedule(delayMs, () => {
      if (this.#isCut(call)) return;
      this.world.trace.add(route);
      arrive();
    });
  }

  #isCut({ from, to }: Call): boolean {
    return this.#cuts.has(cutKey(from.name, to));
  }
}

function cutKey(left: string, right: string): string {
  return left < right ? `${left}|${right}` : `${right}|${left}`;
}

function deadline({ to, what, timeoutMs }: Call): DomainError {
  return new DomainError({
    kind: "timeout",
    reason: "DEADLINE_EXCEEDED",
    message: `${to} did not answer ${what} within ${timeoutMs} ms`,
    metadata: { to, what },
  });
}
