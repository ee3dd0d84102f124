/** `inn-controller --check`: opens what the settings name, and lets go of it again. */
import path from "node:path";
import { type Clock, unavailable } from "@innkeeper/core";
import { createLogger } from "@innkeeper/core/platform";
import type { ControllerSettings } from "./config.js";
import { openStore } from "./open-store.js";

const TIMEOUT_MS = 10_000;

/**
 * @throws what keeps the store from being used, e.g. `unavailable` or that another controller has
 * it open.
 */
export async function checkSettings(
  settings: ControllerSettings,
  clock: Clock,
): Promise<readonly string[]> {
  const log = createLogger({ level: "silent", destination: { write: () => undefined } });
  const directory = path.resolve(settings.dataDirectory);
  const work = async (): Promise<string> => {
    const ignore = (): void => undefined;
    const reactions = { onFailure: ignore, onFailOver: ignore };
    const opened = await openStore(settings, { directory, clock, log, ...reactions });
    const revision = await opened.store.oldestRevision();
    await opened.close();
    return `store ${settings.store}: usable, changes are kept from revision ${revision}`;
  };
  return [await within(work(), clock)];
}

function within<T>(work: Promise<T>, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.schedule(TIMEOUT_MS, () => {
      reject(unavailable("store", `it did not answer within ${TIMEOUT_MS} ms`));
    });
    work.then(resolve, reject).finally(cancel);
  });
}
