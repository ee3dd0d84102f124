#!/usr/bin/env node
/** `inn-controller`. */
import { readFile } from "node:fs/promises";
import { serviceMain, systemClock } from "@innkeeper/core/platform";
import { checkSettings } from "./check-settings.js";
import { CONTROLLER_SETTINGS, loadControllerSettings } from "./config.js";
import { startController } from "./start-controller.js";

const DESCRIPTORS = new URL("../proto/gen/descriptors.binpb", import.meta.url);

await serviceMain(
  {
    name: "inn-controller",
    table: CONTROLLER_SETTINGS,
    load: loadControllerSettings,
    check: (settings) => checkSettings(settings, systemClock),
    start: async (settings, root) => {
      const { controllerId } = settings;
      const log = root.child({ controllerId });
      const descriptors = await readFile(DESCRIPTORS);
      const onFatal = (error: unknown): void => {
        log.error({ error }, "the store has failed, this process ends");
        process.exit(1);
      };
      const running = await startController(settings, { log, descriptors, onFatal });
      return { hello: { address: running.address }, stop: () => running.stop() };
    },
  },
  process,
);
