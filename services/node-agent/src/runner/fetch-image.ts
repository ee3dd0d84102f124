/** Brings the blobs of an image to this node and says where they are. */
import {
  type CopyLaunch,
  DomainError,
  type GuestAssignment,
  type ImageBlob,
} from "@innkeeper/core";
import type { RunnerContext } from "./runner-context.js";

/**
 * @throws `unavailable` when a blob cannot be fetched now; `corrupt` when the image lacks its
 * kernel.
 */
export async function fetchBoot(
  context: RunnerContext,
  assignment: GuestAssignment,
): Promise<CopyLaunch["boot"]> {
  const { image } = assignment;
  const paths = new Map<ImageBlob["role"], string>();
  for (const blob of image.blobs) paths.set(blob.role, await fetchBlob(context, blob));
  const kernelPath = paths.get("kernel");
  if (kernelPath === undefined) throw noKernel(assignment);
  const commandLine = [image.commandLine, assignment.commandLine].filter(Boolean).join(" ");
  return { kernelPath, initrdPath: paths.get("initrd"), commandLine };
}

async function fetchBlob({ blobs, controller }: RunnerContext, blob: ImageBlob): Promise<string> {
  if (!(await blobs.has(blob.sha256))) await blobs.write(blob, controller.readBlob(blob.sha256));
  return await blobs.pathOf(blob.sha256);
}

function noKernel({ guestId }: GuestAssignment): DomainError {
  return new DomainError({
    kind: "corrupt",
    reason: "IMAGE_WITHOUT_KERNEL",
    message: `the image of guest "${guestId}" has no kernel`,
    metadata: { guest: guestId },
  });
}
