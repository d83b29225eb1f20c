// Words go through ssh's one string and the shell at its other end: what arrives is asked of real shells.
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { randomNumbers } from "../../ipam/random.ts";
import { quote } from "./ssh.ts";

/** What `shell` hands a program as its arguments for `line`; separated by zeros, which no word can hold. */
function wordsOf(shell: string, line: string): string[] {
  const printed = execFileSync(shell, ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" });
  return printed.split("\0").slice(0, -1);
}

const nasty = [
  ...["", " ", "'", "''", "'\\''", '"', '"$HOME"', "$HOME", "$(id)", "`id`", "\\", "\\\\", "a\\", "\\'"],
  ...["a b", "a\tb", "a\nb", "\n", "\r\n", "*", "?", "[a-z]", "{1,2}", "~", "~root", "!", "!!", "#", "# a"],
  ...[
    "a;b",
    "a&b",
    "&&",
    "|",
    ">",
    "< /etc/passwd",
    "(a)",
    "=",
    "a=b",
    "-n",
    "--",
    "%s",
    "%%",
    "\u0001",
    "\u007f",
  ],
  ...["ü", "日本", "\u{1f600}", "a'b\"c$d`e\\f g\nh;i&j|k", "'".repeat(50), "x".repeat(10_000)],
];

describe.each(["sh", "bash"])("a word that is quoted and read back by %s", (shell) => {
  test("is itself, whatever is in it", () => {
    expect(wordsOf(shell, nasty.map(quote).join(" "))).toEqual(nasty);
  });

  test("is itself, for a thousand made of what shells act upon", () => {
    const random = randomNumbers(1);
    const alphabet = [..."'\"\\$`(){}[]<>|&;!*?~#=%^-+.,:@/ \t\n\raZ0", "ü", "\u001b"];
    const words = Array.from({ length: 1000 }, () =>
      Array.from({ length: random(12) }, () => alphabet[random(alphabet.length)]).join(""),
    );
    expect(wordsOf(shell, words.map(quote).join(" "))).toEqual(words);
  });
});

test("harmless words stay readable", () => {
  for (const word of ["ip", "/usr/bin/ip", "fd00::1/64", "a=b", "-n", "1,2", "user@host", "100%", "a+b"])
    expect(quote(word)).toBe(word);
});
