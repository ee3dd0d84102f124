import type { AgentClient, EngineName, ExecOutput, Guest } from "@innkeeper/core";
import { aGuest, aNode, anImage, aPlacement } from "@innkeeper/core/testing";
import { expect, it } from "vitest";
import type { Controller } from "../controller.js";
import { execGuest } from "./exec-guest.js";

const REQUEST = { words: ["uname"], input: new Uint8Array(0), timeoutMs: 1000 };

/** What the controller knows, and an agent that says which guest it was asked for. */
function controllerWith(guest: Guest, hasGuestAgent: boolean): Controller {
  const image = anImage();
  const manifest = { ...image.manifest, ...(hasGuestAgent ? { hasGuestAgent } : {}) };
  const agent: Pick<AgentClient, "exec"> = {
    exec: async function* (guestUid): AsyncGenerator<ExecOutput> {
      yield { kind: "stdout", bytes: Buffer.from(guestUid) };
    },
  };
  const mirror = {
    guest: () => ({ value: guest }),
    image: () => ({ value: { ...image, manifest } }),
    node: () => ({ value: aNode() }),
  };
  const agents = { clientFor: () => agent };
  return { mirror, agents } as unknown as Controller;
}

function placedOn(engine: EngineName): Guest {
  const guest = aGuest();
  const placement = { ...aPlacement(), engine };
  return { ...guest, status: { ...guest.status, placement } };
}

async function first(controller: Controller) {
  const { signal } = new AbortController();
  const ref = { projectId: "default", guestId: "web" };
  return await execGuest(controller, { ...ref, request: REQUEST, signal }).next();
}

it.each([
  ["qemu", true],
  ["container", false],
  ["sim", false],
] as const)("asks the agent of the node: %s", async (engine, hasGuestAgent) => {
  const guest = placedOn(engine);
  const { value } = await first(controllerWith(guest, hasGuestAgent));
  expect(value).toMatchObject({ output: { output: { value: Buffer.from(guest.uid) } } });
});

it.each(["qemu", "xen"] as const)("refuses %s guests whose image has no agent", async (engine) => {
  await expect(first(controllerWith(placedOn(engine), false))).rejects.toMatchObject({
    kind: "precondition",
    reason: "NO_GUEST_AGENT",
  });
});

it("refuses a guest that is nowhere", async () => {
  await expect(first(controllerWith(aGuest(), true))).rejects.toMatchObject({
    reason: "GUEST_NOT_PLACED",
  });
});
