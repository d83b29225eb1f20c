// Delegation to plugins that behave, misbehave, hang and leave children behind.
import fs from "node:fs";
import path from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { delegate } from "../../src/cni/delegate.ts";
import type { Verb } from "../../src/cni/environment.ts";
import { isAlive, type Scripts, scripts } from "../linux/scripts.ts";
import { rejected } from "./thrown.ts";

let made: Scripts;
let directory: string;
beforeEach(() => {
  made = scripts();
  directory = made.directory;
});

const install = (type: string, script: string, mode?: number) => made.install(type, script, mode);

interface Ask {
  readonly type?: string;
  readonly verb?: Verb;
  readonly deadline?: AbortSignal;
  readonly search?: readonly string[];
}

function ask({ type = "plugin", verb = "ADD", deadline, search = [directory] }: Ask = {}) {
  return delegate({
    type,
    verb,
    config: { cniVersion: "1.0.0", name: "podnet", ipam: { type } },
    environment: {
      verb: "ADD",
      containerID: "pod1",
      netns: "/run/netns/pod1",
      ifname: "eth0",
      args: "",
      path: search,
      variables: {
        CNI_COMMAND: "ADD",
        CNI_CONTAINERID: "pod1",
        CNI_ARGS: "IP=10.0.0.7",
        PATH: process.env["PATH"],
      },
    },
    deadline: deadline ?? AbortSignal.timeout(30_000),
  });
}

describe("a delegated plugin", () => {
  test("gets the configuration on stdin, the call's environment and its own verb", async () => {
    install(
      "plugin",
      `cat >config; echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_ARGS" >environment; echo '{"ips":[]}'`,
    );
    expect(await ask({ verb: "DEL" })).toEqual({ ips: [] });
    const config = JSON.parse(fs.readFileSync(path.join(directory, "config"), "utf8"));
    expect(config).toEqual({ cniVersion: "1.0.0", name: "podnet", ipam: { type: "plugin" } });
    expect(fs.readFileSync(path.join(directory, "environment"), "utf8")).toBe("DEL pod1 IP=10.0.0.7\n");
  });

  test("may say nothing, need no input and talk on stderr", async () => {
    install("plugin", "echo warning >&2; exec <&-");
    expect(await ask()).toBeUndefined();
  });

  test("may print a large result", async () => {
    install("plugin", `printf '{"a":"'; head -c 3000000 /dev/zero | tr '\\0' x; printf '"}'`);
    expect(await ask()).toEqual({ a: "x".repeat(3_000_000) });
  });

  test("that prints garbage and succeeds has failed with code 6, and is quoted", async () => {
    install("plugin", "echo 'panic: nil'");
    const error = await rejected(ask());
    expect([error.code, error.details]).toEqual([6, expect.stringContaining("plugin ADD")]);
    expect(error.details).toContain("panic: nil");
  });

  test("fails with its own code and words", async () => {
    install(
      "plugin",
      `echo '{"cniVersion":"1.0.0","code":11,"msg":"try later","details":"lease taken"}'; exit 1`,
    );
    const error = await rejected(ask());
    expect([error.code, error.details]).toEqual([11, "plugin ADD: try later: lease taken"]);
  });

  test("fails with its own code even if it gives no words", async () => {
    install("plugin", `echo '{"code":101}'; exit 1`);
    expect((await rejected(ask())).code).toBe(101);
  });

  test.each([
    ["nothing", "exit 3"],
    ["words on stderr", "echo 'out of leases' >&2; exit 1"],
    ["an error object without code", `echo '{"msg":"out of leases"}'; exit 1`],
    ["an error object with code 0", `echo '{"code":0,"msg":"out of leases"}'; exit 1`],
    ["an error object with a code in quotes", `echo '{"code":"11","msg":"out of leases"}'; exit 1`],
    ["null", "echo null; exit 1"],
    ["a result", `echo '{"ips":[]}'; exit 1`],
    ["a signal", "kill -9 $$"],
  ])("that fails with %s is reported with code 6, its name and its words", async (_, script) => {
    install("plugin", script);
    const { code, details } = await rejected(ask());
    expect(code).toBe(6);
    expect(details).toMatch(/^plugin ADD failed and said: /);
    if (script.includes("leases")) expect(details).toContain("out of leases");
  });

  test("that fails at great length is quoted in short", async () => {
    install("plugin", "head -c 1000000 /dev/zero | tr '\\0' x; exit 1");
    expect((await rejected(ask())).details.length).toBeLessThan(1000);
  });

  test("whose interpreter is missing is named", async () => {
    fs.writeFileSync(path.join(directory, "plugin"), "#!/nonexistent/interpreter\n", { mode: 0o755 });
    expect(await rejected(ask())).toMatchObject({
      code: 5,
      details: expect.stringContaining(`${directory}/plugin`),
    });
  });
});

