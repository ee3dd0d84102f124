/** What the steps of the demo share. */
import type { InnkeeperClient } from "@innkeeper/client";
import type { ClusterProcesses, StartedProcess } from "./cluster-processes.js";
import type { Story } from "./story.js";

export interface Stage {
  readonly story: Story;
  readonly client: InnkeeperClient;
  readonly processes: ClusterProcesses;
  readonly controller: StartedProcess;
  readonly agents: Map<string, StartedProcess>;
}
