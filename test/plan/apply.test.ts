// How a plan that cannot be applied ends, with an `ip` and an `nsenter` that do as the test wants and
// touch nothing. "lo" stands for a link that exists on the host.
import { describe, expect, test } from "vitest";
import { apply, RollbackError } from "../../src/plan/apply.ts";
import type { Link, PodObject } from "../../src/plan/plan.ts";
import { remove } from "../../src/plan/remove.ts";
import { rejected } from "../cni/thrown.ts";
import { scripts } from "../linux/scripts.ts";

const link = (name: string): Link => ({
  kind: "link",
  where: "host",
  name,
  type: {
    kind: "veth",
    makesPair: true,
    peer: { where: "pod", name: "eth0", mac: "0a:00:00:00:00:01", mtu: 1500 },
  },
});
const address = (where: "host" | "pod", text: string): PodObject => ({
  kind: "address",
  where,
  link: "lo",
  address: text,
});
const refuse = (line: number, words = "RTNETLINK answers: No buffer space available") =>
  `printf '${words}\\nCommand failed -:${line}\\n' >&2; exit 1`;

/** `onHost` and `inPod` run in place of `ip`, after what it was asked for has been written down. */
function kernelWith({ onHost = "exit 0", inPod = "exit 0", onDelete = "exit 0" }) {
  const made = scripts();
  made.install(
    "ip",
    `input=$(cat); echo "$input" >>batches; case "$input" in *delete*) ${onDelete};; esac; ${onHost}`,
  );
  made.install("nsenter", inPod);
  const kernel = {
    searchPath: `${made.directory}:/usr/bin:/bin`,
    deadline: AbortSignal.timeout(30_000),
    pod: { path: "/run/netns/pod1", descriptor: 0, identity: { device: 0, inode: 0 } },
  };
  return { kernel, batches: () => made.read("batches").trim().split("\n") };
}

describe("a plan that the kernel refuses", () => {
  test("names the object that failed, the kernel's words and the line", async () => {
    const { kernel } = kernelWith({ onHost: refuse(4) });
    const plan = [link("lo"), address("host", "10.0.0.1/32"), address("host", "10.0.0.2/32")];
    const { code, details } = await rejected(apply(plan, kernel, kernel));
    expect(code).toBe(100);
    expect(details).toMatch(
      /^address 10\.0\.0\.2\/32 of lo on the host could not be made: RTNETLINK answers: No buffer/,
    );
    expect(details).toContain("address replace 10.0.0.2/32 dev lo");
  });

  test("is taken back as far as it was made, also where the failure was in the pod", async () => {
    const { kernel, batches } = kernelWith({ inPod: refuse(1) });
    const error = await rejected(apply([link("lo"), address("pod", "10.0.0.2/32")], kernel, kernel));
    expect(error.details).toContain("address 10.0.0.2/32 of lo in the pod");
    expect(batches().at(-1)).toBe("link delete dev lo");
  });

  test("is taken back with the link whose second line failed", async () => {
    const { kernel, batches } = kernelWith({ onHost: refuse(2) });
    expect((await rejected(apply([link("lo")], kernel, kernel))).details).toContain("link lo on the host");
    expect(batches().at(-1)).toBe("link delete dev lo");
  });

  test("is not taken back further than it came: what was there before stays", async () => {
    const { kernel, batches } = kernelWith({ onHost: refuse(1, "RTNETLINK answers: File exists") });
    const { code, details } = await rejected(apply([link("lo")], kernel, kernel));
    expect([code, details]).toEqual([101, expect.stringContaining("link lo exists on the host")]);
    expect(batches().filter((line) => line.includes("delete"))).toEqual([]);
  });

  test("because of the pod's interface says that its name is taken", async () => {
    const { kernel } = kernelWith({ onHost: refuse(1, "RTNETLINK answers: File exists") });
    const { code, details } = await rejected(apply([link("pw0000000000000")], kernel, kernel));
    expect([code, details]).toEqual([101, expect.stringContaining("the pod has an interface eth0 already")]);
  });

  test("and cannot be taken back says both", async () => {
    const { kernel } = kernelWith({
      onDelete: refuse(1, "RTNETLINK answers: Device or resource busy"),
      inPod: refuse(1),
    });
    const error = await rejected(apply([link("lo"), address("pod", "10.0.0.2/32")], kernel, kernel));
    expect(error).toBeInstanceOf(RollbackError);
    expect([error.code, error.details]).toEqual([100, expect.stringContaining("10.0.0.2/32")]);
    expect(error.details).toContain("Device or resource busy");
  });

  test("because time is over ends with code 11, and is taken back in the time kept for that", async () => {
    const { kernel, batches } = kernelWith({ inPod: "sleep 1000" });
    const plan = [link("lo"), address("pod", "10.0.0.2/32")];
    const error = await rejected(apply(plan, { ...kernel, deadline: AbortSignal.timeout(500) }, kernel));
    expect([error.code, batches().at(-1)]).toEqual([11, "link delete dev lo"]);
  });
});

describe("removing", () => {
  test("asks only for links that exist, the last made first", async () => {
    const { kernel, batches } = kernelWith({});
    await remove([link("lo"), address("host", "10.0.0.1/32"), link("pw0000000000000")], kernel);
    expect(batches()).toEqual(["link delete dev lo"]);
  });

  test("starts nothing where nothing exists", async () => {
    const { kernel, batches } = kernelWith({});
    await remove([link("pw0000000000000"), address("pod", "10.0.0.1/32")], kernel);
    expect(batches).toThrow(/ENOENT/);
  });

  test("takes a link that went in between for removed, and reports any other refusal with its line", async () => {
    await remove([link("lo")], kernelWith({ onDelete: refuse(1, 'Cannot find device "lo"') }).kernel);
    const busy = kernelWith({ onDelete: refuse(1, "RTNETLINK answers: Device or resource busy") });
    expect(await rejected(remove([link("lo")], busy.kernel))).toMatchObject({
      code: 100,
      details: "ip link delete dev lo: RTNETLINK answers: Device or resource busy",
    });
  });
});
