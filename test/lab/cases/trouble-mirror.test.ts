// Debian mirrors that are not there, say nothing, or say what Debian did not sign: no image is made of it.
import fs from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { afterEach, describe, expect, test } from "vitest";
import { cannotRunLab } from "../fixture/shared-lab.ts";
import { openSuite } from "../host/apt.ts";
import { ground, messageOf } from "../trouble/ground.ts";
import * as mirrors from "../trouble/mirrors.ts";

/** What is missing says what is fetched. */
const targets = [
  { target: "the root file system", finished: [] },
  { target: "a kernel", finished: ["root"] },
] as const;

describe.skipIf(cannotRunLab("bad mirrors"))("up", () => {
  const { name, cache, lab } = ground();
  let mirror: mirrors.Mirror;
  afterEach(() => mirror.stop());

  /** The message, after a look that nothing was made. */
  const refused = async (finished: readonly "root"[], env: Readonly<Record<string, string>> = {}) => {
    const directory = cache(finished);
    const before = fs.readdirSync(`${directory}/podwire-lab`);
    const settings = { PODWIRE_LAB_CACHE: directory, PODWIRE_LAB_MIRROR: mirror.address, ...env };
    const message = messageOf(await lab(["up", "--name", name()], { env: settings }));
    expect(message).toContain(
      `[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror.address} bookworm`,
    );
    expect(message).toContain("name another mirror by PODWIRE_LAB_MIRROR");
    const made = fs.readdirSync(`${directory}/podwire-lab`).filter((entry) => !before.includes(entry));
    expect(made.filter((entry) => !["labs", "logs"].includes(entry))).toEqual([]);
    return message;
  };

  test.each(targets)("says that nobody answers who has $target", async ({ finished }) => {
    mirror = await mirrors.absentMirror();
    expect(await refused(finished)).toMatch(/connect.*127\.0\.0\.1/i);
  });

  test.each(targets)("gives up on one that has $target and never answers", async ({ finished }) => {
    mirror = await mirrors.silentMirror();
    // How long it waits is the machine's setting where it has one: here one second.
    const settings = path.join(cache(), "apt.conf");
    fs.writeFileSync(settings, 'Acquire::http::Timeout "1";\n');
    expect(await refused(finished, { APT_CONFIG: settings })).toMatch(/(timed out|failed)/i);
  });

  test.each(targets)("refuses an index for $target that nobody signed", async ({ finished }) => {
    mirror = await mirrors.mirrorOf({
      "/dists/bookworm/Release":
        "Origin: Debian\nCodename: bookworm\nComponents: main\nArchitectures: amd64\n",
    });
    expect(await refused(finished)).toMatch(/is not signed|no longer signed/);
  });

  test.each(targets)(
    "refuses an index for $target that was changed after it was signed",
    async ({ finished }) => {
      const signed = await mirrors.signedIndexOf("bookworm");
      // Only a label: every checksum in it is right.
      const forged = signed.replace("Label: Debian", "Label: debian");
      expect(forged).not.toBe(signed);
      mirror = await mirrors.forgedMirror((file) => (file.endsWith("InRelease") ? forged : undefined));
      expect(await refused(finished)).toMatch(/BADSIG|invalid/i);
    },
  );

  test("refuses a package that is not the one of the index", async () => {
    mirror = await mirrors.forgedMirror((file) => (file.endsWith(".deb") ? "none of Debian's" : undefined));
    expect(await refused(["root"])).toMatch(/unexpected size|Hash Sum mismatch/);
  });

  test("says that a mirror lacks the suite", async () => {
    mirror = await mirrors.mirrorOf({});
    expect(await refused(["root"])).toMatch(/does not have a Release file|404/);
  });

  test("waits a bounded time where the machine says nothing of it", async () => {
    mirror = await mirrors.silentMirror();
    const { configuration } = await openSuite("bookworm", cache());
    const { stdout } = await execa("apt-config", ["dump", "Acquire"], { env: { APT_CONFIG: configuration } });
    const setting = (key: string) =>
      Number(new RegExp(`^Acquire::${key} "([0-9]+)";$`, "m").exec(stdout)?.[1]);
    expect(setting("http::Timeout")).toBeLessThanOrEqual(30);
    expect(setting("https::Timeout")).toBeLessThanOrEqual(30);
    expect(setting("Retries")).toBeLessThanOrEqual(2);
    // Sources, indexes and hooks of the machine itself have no part in it.
    expect(stdout).toMatch(/^Acquire::AllowInsecureRepositories "(0|false)";$/m);
  });
});