describe("the search for a plugin", () => {
  test("goes through CNI_PATH in order, not PATH", async () => {
    fs.mkdirSync(path.join(directory, "first"));
    install("first/plugin", `echo '{"from":"first"}'`);
    install("plugin", `echo '{"from":"second"}'`);
    expect(await ask({ search: ["/nonexistent", `${directory}/first`, directory] })).toEqual({
      from: "first",
    });
    expect(await rejected(ask({ type: "sh" }))).toMatchObject({ code: 102 });
  });

  test("passes by directories and files that cannot be run", async () => {
    fs.mkdirSync(path.join(directory, "a/plugin"), { recursive: true });
    fs.mkdirSync(path.join(directory, "b"));
    install("b/plugin", "exit 1", 0o644);
    install("plugin", `echo '{"from":"last"}'`);
    expect(await ask({ search: [`${directory}/a`, `${directory}/b`, directory] })).toEqual({ from: "last" });
  });

  test("names the plugin and the directories when it finds none", async () => {
    const error = await rejected(ask({ type: "absent", search: ["/a", directory] }));
    expect(error.code).toBe(102);
    for (const word of ["absent", "/a", directory]) expect(error.details).toContain(word);
  });
});

describe("at the deadline", () => {
  test("a plugin that hangs is killed with its children, and the call ends with code 11", async () => {
    install("plugin", "echo $$ >>pids; sleep 1000 & echo $! >>pids; wait");
    const error = await rejected(ask({ deadline: AbortSignal.timeout(300) }));
    expect([error.code, error.details]).toEqual([11, expect.stringContaining(`${directory}/plugin`)]);
    const pids = made.pids();
    expect(pids).toHaveLength(2);
    await expect.poll(() => pids.filter(isAlive)).toEqual([]);
  });

  test("a plugin that hangs with a child in a session of its own cannot hold the call", async () => {
    install("plugin", "setsid sh -c 'echo $$ >>pids; exec sleep 1000' & sleep 1000");
    expect((await rejected(ask({ deadline: AbortSignal.timeout(300) }))).code).toBe(11);
  });

  test("a plugin that ended, but whose child holds its output open, cannot hold the call", async () => {
    install("plugin", "sleep 1000 & echo $! >>pids; echo '{}'");
    const deadline = AbortSignal.timeout(300);
    const answer = ask({ deadline }).then(
      () => "a result",
      ({ code }) => `code ${code}`,
    );
    const late = new Promise((resolve) => setTimeout(resolve, 5000, "still pending"));
    expect(["a result", "code 11"]).toContain(await Promise.race([answer, late]));
    await expect.poll(() => made.pids().filter(isAlive)).toEqual([]);
  });

  test("the same goes for a child in a session of its own", async () => {
    install("plugin", "setsid sh -c 'echo $$ >>pids; exec sleep 1000' & echo '{}'");
    const answer = ask({ deadline: AbortSignal.timeout(300) }).then(
      () => "a result",
      ({ code }) => `code ${code}`,
    );
    const late = new Promise((resolve) => setTimeout(resolve, 5000, "still pending"));
    expect(["a result", "code 11"]).toContain(await Promise.race([answer, late]));
  });

  test("that has passed already no plugin is started", async () => {
    install("plugin", "echo $$ >>pids");
    expect((await rejected(ask({ deadline: AbortSignal.abort() }))).code).toBe(11);
    expect(made.pids()).toEqual([]);
  });
});
