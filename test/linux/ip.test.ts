// iproute2's answers and refusals, from a program of that name that says what the test wants.
import { describe, expect, test } from "vitest";
import { dismiss, startAhead } from "../../src/linux/enter.ts";
import { ipApply, ipAsk, ipBatch } from "../../src/linux/ip.ts";
import { rejected } from "../cni/thrown.ts";
import { type Scripts, scripts } from "./scripts.ts";

const kernelOf = ({ directory }: Scripts) => ({
  searchPath: `${directory}:/usr/bin:/bin`,
  deadline: AbortSignal.timeout(30_000),
});

function kernelWithIp(script: string) {
  const made = scripts();
  made.install("ip", `echo "$*" >>calls; cat >input\n${script}`);
  return { made, kernel: kernelOf(made) };
}

describe("changes", () => {
  test("go to one process as a batch", async () => {
    const { made, kernel } = kernelWithIp("exit 0");
    expect(await ipApply("host", ["link add a", "link set a up"], kernel)).toEqual([]);
    expect([made.read("calls"), made.read("input")]).toEqual(["-batch -\n", "link add a\nlink set a up\n"]);
  });

  test("that are refused are known by their line and iproute2's words", async () => {
    const { kernel } = kernelWithIp(
      `printf 'RTNETLINK answers: File exists\\nCommand failed -:2\\n' >&2; exit 1`,
    );
    expect(await ipApply("host", ["a", "b"], kernel)).toEqual([
      { line: 1, message: "RTNETLINK answers: File exists" },
    ]);
  });

  test("are all tried where that is asked for, and each refusal is told", async () => {
    const words =
      'Cannot find device "a"\\nCommand failed -:1\\nError: one\\nError: two\\n\\nCommand failed -:12\\n';
    const { made, kernel } = kernelWithIp(`printf '${words}' >&2; exit 1`);
    expect(await ipApply("host", ["a"], kernel, true)).toEqual([
      { line: 0, message: 'Cannot find device "a"' },
      { line: 11, message: "Error: one; Error: two" },
    ]);
    expect(made.read("calls")).toBe("-force -batch -\n");
  });

  test("may draw warnings and yet be made", async () => {
    const { kernel } = kernelWithIp("echo 'Warning: old' >&2");
    expect(await ipApply("host", ["a"], kernel)).toEqual([]);
  });

  test.each(["echo 'unknown option -batch' >&2; exit 255", "exit 1", "kill -9 $$"])(
    "fail with code 100 where iproute2 itself does: %s",
    async (script) => {
      const { kernel } = kernelWithIp(script);
      const { code, details } = await rejected(ipApply("host", ["a"], kernel));
      expect([code, details]).toEqual([100, expect.stringContaining("iproute2 4.18")]);
      if (script.startsWith("echo")) expect(details).toContain("unknown option -batch");
    },
  );
});

describe("questions", () => {
  test("have an answer each, in order", async () => {
    const { made, kernel } = kernelWithIp(
      `echo '[{"ifname":"a"}]'; echo '[]'; echo '[{"dst":"default"},{}]'`,
    );
    expect(await ipAsk("host", ["x", "y", "z"], kernel)).toEqual([
      [{ ifname: "a" }],
      [],
      [{ dst: "default" }],
    ]);
    expect(made.read("input")).toBe("x\ny\nz\n");
  });

  test("that fail have none, and the others keep their places", async () => {
    const said = `Device "x" does not exist.\\nCommand failed -:1\\nDevice "z" does not exist.\\nCommand failed -:3\\n`;
    const { kernel } = kernelWithIp(`echo '[{"ifname":"y"}]'; printf '${said}' >&2; exit 1`);
    expect(await ipAsk("host", ["x", "y", "z"], kernel)).toEqual([undefined, [{ ifname: "y" }], undefined]);
  });

  test.each(["echo 1: lo", "echo '{}'", "exit 0", "echo null"])(
    "without an answer in JSON are an error: %s",
    async (script) => {
      const { kernel } = kernelWithIp(script);
      expect(await rejected(ipAsk("host", ["x"], kernel))).toMatchObject({
        code: 100,
        details: expect.stringContaining("iproute2 4.18"),
      });
    },
  );
});

describe("a program that was started ahead", () => {
  test("serves the first use; the second starts another", async () => {
    const { made, kernel } = kernelWithIp("exit 0");
    const standby = startAhead([ipBatch("host")], kernel);
    await ipApply("host", ["first"], { ...kernel, standby });
    expect([made.read("calls"), standby.size]).toEqual(["-batch -\n", 0]);
    await ipApply("host", ["second"], { ...kernel, standby });
    expect([made.read("calls"), made.read("input")]).toEqual(["-batch -\n-batch -\n", "second\n"]);
  });

  test("is ended without input when it is not needed", async () => {
    const { made, kernel } = kernelWithIp("exit 0");
    await dismiss(startAhead([ipBatch("host")], kernel));
    expect(made.read("input")).toBe("");
  });
});

test("a pod's netns that cannot be entered is an error of the netns, not of iproute2", async () => {
  const made = scripts();
  made.install("ip", "exit 0");
  made.install("nsenter", "echo 'nsenter: reassociate to namespace failed: Invalid argument' >&2; exit 1");
  const pod = { path: "/run/netns/pod1", descriptor: 0, identity: { device: 0, inode: 0 } };
  expect(await rejected(ipApply("pod", ["a"], { ...kernelOf(made), pod }))).toMatchObject({
    code: 8,
    details: expect.stringContaining("/run/netns/pod1"),
  });
});

test("without iproute2 the package is named", async () => {
  const { directory } = scripts();
  const kernel = { searchPath: directory, deadline: AbortSignal.timeout(30_000) };
  expect(await rejected(ipApply("host", ["a"], kernel))).toMatchObject({
    code: 102,
    details: expect.stringContaining("iproute2"),
  });
});
