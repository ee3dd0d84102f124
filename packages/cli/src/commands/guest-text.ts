/** One guest, told for people. */
import { limitTexts } from "@innkeeper/core";
import type { Guest, GuestUsage, PortForward } from "@innkeeper/proto/innkeeper/v1/guest";
import { age, details, enumName, table } from "../output/table.js";
import { policyText } from "./guest-migration.js";

export interface GuestExtras {
  readonly nowMs: number;
  readonly usage: GuestUsage | undefined;
  /** Where the ports that lead to it are reached; empty = not known. */
  readonly forwardHost: string;
}

export function guestDetails(guest: Guest, { nowMs, usage, forwardHost }: GuestExtras): string {
  const { spec, status } = guest;
  const placement = status?.placement;
  const labels = Object.entries(guest.labels).map(([key, value]) => `${key}=${value}`);
  const exit = status?.lastExit;
  return details([
    ["name", `${guest.projectId}/${guest.id}`],
    ["uid", guest.uid],
    ["phase", [phase(guest), status?.reason, status?.message].filter(Boolean).join(" - ")],
    ["image", spec?.imageId ?? ""],
    ["node", placement ? `${placement.nodeId} (epoch ${placement.epoch})` : ""],
    ["mode", mode(placement?.mode ?? spec?.mode ?? "")],
    ["cpu", `${spec?.resources?.cpuMillis ?? 0}m${nowText(usage?.cpuMillis, "m")}`],
    ["memory", `${spec?.resources?.memoryMib ?? 0} MiB${nowText(usage?.memoryMib, " MiB")}`],
    ...keepingDetails(guest),
    ...networkDetails(guest, forwardHost),
    ...priorityDetails(spec),
    ["moves", policyText(spec?.migrationPolicy)],
    ["labels", labels.join(", ")],
    ["user data", spec?.seed ? `${spec.seed.userDataSize} bytes` : ""],
    ["command line", spec?.commandLine ?? ""],
    ["restarts", String(status?.restartCount ?? 0)],
    ["last exit", exit ? `${exit.reason}: ${exit.message}` : ""],
    ["started", age(status?.startTime, nowMs)],
    ["created", age(guest.createTime, nowMs)],
    ["operation", guest.operationId],
    ["etag", guest.etag],
  ]);
}

export function guestExplanation(guest: Guest): string {
  const { status } = guest;
  const placement = status?.placement;
  if (placement === undefined) {
    const lines = (status?.rejections ?? []).map((each) => [
      each.nodeId,
      each.filter,
      each.message,
    ]);
    const why = lines.length > 0 ? "no node can take it" : "it has no place";
    const head = `guest ${guest.id} is ${phase(guest)}: ${why}`;
    if (lines.length === 0) return head;
    return [head, table(["NODE", "FILTER", "WHY NOT"], lines)].join("\n");
  }
  const candidates = placement.candidates.map((each) => [
    each.nodeId,
    mode(each.mode),
    each.score.toFixed(4),
  ]);
  const rejected = placement.rejections.map((each) => [each.nodeId, each.filter, each.message]);
  return [
    placement.message,
    `decided from revision ${placement.snapshotRevision} with seed ${placement.seed}`,
    table(["CANDIDATE", "MODE", "SCORE"], candidates),
    ...(rejected.length > 0 ? [table(["REJECTED", "FILTER", "WHY NOT"], rejected)] : []),
  ].join("\n");
}

function priorityDetails(spec: Guest["spec"]): [string, string][] {
  return [
    ["priority", spec?.priority ? String(spec.priority) : ""],
    ["preemptible", spec?.preemptible ? "yes" : ""],
    ["max down", spec?.disruptionBudget ?? ""],
  ];
}

function networkDetails({ spec, status }: Guest, forwardHost: string): [string, string][] {
  const forwards = (spec?.forwards ?? []).map((each) => forwardText(each, forwardHost));
  return [
    ["mac address", status?.network?.macAddress ?? ""],
    ["ip address", status?.network?.ipAddress ?? ""],
    ["ports", forwards.join(", ")],
  ];
}

function forwardText({ protocol, hostPort, guestPort }: PortForward, host: string): string {
  const name = enumName(protocol, "PROTOCOL_").toLowerCase();
  return `${name} ${host === "" ? "" : `${host}:`}${hostPort} -> ${guestPort}`;
}

function nowText(amount: number | undefined, unit: string): string {
  return amount === undefined ? "" : `, takes ${amount}${unit} now`;
}

/** What it keeps on its node, and how fast it may. */
function keepingDetails({ spec, status }: Guest): readonly (readonly [string, string])[] {
  return [
    ["disk", diskText(spec?.resources?.diskMib ?? 0)],
    ["data disks", (spec?.dataDisks ?? []).map(dataDiskText).join(", ")],
    ["snapshots", (status?.snapshots ?? []).map(({ name }) => name).join(", ")],
    ["limits", limitTexts(spec?.limits).join(", ")],
  ];
}

function dataDiskText({ name, sizeMib }: { name: string; sizeMib: number }): string {
  return `${name} ${sizeMib} MiB`;
}

function diskText(diskMib: number): string {
  return diskMib === 0 ? "" : `${diskMib} MiB`;
}

function phase(guest: Guest): string {
  return enumName(guest.status?.phase ?? "", "GUEST_PHASE_");
}

function mode(value: string): string {
  return enumName(value, "MODE_").toLowerCase();
}
