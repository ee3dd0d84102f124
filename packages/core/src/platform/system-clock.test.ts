import { clockContract } from "../testing/contracts/clock.contract.js";
import { systemClock } from "./system-clock.js";

clockContract("system", () => ({
  clock: systemClock,
  pass: (durationMs) =>
    new Promise((resolve) => {
      systemClock.schedule(durationMs, resolve);
    }),
}));
