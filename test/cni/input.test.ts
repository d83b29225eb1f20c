import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { parseDocument } from "../../src/cni/input.ts";
import { thrown } from "./thrown.ts";

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const nestedLists = (depth: number) => `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;

describe("a document", () => {
  test("is a JSON object with whatever in it", () => {
    expect(parseDocument('{"a":[1,{"b":null}],"constructor":{"prototype":1}}', "stdin")).toEqual({
      a: [1, { b: null }],
      constructor: { prototype: 1 },
    });
  });

  test.each([
    "",
    " ",
    "{",
    '{"a":1',
    '{"a":1}}',
    "{'a':1}",
    '{"a":1,}',
    "\0",
    "nonsense",
    '\ufeff{"a":1}',
    "[".repeat(100_000),
  ])("is not %.20s", (text) => {
    const error = thrown(() => parseDocument(text, "stdin"));
    expect(error).toMatchObject({ code: 6, details: expect.stringMatching(/^stdin is not JSON: /) });
    expect(error.details.length).toBeLessThan(300);
  });

  test.each([
    "null",
    "true",
    "7",
    '"text"',
    "[]",
    '[{"cniVersion":"1.1.0"}]',
    `${"[".repeat(1e6)}${"]".repeat(1e6)}`,
  ])("is not the JSON %.20s", (text) => {
    const error = thrown(() => parseDocument(text, "stdin"));
    expect(error).toMatchObject({ code: 6, details: expect.stringMatching(/expected a JSON object$/) });
    expect(error.details.length).toBeLessThan(300);
  });

  test("may be nested 64 levels deep, and no depth exhausts the stack", () => {
    expect(parseDocument(nested(65), "stdin")).toBeTypeOf("object");
    for (const text of [nested(66), nestedLists(65), nested(200_000), nestedLists(1_000_000)]) {
      expect(thrown(() => parseDocument(text, "stdin"))).toMatchObject({
        code: 6,
        details: expect.stringContaining("64 levels"),
      });
    }
  });

  test.each([
    '{"__proto__":1}',
    '{"__proto__":{"polluted":1}}',
    '{"a":{"__proto__":null}}',
    '{"a":[[{"\\u005f_proto__":1}]]}',
    `{"a":{"b":{"c":[{"d":{"__proto__":{}}}]}}}`,
  ])("with the key __proto__ is refused with code 2: %s", (text) => {
    expect(thrown(() => parseDocument(text, "stdin"))).toMatchObject({
      code: 2,
      details: expect.stringContaining('"__proto__"'),
    });
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test("may have __proto__ as a value", () => {
    expect(parseDocument('{"a":"__proto__"}', "stdin")).toEqual({ a: "__proto__" });
  });
});

describe("stdin", () => {
  const source = path.resolve(import.meta.dirname, "../../src/cni/input.ts");
  const reader = `
    import { readStdin } from ${JSON.stringify(source)};
    readStdin(AbortSignal.timeout(Number(process.argv[1]))).then(
      (text) => process.stdout.write(text.length + " " + text.slice(0, 100)),
      ({ code, details }) => process.stdout.write("code " + code + ": " + details),
    ).then(() => process.exit());`;
  const started: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of started.splice(0)) {
      child.stdin?.destroy();
      if (child.exitCode === null) await once(child, "exit");
    }
  });

  function startReader(timeoutMs = 50_000) {
    // Node gives its children sockets, runtimes give pipes: cat makes one of the other.
    const args = ["-c", 'cat 2>/dev/null | "$0" "$@"', process.execPath, "--input-type=module", "-e", reader];
    const child = spawn("sh", [...args, String(timeoutMs)], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.on("error", () => {});
    started.push(child);
    return { stdin: child.stdin, said: once(child.stdout, "data").then(String) };
  }

  test("is read to its end, however slowly and in whatever pieces it comes", async () => {
    const { stdin, said } = startReader();
    for (const piece of ['{"a":"', "\u00e4".repeat(3), '"', "}"]) {
      for (const byte of Buffer.from(piece)) stdin.write(Buffer.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    stdin.end();
    expect(await said).toBe('11 {"a":"äää"}');
  });

  test("may be empty", async () => {
    const { stdin, said } = startReader();
    stdin.end();
    expect(await said).toBe("0 ");
  });

  test("that is never closed ends with code 11 at the deadline", async () => {
    const { stdin, said } = startReader(300);
    stdin.write("{");
    expect(await said).toMatch(/^code 11: /);
  });

  test("may have 4 MiB, and is refused with code 6 as soon as it has more", async () => {
    const full = startReader();
    full.stdin.end(Buffer.alloc(4 * 1024 * 1024, " "));
    expect(await full.said).toMatch(/^4194304 /);
    const endless = startReader();
    endless.stdin.write(Buffer.alloc(4 * 1024 * 1024 + 1, " "));
    expect(await endless.said).toMatch(/^code 6: /);
  });
});
