/** GuestService: parses requests, calls the commands, answers from the mirror. */
import { invalidField, notFound, parseLabels, parseName } from "@innkeeper/core";
import { bothStreams, serverStream, unary } from "@innkeeper/core/platform";
import {
  DOWNTIME_MS_MAX,
  forecastToProto,
  parseCommand,
  parseDurationMs,
  parseInteger,
  parseLimitChanges,
  parseMigrationPolicy,
  parseRestartPolicy,
} from "@innkeeper/core/wire";
import type { MigrationPolicy as ProtoMigrationPolicy } from "@innkeeper/proto/innkeeper/v1/guest";
import type {
  GuestServiceServer,
  ListGuestsRequest,
  MigrateGuestRequest,
  ResizeGuestRequest,
  UpdateGuestRequest,
} from "@innkeeper/proto/innkeeper/v1/guest_service";
import type { Operation as ProtoOperation } from "@innkeeper/proto/innkeeper/v1/operation";
import { findGuest } from "../commands/change-guest.js";
import { createGuest } from "../commands/create-guest.js";
import { deleteGuest } from "../commands/delete-guest.js";
import { migrateGuest, planMigrationOf } from "../commands/migrate-guest.js";
import { resizeGuest } from "../commands/resize-guest.js";
import { type RunStateVerb, setRunState } from "../commands/set-run-state.js";
import { type UpdateGuestInput, updateGuest } from "../commands/update-guest.js";
import type { Controller } from "../controller.js";
import { attachConsole } from "./attach-console.js";
import { createMany, streamCreateMany } from "./create-many.js";
import { execGuest } from "./exec-guest.js";
import { explainPlacement } from "./explain-placement.js";
import { exportGuest } from "./export-guest.js";
import {
  guestToProto,
  parseCpuMillis,
  parseDiskMib,
  parseMemoryMib,
  parseNewGuest,
  STOP_TIMEOUT,
} from "./guest-codec.js";
import { guestDiskService } from "./guest-disk-service.js";
import { guestUsage, listGuestUsage } from "./guest-usage.js";
import {
  type NamedGuest,
  pageOf,
  parseEtag,
  parseGuestRef,
  parseMutation,
  parseOptionalName,
  parseProjectId,
  parseRequestId,
  parseRevision,
} from "./parse-request.js";
import { readConsole } from "./read-console.js";
import { operationToProto } from "./record-codecs.js";
import { replayed } from "./replay-decision.js";
import { watchGuests } from "./watch-guests.js";

export function guestService(controller: Controller): GuestServiceServer {
  const { log, mirror } = controller;
  const answer = async (operationId: Promise<string>): Promise<{ operation: ProtoOperation }> => {
    const operation = operationOf(controller, await operationId);
    const { id, kind, guestId, guestUid } = operation;
    log.info({ operationId: id, kind, guestId, guestUid }, "an operation was accepted");
    return { operation };
  };
  const verb = (name: RunStateVerb) =>
    unary(log, (request: NamedGuest & { requestId: string }) =>
      answer(setRunState(controller, name, parseMutation(request))),
    );
  return {
    createGuest: unary(log, ({ guest, requestId }) =>
      answer(
        createGuest(controller, { ...parseNewGuest(guest), requestId: parseRequestId(requestId) }),
      ),
    ),
    createGuests: unary(log, (request) => createMany(controller, request)),
    streamCreateGuests: bothStreams(log, ({ requests }) => streamCreateMany(controller, requests)),
    explainPlacement: unary(log, (request) => explainPlacement(controller, request)),
    replayDecision: unary(log, (request) => replayed(controller, parseGuestRef(request))),
    getGuest: unary(log, async (request) => {
      await waitForRevision(controller, request.minRevision);
      return { guest: guestToProto(findGuest(controller, parseGuestRef(request))) };
    }),
    listGuests: unary(log, async (request) => {
      await waitForRevision(controller, request.minRevision);
      return { ...listGuests(controller, request), revision: mirror.revision };
    }),
    updateGuest: unary(log, async (request) => {
      const uid = await updateGuest(controller, parseUpdate(request));
      const guest = mirror.guestByUid(uid);
      return { guest: guest && guestToProto(guest) };
    }),
    deleteGuest: unary(log, (request) => answer(deleteGuest(controller, parseMutation(request)))),
    startGuest: verb("start"),
    stopGuest: verb("stop"),
    pauseGuest: verb("pause"),
    resumeGuest: verb("resume"),
    migrateGuest: unary(log, async (request) => {
      if (request.dryRun) return onlyForecast(controller, request);
      const { operation } = await answer(migrateGuest(controller, parseMigrate(request)));
      return { operation, forecast: operation.forecast };
    }),
    resizeGuest: unary(log, (request) => answer(resizeGuest(controller, parseResize(request)))),
    ...guestDiskService(controller, answer),
    getGuestUsage: unary(log, (request) => guestUsage(controller, parseGuestRef(request))),
    listGuestUsage: unary(log, (request) => listGuestUsage(controller, request)),
    watchGuests: serverStream(log, (request, signal) =>
      watchGuests(controller, {
        projectId: parseOptionalName("project_id", request.projectId),
        fromRevision: parseRevision("from_revision", request.fromRevision),
        signal,
      }),
    ),
    readConsole: serverStream(log, (request, signal) =>
      readConsole(controller, { ...parseGuestRef(request), isFollowing: request.follow, signal }),
    ),
    attachConsole: bothStreams(log, (streams) => attachConsole(controller, streams)),
    exportGuest: serverStream(log, (request, signal) => {
      const { snapshotName: name } = request;
      const snapshotName = name === "" ? undefined : parseName("snapshot_name", name);
      return exportGuest(controller, { ...parseGuestRef(request), snapshotName, signal });
    }),
    execGuest: serverStream(log, (request, signal) => {
      const command = parseCommand("command", request.command);
      return execGuest(controller, { ...parseGuestRef(request), request: command, signal });
    }),
  };
}

