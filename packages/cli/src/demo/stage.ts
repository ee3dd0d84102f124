/** What the steps of the demo share. */
import type { InnkeeperClient } from "@innkeeper/client";
import type { ClusterProcesses, StartedProcess } from "./cluster-processes.js";
import type { Story } from "./story.js";

/** The demo's own processes. */
export interface OwnCluster {
  readonly processes: ClusterProcesses;
  readonly controller: StartedProcess;
  readonly agents: Map<string, StartedProcess>;
}

export interface Stage {
  readonly story: Story;
  readonly client: InnkeeperClient;
  /** Undefined on a cluster that was there before: steps that need these are left out. */
  readonly own: OwnCluster | undefined;
  /** Stands before the names of the demo's guests, so that they meet no others. */
  readonly prefix: string;
  /** By their full names; all of it is removed at the end, also after a failure. */
  readonly made: { readonly guests: Set<string>; readonly images: Set<string> };
}

/** The full name of one of the demo's guests. */
export function guestName({ prefix }: Stage, name: string): string {
  return `${prefix}${name}`;
}
