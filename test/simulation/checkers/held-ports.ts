/**
 * I2 for what cannot be shared at all: a port of a node leads to one guest, an address or a port
 * that the cluster chose belongs to one, and the counters say who holds what.
 */
import {
  claimCounter,
  claimsOf,
  type Guest,
  isClaim,
  placementsOf,
  portCounter,
  portName,
} from "@innkeeper/core";
import { type Checker, Violation, type World } from "./checker.js";

const IS_PORT = /^node\/[^/]+\/port\//;

export function heldPorts({ records }: World): Checker {
  let isChanged = false;
  return {
    onCommit: () => {
      isChanged = true;
    },
    onEvent: () => {
      if (!isChanged) return;
      isChanged = false;
      check(records);
    },
  };
}

function check(records: World["records"]): void {
  const holders = holdersIn(records);
  for (const key of records.counterKeys()) {
    if (isClaim(key) || IS_PORT.test(key)) checkCount(records, key, holders.has(key) ? 1 : 0);
  }
  for (const key of holders.keys()) checkCount(records, key, 1);
}

/** By the counter that says so. */
function holdersIn(records: World["records"]): ReadonlyMap<string, string> {
  const holders = new Map<string, string>();
  for (const guest of records.guests()) {
    for (const key of heldBy(guest)) {
      const other = holders.get(key);
      if (other !== undefined) throw new Violation("I2", `${key} is ${other}'s and ${guest.id}'s`);
      holders.set(key, guest.id);
    }
  }
  return holders;
}

function heldBy(guest: Guest): string[] {
  const ports = (guest.spec.forwards ?? []).map(portName);
  const places = placementsOf(guest).map(({ nodeId }) => nodeId);
  return [
    ...claimsOf(guest).map(claimCounter),
    ...places.flatMap((nodeId) => ports.map((port) => portCounter(nodeId, port))),
  ];
}

function checkCount(records: World["records"], key: string, held: number): void {
  const counted = records.counter(key);
  if (counted !== held) throw new Violation("I2", `${key} is counted ${counted}, held ${held}`);
}
