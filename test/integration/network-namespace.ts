/**
 * Runs programs in a network namespace. `ip netns exec` shows them that namespace's devices by
 * mounting `/sys` anew, below which the host's control groups are no more: they are brought along,
 * for containers need them.
 */
const KEPT = "/run/innkeeper-test-cgroups";

const INSIDE = `mount --rbind ${KEPT} /sys/fs/cgroup && exec "$@"`;
const OUTSIDE = `mkdir -p ${KEPT} && mount --rbind /sys/fs/cgroup ${KEPT} && exec "$@"`;

/** What to put before a command; the mounts are gone with its last process. */
export function insideNamespace(name: string): readonly string[] {
  const entered = ["ip", "netns", "exec", name, "sh", "-c", INSIDE, "inside"];
  return ["unshare", "--mount", "sh", "-c", OUTSIDE, "outside", ...entered];
}
