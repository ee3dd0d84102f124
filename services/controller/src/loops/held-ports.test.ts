import type { Guest } from "@innkeeper/core";
import { aGuest, aPlacement } from "@innkeeper/core/testing";
import { beforeEach, expect, it } from "vitest";
import { HeldPorts } from "./held-ports.js";

let held: HeldPorts;

beforeEach(() => {
  held = new HeldPorts();
});

function guestOn(id: string, nodeId: string, hostPort = 2222): Guest {
  const forwards = [{ protocol: "tcp", hostPort, guestPort: 22 } as const];
  const guest = aGuest({ id, uid: `uid-${id}`, spec: { forwards } });
  return { ...guest, status: { ...guest.status, placement: aPlacement({ nodeId }) } };
}

const conflicts = (uid: string, ...ports: string[]) => [...held.conflicts(uid, ports)];

it("names the holder, on the nodes where there is one", () => {
  held.addGuest(guestOn("a", "n1"));
  held.addGuest(guestOn("b", "n2", 80));
  expect(conflicts("uid-c", "tcp/2222", "udp/2222")).toEqual([
    ["n1", "tcp/2222 is held by default/a"],
  ]);
});

it("sees no conflict of a guest with itself", () => {
  held.addGuest(guestOn("a", "n1"));
  expect(conflicts("uid-a", "tcp/2222")).toEqual([]);
});

it("forgets a guest that has gone, and not another one", () => {
  held.addGuest(guestOn("a", "n1"));
  held.addGuest(guestOn("b", "n2"));
  held.removeGuest(guestOn("a", "n1"));
  expect(conflicts("uid-c", "tcp/2222").map(([nodeId]) => nodeId)).toEqual(["n2"]);
});

it("counts those who were decided on meanwhile", () => {
  held.add("n1", "tcp/2222", { uid: "uid-x", name: "default/x" });
  held.addGuest(guestOn("a", "n1"));
  held.remove("n1", "tcp/2222", "uid-x");
  expect(conflicts("uid-c", "tcp/2222")).toEqual([["n1", "tcp/2222 is held by default/a"]]);
});
