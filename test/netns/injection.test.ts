// The environment steers Node and the libraries in it; in the shipped executable it must not.
import fs from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { cni, network, succeed } from "../fixture/calls.ts";
import { executable } from "../fixture/node.ts";
import { sharedPod } from "../fixture/shared-pod.ts";

const pod = sharedPod();

describe("variables that steer other programs of Node", () => {
  const marker = "/run/injected";
  beforeAll(() => {
    fs.writeFileSync(pod.node.file("/run/evil.js"), `require("fs").writeFileSync("${marker}", "")`);
    fs.writeFileSync(pod.node.file("/run/evil.cjs"), `require("fs").writeFileSync("${marker}", "")`);
    const lines = [
      "nodejs_conf = init",
      "openssl_conf = init",
      "[init]",
      "providers = list",
      "[list]",
      "evil = evil",
      "[evil]",
      `module = ${marker}.so`,
      "activate = 1",
    ];
    fs.writeFileSync(pod.node.file("/run/evil.cnf"), `${lines.join("\n")}\n`);
  });

  test.each([
    ["NODE_OPTIONS", "--require=/run/evil.js"],
    ["NODE_OPTIONS", "--import=/run/evil.js"],
    ["NODE_OPTIONS", "--inspect=127.0.0.1:0"],
    ["NODE_OPTIONS", "--inspect-brk"],
    ["NODE_OPTIONS", "--no-such-option"],
    ["NODE_OPTIONS", "--max-old-space-size=1"],
    ["NODE_OPTIONS", "--permission"],
    ["NODE_PATH", "/run"],
    ["NODE_DEBUG", "*"],
    ["NODE_DEBUG_NATIVE", "*"],
    ["NODE_REDIRECT_WARNINGS", marker],
    ["NODE_EXTRA_CA_CERTS", "/run/evil.js"],
    ["NODE_ICU_DATA", "/run/nowhere"],
    ["NODE_CHANNEL_FD", "99"],
    ["NODE_PENDING_DEPRECATION", "1"],
    ["NODE_SEA_FUSE", "/run/evil.js"],
    ["OPENSSL_CONF", "/run/evil.cnf"],
    ["OPENSSL_CONF", "/run"],
    ["NODE_TEST_CONTEXT", "child-v8"],
    ["FORCE_COLOR", "1"],
    ["LANG", "tr_TR.UTF-8"],
    ["TZ", "../../../etc/passwd"],
    ["UV_THREADPOOL_SIZE", "0"],
    ["HOME", "/nonexistent"],
    ["TMPDIR", "/nonexistent"],
  ])("change nothing: %s=%s", async (name, value) => {
    const config = network();
    const added = await cni(pod.node, { verb: "ADD", config, env: { [name]: value } });
    const deleted = await cni(pod.node, { verb: "DEL", config, env: { [name]: value } });
    await succeed(pod.node, { verb: "DEL", config });
    const isInjected = fs.existsSync(pod.node.file(marker));
    fs.rmSync(pod.node.file(marker), { recursive: true, force: true });
    expect(
      [added, deleted].map(({ exitCode }) => exitCode),
      added.stderr,
    ).toEqual([0, 0]);
    expect(added.json.ips).toHaveLength(1);
    expect(isInjected).toBe(false);
  });

  test("cannot load a library either", async () => {
    const script = `exec strace -f -o /run/trace -e trace=openat,open ${executable}`;
    fs.writeFileSync(pod.node.file("/run/traced"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const env = { OPENSSL_CONF: "/run/evil.cnf", NODE_OPTIONS: "--require=/run/evil.js" };
    const { exitCode } = await pod.node.attempt("strace", ["-V"]);
    if (exitCode !== 0) return console.warn("strace is missing: not seen which files are opened");
    await succeed(pod.node, { verb: "VERSION", config: "", plugin: "/run/traced", env });
    expect(fs.readFileSync(pod.node.file("/run/trace"), "utf8")).not.toContain("/run/evil");
  });
});
