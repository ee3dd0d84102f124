/**
 * Notices at once that the leader's process is gone: a connection to it breaks and nobody listens
 * there any more. A leader that is only slow, paused or cut off keeps its port or does not answer
 * at all; for those the lease must run out.
 */
import { connect } from "node:net";
import { type Clock, type ControllerRecord, leaderOf } from "@innkeeper/core";
import type { Controller } from "../controller.js";

/** Refusals in a row that count as gone; one could be a restart of the network. */
const REFUSALS_NEEDED = 3;
const RETRY_MS = 20;
/** Pause before a look at a peer that cannot be reached at all. */
const SILENT_MS = 500;

type Outcome = "closed" | "refused" | "silent";

/** Watches whoever leads, as long as it is another controller. Returns what stops it. */
export function watchLeader(controller: Controller): () => void {
  let watched: { readonly leader: ControllerRecord; readonly abort: AbortController } | undefined;
  const look = (): void => {
    const leader = leaderOf(controller.mirror.controllers());
    if (leader?.leaderEpoch === watched?.leader.leaderEpoch) return;
    watched?.abort.abort();
    watched = undefined;
    if (leader === undefined || leader.id === controller.config.controllerId) return;
    watched = { leader, abort: new AbortController() };
    void deposeWhenGone(controller, leader, watched.abort.signal);
  };
  const unsubscribe = controller.mirror.subscribe(({ changes }) => {
    if (changes.some(({ key }) => key.startsWith("controller/"))) look();
  });
  look();
  return () => {
    unsubscribe();
    watched?.abort.abort();
  };
}

async function deposeWhenGone(
  controller: Controller,
  leader: ControllerRecord,
  signal: AbortSignal,
) {
  if (!(await untilGone(leader.address, controller.clock, signal))) return;
  controller.log.warn({ leaderId: leader.id }, "the leader's process is gone");
  await controller.depose(leader);
}

/** Resolves to true when the process is surely gone, to false when the signal aborts. */
export async function untilGone(
  address: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  let refusals = 0;
  while (!signal.aborted) {
    const outcome = await holdConnection(address, signal);
    refusals = outcome === "refused" ? refusals + 1 : 0;
    if (refusals >= REFUSALS_NEEDED) return true;
    await pause(clock, outcome === "silent" ? SILENT_MS : RETRY_MS);
  }
  return false;
}

/** Stays connected as long as the other side does. */
function holdConnection(address: string, signal: AbortSignal): Promise<Outcome> {
  const at = address.lastIndexOf(":");
  const [host, port] = [address.slice(0, at).replace(/^\[(.*)\]$/, "$1"), address.slice(at + 1)];
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    let isConnected = false;
    let isRefused = false;
    const abort = (): void => {
      socket.destroy();
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.once("connect", () => {
      isConnected = true;
    });
    socket.on("data", () => undefined);
    socket.on("error", (error: NodeJS.ErrnoException) => {
      isRefused = !isConnected && error.code === "ECONNREFUSED";
    });
    socket.once("close", () => {
      signal.removeEventListener("abort", abort);
      if (isConnected) resolve("closed");
      else resolve(isRefused ? "refused" : "silent");
    });
  });
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}
