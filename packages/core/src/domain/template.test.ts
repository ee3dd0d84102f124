import { describe, expect, it } from "vitest";
import { aGuest, anImage } from "../testing/builders.js";
import { assert } from "./assert.js";
import { canonicalManifest } from "./image.js";
import { NO_NEEDS } from "./needs.js";
import { isTemplateOf, templateChoice } from "./template.js";

const QUICK = { ...NO_NEEDS, startWithinMs: 200 };
const TOLD = { userDataBase64: "", networkConfigBase64: "eA==" };
const IMAGE = anImage({ manifest: { takesIdentity: true } });

describe("the choice of a template", () => {
  it("is for a guest that asks for a quick start and can take an identity", () => {
    const { spec } = aGuest({ spec: { needs: QUICK, commandLine: "a=1" } });
    expect(templateChoice(spec, IMAGE)).toEqual({
      machine: {
        imageDigest: IMAGE.digest,
        vcpuCount: 1,
        memoryMib: spec.resources.memoryMib,
        diskMib: spec.resources.diskMib,
        commandLine: "a=1",
      },
    });
  });

  it("is by the disks of the guest, too", () => {
    const dataDisks = [{ name: "a", sizeMib: 1 }];
    const { spec } = aGuest({ spec: { needs: QUICK, dataDisks } });
    const { machine } = templateChoice(spec, IMAGE);
    assert(machine !== undefined, "it may begin from a template");
    expect(machine.dataDisks).toEqual(dataDisks);
    const { dataDisks: _none, ...without } = machine;
    for (const other of [[], [{ name: "b", sizeMib: 1 }], [{ name: "a", sizeMib: 2 }]]) {
      expect(isTemplateOf({ ...machine, dataDisks: other }, machine)).toBe(false);
    }
    expect(isTemplateOf(without, machine)).toBe(false);
    expect(isTemplateOf(machine, { ...machine, dataDisks })).toBe(true);
  });

  it("is for a guest on a bridge, which the firmware tells its address", () => {
    const seed = { ...TOLD, networkConfigBase64: "" };
    const { spec } = aGuest({ spec: { needs: QUICK, isBridged: true, seed } });
    expect(templateChoice(spec, IMAGE).why).toBeUndefined();
  });

  it.each([
    [{ needs: NO_NEEDS }, /does not ask/],
    [{ isBridged: true, seed: TOLD }, /on a bridge and has a network configuration of its own/],
  ] as const)("is refused for %j, with the reason", (more, why) => {
    const { spec } = aGuest({ spec: { needs: QUICK, ...more } });
    expect(templateChoice(spec, IMAGE).why).toMatch(why);
  });

  it("names the image whose guests cannot take an identity", () => {
    const { spec } = aGuest({ spec: { needs: QUICK, imageId: "old" } });
    const { why } = templateChoice(spec, anImage());
    expect(why).toBe("guests of image old cannot take an identity while they run");
  });
});

describe("an image's digest", () => {
  it("is what it was for images that say nothing of identities", () => {
    const { manifest } = anImage();
    expect(canonicalManifest(manifest)).not.toContain("takesIdentity");
    expect(canonicalManifest(IMAGE.manifest)).not.toBe(canonicalManifest(manifest));
  });
});