function onlyForecast(controller: Controller, request: MigrateGuestRequest) {
  const forecast = forecastToProto(planMigrationOf(controller, parseMigrate(request)));
  return { operation: undefined, forecast };
}

function parseMigrate(request: MigrateGuestRequest) {
  const range = { min: 0, max: DOWNTIME_MS_MAX };
  const asked = parseInteger("downtime_ms_max", request.downtimeMsMax, range);
  return {
    ...parseMutation(request),
    targetNodeId: parseOptionalName("target_node_id", request.targetNodeId),
    downtimeMsMax: asked === 0 ? undefined : asked,
  };
}

function parseResize(request: ResizeGuestRequest) {
  const { cpuMillis, memoryMib } = request;
  const diskMib = parseDiskMib("disk_mib", request.diskMib);
  const limits = parseLimitChanges("", request);
  const isNothing = [cpuMillis, memoryMib, diskMib].every((each) => each === undefined);
  if (isNothing && Object.keys(limits).length === 0) {
    throw invalidField("cpu_millis", "unset", "at least one of the values that can be changed");
  }
  return {
    ...parseMutation(request),
    cpuMillis: cpuMillis === undefined ? undefined : parseCpuMillis("cpu_millis", cpuMillis),
    memoryMib: memoryMib === undefined ? undefined : parseMemoryMib("memory_mib", memoryMib),
    diskMib,
    limits,
  };
}

/** All defaults. */
const NO_POLICY: ProtoMigrationPolicy = { downtimeMax: undefined, timeout: undefined };

/** Paths that an update may name; anything else is refused. */
const UPDATE_PATHS = [
  "labels",
  "spec.restart_policy",
  "spec.stop_timeout",
  "spec.migration_policy",
];

function parseUpdate(request: UpdateGuestRequest): UpdateGuestInput {
  const { guest, updateMask = [] } = request;
  if (guest === undefined) throw invalidField("guest", "unset", "the guest with its new values");
  const unknown = updateMask.find((path) => !UPDATE_PATHS.includes(path));
  if (unknown !== undefined || updateMask.length === 0) {
    throw invalidField("update_mask", unknown ?? "empty", UPDATE_PATHS.join(", "));
  }
  const { spec } = guest;
  return {
    projectId: parseProjectId("guest.project_id", guest.projectId),
    guestId: parseName("guest.id", guest.id),
    requestId: parseRequestId(request.requestId),
    expectedRevision: parseEtag("guest.etag", guest.etag),
    ...(updateMask.includes("labels") ? { labels: parseLabels("guest.labels", guest.labels) } : {}),
    ...(updateMask.includes("spec.restart_policy")
      ? { restartPolicy: parseRestartPolicy("guest.spec.restart_policy", spec?.restartPolicy) }
      : {}),
    ...(updateMask.includes("spec.migration_policy")
      ? {
          migrationPolicy: parseMigrationPolicy(
            "guest.spec.migration_policy",
            spec?.migrationPolicy ?? NO_POLICY,
          ),
        }
      : {}),
    ...(updateMask.includes("spec.stop_timeout")
      ? {
          stopTimeoutMs: parseDurationMs(
            "guest.spec.stop_timeout",
            spec?.stopTimeout,
            STOP_TIMEOUT,
          ),
        }
      : {}),
  };
}

function listGuests({ mirror }: Controller, request: ListGuestsRequest) {
  const projectId = parseOptionalName("project_id", request.projectId);
  const guests = mirror
    .guests()
    .filter((guest) => projectId === "" || guest.projectId === projectId);
  const page = pageOf(guests, (guest) => `${guest.projectId}/${guest.id}`, {
    ...request,
    query: projectId,
  });
  const versioned = page.items.map(({ uid }) => mirror.guestByUid(uid)).filter((each) => !!each);
  return { guests: versioned.map(guestToProto), nextPageToken: page.nextPageToken };
}

async function waitForRevision({ mirror, clock, config }: Controller, revision: number) {
  const wanted = parseRevision("min_revision", revision);
  await mirror.waitFor(wanted, { clock, timeoutMs: config.mirrorWaitMs });
}

/** An operation that was just committed, or answered again, and may be forgotten by now. */
function operationOf({ mirror }: Controller, id: string): ProtoOperation {
  const found = mirror.operation(id);
  if (found === undefined) throw notFound("operation", id);
  return operationToProto(found.value, mirror);
}
