// podwire_bypass.yaml says the same as the header that the module and its control are compiled with.
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

const folder = path.join(import.meta.dirname, "../../netfilter-bypass");
const header = fs.readFileSync(path.join(folder, "podwire_bypass.h"), "utf8");
const yaml = fs.readFileSync(path.join(folder, "podwire_bypass.yaml"), "utf8");
const control = fs.readFileSync(path.join(folder, "ctl/podwire-bypass-ctl.c"), "utf8");

/** Names of an enum in the header, in order, without their common beginning and what is no value. */
function enumOf(name: string, prefix: string): string[] {
  const [, body = ""] = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(header) ?? [];
  return [...body.replace(/\/\*[\s\S]*?\*\//g, "").matchAll(/\b([A-Z_]+)\b/g)]
    .map(([, value = ""]) => value)
    .filter((value) => value.startsWith(prefix))
    .map((value) => value.slice(prefix.length).toLowerCase().replaceAll("_", "-"));
}

/** Lines of the section of the specification that begins with `start`, until one that is indented less. */
function section(start: RegExp): string[] {
  const lines = yaml.split("\n");
  const first = lines.findIndex((line) => start.test(line));
  const indent = /^ */.exec(lines[first] ?? "")?.[0].length ?? 0;
  const rest = lines.slice(first + 1);
  const end = rest.findIndex((line) => line.trim() !== "" && (/^ */.exec(line)?.[0].length ?? 0) <= indent);
  return end === -1 ? rest : rest.slice(0, end);
}

const namesIn = (lines: readonly string[]) =>
  lines.flatMap((line) => /^\s*- \{?name: ([a-z-]+)/.exec(line)?.[1] ?? []);

describe("the specification", () => {
  test("has the family's name", () => {
    expect(/^name: (\S+)/m.exec(yaml)?.[1]).toBe(/PODWIRE_BYPASS_FAMILY "([^"]+)"/.exec(header)?.[1]);
  });

  test("has the attributes, in the header's order and from 1 on", () => {
    const attributes = enumOf("podwire_bypass_attribute", "PODWIRE_BYPASS_A_");
    expect(attributes[0]).toBe("unspec");
    expect(namesIn(section(/^attribute-sets:/)).slice(1)).toEqual(attributes.slice(1));
  });

  test("has each attribute's type", () => {
    const typeOf = (name: string) => new RegExp(`- \\{name: ${name}, type: ([a-z0-9]+)`).exec(yaml)?.[1];
    for (const [comment, type] of [
      ["u32", "u32"],
      ["u64", "u64"],
      ["string", "string"],
    ] as const) {
      const pattern = new RegExp(`/\\* ${comment}[^*]*\\*/\\s+((?:PODWIRE_BYPASS_A_[A-Z_]+,\\s+)+)`, "g");
      const names = [...header.matchAll(pattern)].flatMap(([, list = ""]) =>
        [...list.matchAll(/PODWIRE_BYPASS_A_([A-Z_]+)/g)].map(([, name = ""]) => name),
      );
      const wanted = names
        .filter((name) => name !== "PAD")
        .map((name) => name.toLowerCase().replaceAll("_", "-"));
      expect(wanted.length).toBeGreaterThan(1);
      for (const name of wanted) expect([name, typeOf(name)]).toEqual([name, type]);
    }
  });

  test("has the commands with their numbers", () => {
    const commands = enumOf("podwire_bypass_command", "PODWIRE_BYPASS_CMD_").slice(1);
    const lines = section(/^operations:/);
    expect(namesIn(lines)).toEqual(commands);
    const numbers = lines.flatMap((line) => /^\s+value: ([0-9]+)/.exec(line)?.[1] ?? []).map(Number);
    expect(numbers).toEqual(commands.map((_, index) => index + 1));
  });

  test("has the modes, as the control names them", () => {
    const [, list = ""] = /name: mode\n\s+type: enum\n\s+entries: \[([^\]]*)\]/.exec(yaml) ?? [];
    const modes = list.split(",").map((word) => word.trim().replaceAll('"', ""));
    const [, words = ""] = /modes\[\] = \{([^}]*)\}/.exec(control) ?? [];
    expect(words.split(",").map((word) => word.trim().replaceAll('"', ""))).toEqual(modes);
    const values = enumOf("podwire_bypass_mode", "PODWIRE_BYPASS_");
    // The last one's name in C says what it lets by.
    expect(values).toEqual([...modes.slice(0, -1), "all"]);
  });

  test.each(["prefix", "tunnel"])("has the members of struct %s, with their sizes", (name) => {
    const [, body = ""] = new RegExp(`struct podwire_bypass_${name} \\{([^}]*)\\}`).exec(header) ?? [];
    const inHeader = [...body.matchAll(/__(u8|be16) ([a-z]+)(?:\[([0-9]+)\])?;/g)].map(
      ([, type, member, count]) => [member, type === "be16" ? 2 : Number(count ?? 1)],
    );
    const [, members = ""] =
      new RegExp(`name: ${name}\\n\\s+type: struct\\n\\s+members:\\n((?:\\s+- \\{.*\\n?)+)`).exec(yaml) ?? [];
    const sizes: Record<string, number> = { u8: 1, u16: 2 };
    const inYaml = [...members.matchAll(/\{name: ([a-z]+), type: ([a-z0-9]+)(?:, len: ([0-9]+))?/g)].map(
      ([, member, type = "", length]) => [member, length === undefined ? sizes[type] : Number(length)],
    );
    expect(inYaml).toEqual(inHeader);
    expect(inYaml.length).toBeGreaterThan(2);
  });
});
