/**
 * Two independent ways to the controllers: NATS, and gRPC when NATS does not answer. Only the loss
 * of both counts.
 *
 * W1 A report fails only when gRPC fails too, or a controller has refused it.
 * W2 NATS costs time only once in `avoidMs`: who did not answer in time is not asked for so long.
 * W3 The answer of a leader that has been followed by another counts as none.
 *
 * A report may arrive twice, by both ways: it is numbered, so the second one changes nothing.
 */
import {
  type Clock,
  type ControllerClient,
  type DomainError,
  type Logger,
  type NodeIntroduction,
  type NodeReport,
  type ReportAnswer,
  toDomainError,
  unavailable,
} from "@innkeeper/core";

export interface ReportChannel {
  readonly isConnected: boolean;
  /** @throws `unavailable` or `timeout` when no leader answers. */
  report(report: NodeReport): Promise<ReportAnswer>;
}

export interface TwoWayParts {
  readonly nats: ReportChannel;
  readonly grpc: ControllerClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly avoidMs: number;
}

export class TwoWayControllerClient implements ControllerClient {
  #avoidUntilMs = 0;
  #leaderEpochMax = 0;
  #usesNats = false;

  constructor(private readonly parts: TwoWayParts) {}

  async join(node: NodeIntroduction): Promise<void> {
    await this.parts.grpc.join(node);
  }

  async report(report: NodeReport): Promise<ReportAnswer> {
    const { nats, grpc } = this.parts;
    if (this.#isNatsWorthATry()) {
      const answer = await this.#tryNats(() => nats.report(report));
      if (answer !== undefined) return answer;
    }
    this.#goesBy("grpc");
    return this.#fromPresentLeader(await grpc.report(report));
  }

  findBlob(sha256: string, nodeId: string): Promise<readonly string[]> {
    return this.parts.grpc.findBlob(sha256, nodeId);
  }

  readBlob(sha256: string, offsetBytes: number): AsyncIterable<Uint8Array> {
    return this.parts.grpc.readBlob(sha256, offsetBytes);
  }

  learn(address: string): void {
    this.parts.grpc.learn?.(address);
  }

  /** The connection to NATS is the caller's to close. */
  close(): void {
    this.parts.grpc.close();
  }

  #isNatsWorthATry(): boolean {
    const { nats, clock } = this.parts;
    return nats.isConnected && clock.monotonicMs() >= this.#avoidUntilMs;
  }

  /** Undefined when there was no answer. */
  async #tryNats(report: () => Promise<ReportAnswer>): Promise<ReportAnswer | undefined> {
    const { clock, avoidMs, log } = this.parts;
    try {
      const answer = this.#fromPresentLeader(await report());
      this.#goesBy("nats");
      return answer;
    } catch (error) {
      const failure = toDomainError(error);
      if (!isUnanswered(failure)) throw failure;
      if (failure.kind === "timeout") this.#avoidUntilMs = clock.monotonicMs() + avoidMs;
      log.debug({ error: failure }, "no answer over nats");
      return undefined;
    }
  }

  #fromPresentLeader(answer: ReportAnswer): ReportAnswer {
    const { leaderEpoch } = answer;
    if (leaderEpoch < this.#leaderEpochMax) {
      throw unavailable("leader", `the one of epoch ${leaderEpoch} answered, which is over`);
    }
    this.#leaderEpochMax = leaderEpoch;
    return answer;
  }

  #goesBy(way: "nats" | "grpc"): void {
    const usesNats = way === "nats";
    if (usesNats !== this.#usesNats) this.parts.log.info({ way }, "reports take another way");
    this.#usesNats = usesNats;
  }
}

function isUnanswered({ kind }: DomainError): boolean {
  return kind === "unavailable" || kind === "timeout";
}
