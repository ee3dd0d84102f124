#!/usr/bin/env node
/** `inn-agent`. Guests go on running without it. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { serviceMain } from "@innkeeper/core/platform";
import { checkSettings } from "./check-settings.js";
import { AGENT_SETTINGS, loadAgentSettings } from "./config.js";
import { startAgent } from "./start-agent.js";

const TINY_KERNEL = fileURLToPath(new URL("../images/build/tiny/tiny.elf", import.meta.url));
const TINY_DISK = fileURLToPath(new URL("../images/build/disk/disk.raw", import.meta.url));
const ROOTFS = fileURLToPath(new URL("../images/build/rootfs/rootfs.tar.gz", import.meta.url));

await serviceMain(
  {
    name: "inn-agent",
    table: AGENT_SETTINGS,
    load: loadAgentSettings,
    check: (settings) => {
      const probeKernel = settings.probeKernel || TINY_KERNEL;
      return checkSettings(settings, { probeKernel, probeDisk: TINY_DISK, probeRootfs: ROOTFS });
    },
    start: async (settings, root) => {
      const { nodeId, probeKernel, dataDirectory } = settings;
      const running = await startAgent(settings, {
        log: root.child({ nodeId }),
        hostShare: 1,
        blobs: undefined,
        probeKernel: probeKernel || TINY_KERNEL,
        probeDisk: TINY_DISK,
        probeRootfs: ROOTFS,
        probeCacheFile: path.join(dataDirectory, "acceleration.json"),
      });
      const { adoptedCount } = running.agent;
      return { hello: { address: running.address, adoptedCount }, stop: () => running.stop() };
    },
  },
  process,
);
