/** What one guest takes now, where somebody knows. */
import type { GuestUsage } from "@innkeeper/proto/innkeeper/v1/guest";
import type { CliContext } from "../cli-context.js";

/** What the guest takes now; undefined when nobody who is asked knows. */
export async function usageNow(
  { client, projectId }: CliContext,
  guestId: string,
): Promise<GuestUsage | undefined> {
  try {
    return (await client.guests.getGuestUsage({ projectId, guestId })).usage;
  } catch {
    return undefined;
  }
}
