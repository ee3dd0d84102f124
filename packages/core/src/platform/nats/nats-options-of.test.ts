import { expect, it } from "vitest";
import { loadSettings } from "../config.js";
import { NATS_SETTINGS } from "../nats-settings.js";
import { eventStreamOptionsOf, type NatsSettings, natsOptionsOf } from "./nats-options-of.js";

const DEFAULTS: NatsSettings = loadSettings(NATS_SETTINGS, {});
const PLAIN = { ...DEFAULTS, natsServers: "a:4222,b:4222" };

it("is without NATS when no server is named", () => {
  expect(natsOptionsOf(DEFAULTS, "n1")).toBeUndefined();
});

it("takes all servers, and neither credentials nor TLS by default", () => {
  const wanted = { servers: ["a:4222", "b:4222"], name: "n1" };
  const without = { credentials: undefined, tls: undefined };
  expect(natsOptionsOf(PLAIN, "n1")).toMatchObject({ ...wanted, ...without });
});

it("prefers the nkey to the password", () => {
  const user = { ...PLAIN, natsUser: "u", natsPassword: "p" };
  expect(natsOptionsOf(user, "n1")?.credentials).toEqual({ user: "u", password: "p" });
  const both = { ...user, natsNkeySeed: "SU" };
  expect(natsOptionsOf(both, "n1")?.credentials).toEqual({ nkeySeed: "SU" });
});

it.each([
  [{ natsServers: "a:1,tls://b:1" }, { ca: undefined, identity: undefined }],
  [{ natsTlsCa: "CA" }, { ca: "CA", identity: undefined }],
  [
    { natsTlsCert: "C", natsTlsKey: "K" },
    { ca: undefined, identity: { cert: "C", key: "K" } },
  ],
])("asks for TLS because of %j", (settings, tls) => {
  expect(natsOptionsOf({ ...PLAIN, ...settings }, "n1")?.tls).toEqual(tls);
});

it("keeps events for the days of the settings", () => {
  expect(eventStreamOptionsOf({ ...DEFAULTS, eventsKeptDays: 2 }).keptMs).toBe(172_800_000);
});
