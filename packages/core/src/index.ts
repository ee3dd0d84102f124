/**
 * The decisions and the contracts of Innkeeper: domain, scheduling, reconcile and ports. No I/O.
 */
export * from "./domain/assert.js";
export * from "./domain/assignment.js";
export * from "./domain/blob.js";
export * from "./domain/console.js";
export * from "./domain/controller.js";
export * from "./domain/copies-digest.js";
export * from "./domain/copy.js";
export * from "./domain/disk.js";
export * from "./domain/drain.js";
export * from "./domain/errors.js";
export * from "./domain/exec.js";
export { fnv1a } from "./domain/fnv1a.js";
export * from "./domain/guest.js";
export * from "./domain/guest-lifecycle.js";
export * from "./domain/guest-phase.js";
export * from "./domain/image.js";
export * from "./domain/limits.js";
export type * from "./domain/migration-forecast.js";
export * from "./domain/migration-policy.js";
export * from "./domain/mode.js";
export * from "./domain/names.js";
export * from "./domain/needs.js";
export * from "./domain/network.js";
export * from "./domain/node.js";
export * from "./domain/operation.js";
export * from "./domain/placement.js";
export * from "./domain/placement-rules.js";
export * from "./domain/project.js";
export type * from "./domain/rebalance.js";
export * from "./domain/record-keys.js";
export * from "./domain/resources.js";
export * from "./domain/seed.js";
export * from "./domain/snapshot.js";
export * from "./domain/subnet.js";
export * from "./domain/template.js";
export type * from "./ports/agent-client.js";
export type * from "./ports/agent-journal.js";
export type * from "./ports/blob-peers.js";
export type * from "./ports/blob-store.js";
export type * from "./ports/clock.js";
export type * from "./ports/controller-client.js";
export type * from "./ports/disk-store.js";
export type * from "./ports/engine.js";
export type * from "./ports/event-log.js";
export type * from "./ports/id-source.js";
export type * from "./ports/leader-lease.js";
export type * from "./ports/logger.js";
export type * from "./ports/state-store.js";
export * from "./reconcile/assignment-for.js";
export * from "./reconcile/backoff.js";
export * from "./reconcile/convergence.js";
export * from "./reconcile/forecast-migration.js";
export * from "./reconcile/guest-view.js";
export * from "./reconcile/plan-copy.js";
export * from "./reconcile/plan-drain.js";
export { evicted } from "./reconcile/plan-eviction.js";
export * from "./reconcile/plan-guest.js";
export { isUpToDate, placementsOf } from "./reconcile/plan-placed.js";
export * from "./reconcile/plan-rebalance-step.js";
export * from "./reconcile/settle-operation.js";
export { DevicePacker, type DevicePlace } from "./scheduling/devices/device-packer.js";
export * from "./scheduling/devices/device-request.js";
export { DeviceShapes } from "./scheduling/devices/device-shapes.js";
export { UnusableLoss } from "./scheduling/devices/unusable-loss.js";
export * from "./scheduling/evacuate.js";
export * from "./scheduling/fair-queue.js";
export * from "./scheduling/filters.js";
export * from "./scheduling/group-rules.js";
export type { GuestCounts } from "./scheduling/guest-counts.js";
export * from "./scheduling/label-filters.js";
export * from "./scheduling/move-turns.js";
export { NodeTable } from "./scheduling/node-table.js";
export * from "./scheduling/offers.js";
export * from "./scheduling/place.js";
export { Placer } from "./scheduling/placer.js";
export type { Preemption, PreemptionQuestion } from "./scheduling/preemption/choose-victims.js";
export {
  byCost,
  compareCosts,
  costOf,
  leastVictims,
  type Preemptible,
  type VictimCost,
} from "./scheduling/preemption/least-victims.js";
export * from "./scheduling/rebalance.js";
export * from "./scheduling/scorers.js";
export * from "./scheduling/smallest-change.js";
export * from "./transactions/change-feed.js";
export * from "./transactions/evaluate-transaction.js";
export * from "./transactions/lease-state.js";
export * from "./transactions/record-codec.js";
export * from "./transactions/store-state.js";
