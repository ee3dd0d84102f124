import { expect, it } from "vitest";
import { seedBytes, seedFiles } from "./seed.js";

const GUEST = { guestUid: "0881338a-9452-4e84-907e-37c93f783c64", guestId: "web" };
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

it("names the guest, and says once for each guest that it is new", () => {
  const files = seedFiles({ userDataBase64: btoa("#!/bin/sh"), networkConfigBase64: "" }, GUEST);
  expect(files.map(({ name }) => name)).toEqual(["meta-data", "user-data"]);
  expect(text(files[0]?.bytes)).toBe(
    "instance-id: 0881338a-9452-4e84-907e-37c93f783c64\nlocal-hostname: web\n",
  );
  expect(text(files[1]?.bytes)).toBe("#!/bin/sh");
});

it("holds a network configuration where there is one, and bytes of any value", () => {
  const binary = btoa(String.fromCharCode(0, 255, 10));
  const seed = { userDataBase64: binary, networkConfigBase64: btoa("version: 2") };
  const [, userData, network] = seedFiles(seed, GUEST);
  expect([...(userData?.bytes ?? [])]).toEqual([0, 255, 10]);
  expect([network?.name, text(network?.bytes)]).toEqual(["network-config", "version: 2"]);
  expect(seedBytes(seed)).toBe(3);
});
