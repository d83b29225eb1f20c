import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { createFile, replaceFile, temporaryName } from "../../src/linux/files.ts";
import { scripts } from "./scripts.ts";

const source = JSON.stringify(path.resolve(import.meta.dirname, "../../src/linux/files.ts"));
const names = (directory: string) => fs.readdirSync(directory).sort();
const modeOf = (file: string) => fs.statSync(file).mode & 0o777;

describe("replaceFile", () => {
  test("makes and replaces a file, private unless said otherwise, and leaves nothing else", () => {
    const { directory } = scripts();
    const file = path.join(directory, "record.json");
    replaceFile(file, "old");
    replaceFile(file, "new");
    expect([fs.readFileSync(file, "utf8"), modeOf(file)]).toEqual(["new", 0o600]);
    replaceFile(file, Uint8Array.of(0, 255), 0o755);
    expect([[...fs.readFileSync(file)], modeOf(file)]).toEqual([[0, 255], 0o755]);
    expect(names(directory)).toEqual(["record.json"]);
  });

  test("leaves a reader of the old file what it was reading", () => {
    const file = path.join(scripts().directory, "record.json");
    replaceFile(file, "old");
    const descriptor = fs.openSync(file, "r");
    replaceFile(file, "new");
    expect(fs.readFileSync(descriptor, "utf8")).toBe("old");
    fs.closeSync(descriptor);
  });

  test("removes its temporary file when it fails", () => {
    const { directory } = scripts();
    fs.mkdirSync(path.join(directory, "taken"));
    expect(() => replaceFile(path.join(directory, "taken"), "new")).toThrow(/EISDIR/);
    expect(() => replaceFile(path.join(directory, "absent/file"), "new")).toThrow(/ENOENT/);
    expect(names(directory)).toEqual(["taken"]);
  });

  test.each(["replaceFile", "createFile"])(
    "and createFile keep what was there on a full disk: %s",
    (name) => {
      const { directory } = scripts();
      const file = path.join(directory, name === "replaceFile" ? "record.json" : "other.json");
      fs.writeFileSync(path.join(directory, "record.json"), "old");
      const script = `import { ${name} } from ${source};
      try { ${name}(${JSON.stringify(file)}, "x".repeat(100_000)); } catch ({ code }) { console.log(code); }`;
      const node = [process.execPath, "--input-type=module", "-e", script];
      // A file size limit stands for the full disk: the first part is written, the rest refused.
      const said = execFileSync("sh", ["-c", 'ulimit -f 8; exec "$@"', "sh", ...node], { encoding: "utf8" });
      expect(said.trim()).toBe("EFBIG");
      expect(names(directory)).toEqual(["record.json"]);
      expect(fs.readFileSync(path.join(directory, "record.json"), "utf8")).toBe("old");
    },
  );

  test("writes over what a killed process of the same number left", () => {
    const { directory } = scripts();
    const file = path.join(directory, "record.json");
    fs.writeFileSync(temporaryName(file), "left by another");
    replaceFile(file, "new");
    expect([fs.readFileSync(file, "utf8"), names(directory)]).toEqual(["new", ["record.json"]]);
  });

  test("replaces a symbolic link, not what it points to", () => {
    const { directory } = scripts();
    fs.writeFileSync(path.join(directory, "target"), "old");
    fs.symlinkSync("target", path.join(directory, "link"));
    replaceFile(path.join(directory, "link"), "new");
    expect(fs.readFileSync(path.join(directory, "target"), "utf8")).toBe("old");
  });
});

describe("createFile", () => {
  test("makes a file once", () => {
    const { directory } = scripts();
    const file = path.join(directory, "lease");
    expect([createFile(file, "first"), createFile(file, "second")]).toEqual([true, false]);
    expect([fs.readFileSync(file, "utf8"), modeOf(file)]).toEqual(["first", 0o600]);
    expect(names(directory)).toEqual(["lease"]);
  });

  test("takes a dangling link and a directory for what is there already", () => {
    const { directory } = scripts();
    fs.symlinkSync("/nonexistent", path.join(directory, "link"));
    fs.mkdirSync(path.join(directory, "directory"));
    expect(createFile(path.join(directory, "link"), "x")).toBe(false);
    expect(createFile(path.join(directory, "directory"), "x")).toBe(false);
    expect(() => createFile(path.join(directory, "absent/file"), "x")).toThrow(/ENOENT/);
    expect(names(directory)).toEqual(["directory", "link"]);
  });

  test("is won by exactly one of several processes, for each of 200 files, and none is ever seen unfinished", async () => {
    const { directory } = scripts();
    const script = `import fs from "node:fs"; import { createFile } from ${source};
      const [name] = process.argv.slice(1);
      while (!fs.existsSync("go"));
      const won = [];
      for (let i = 0; i < 200; i++) {
        if (createFile("file" + i, name)) won.push(i);
        if (fs.readFileSync("file" + i, "utf8") === "") throw new Error("empty file");
      }
      fs.writeFileSync("won" + name, JSON.stringify(won));`;
    const racers = ["a", "b", "c"].map((name) =>
      spawn(process.execPath, ["--input-type=module", "-e", script, name], {
        cwd: directory,
        stdio: "inherit",
      }),
    );
    const ends = racers.map((racer) => once(racer, "exit"));
    fs.writeFileSync(path.join(directory, "go"), "");
    expect((await Promise.all(ends)).map(([status]) => status)).toEqual([0, 0, 0]);
    const wins = ["a", "b", "c"].map(
      (name) => [name, JSON.parse(fs.readFileSync(path.join(directory, `won${name}`), "utf8"))] as const,
    );
    expect(wins.flatMap(([, won]) => won as number[]).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 200 }, (_, i) => i),
    );
    for (const [name, won] of wins) {
      for (const i of won) expect(fs.readFileSync(path.join(directory, `file${i}`), "utf8")).toBe(name);
    }
    expect(names(directory).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});
