// A node to run container runtimes on: network, mount and PID namespaces of its own, an uplink to a second
// network namespace that plays the world outside, and a private copy of every directory that runtimes and
// plugins keep state in. Killing its first process ends everything that was started on it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execa } from "execa";
import { onTestFinished } from "vitest";
import { webPort, writeWebRoot } from "./busybox-image.ts";
import { makePluginDir } from "./plugin-dir.ts";
import { referencePluginDir } from "./prerequisites.ts";

export const hostAddress = "192.0.2.1";
export const outsideAddress = "192.0.2.2";

// /etc, /var/lib and /opt become overlays, so that mount points can be made in them without touching the
// machine. The fresh sysfs shows this node's links; the cgroup mounts below the old one are carried over.
const firstProcess = `
set -e
dir=$1
mount -t tmpfs tmpfs $dir/overlay
for lower in /etc /var/lib /opt; do
  layer=$dir/overlay$lower
  mkdir -p $layer/upper $layer/work
  mount -t overlay overlay -o lowerdir=$lower,upperdir=$layer/upper,workdir=$layer/work $lower
done
mkdir $dir/overlay/cgroup
mount --rbind /sys/fs/cgroup $dir/overlay/cgroup
mount -t sysfs sysfs /sys
mount --rbind $dir/overlay/cgroup /sys/fs/cgroup
for private in /run /dev/shm /etc/podwire; do
  mkdir -p $private
  mount -t tmpfs tmpfs $private
done
mkdir -p /var/lib/podwire /var/lib/cni /etc/cni/net.d
mount --bind $dir/podwire-state /var/lib/podwire
mount --bind $dir/cni-state /var/lib/cni
mount --bind $dir/net.d /etc/cni/net.d
mount --bind $dir/plugins ${referencePluginDir}

ip link set lo up
ip netns add outside
ip link add uplink type veth peer name node netns outside
ip address add ${hostAddress}/24 dev uplink
ip link set uplink up
ip -n outside address add ${outsideAddress}/24 dev node
ip -n outside link set node up
ip -n outside link set lo up
ip route add default via ${outsideAddress}
POD_NAME=host busybox httpd -p 0.0.0.0:${webPort} -h $dir/www
POD_NAME=outside nsenter --net=/run/netns/outside busybox httpd -p 0.0.0.0:${webPort} -h $dir/www
echo ready
sleep infinity &
wait
`;

/** A node for the current test, gone when the test is. */
export async function startNode(): Promise<RuntimeNode> {
  const dir = await mkdtemp(join(tmpdir(), "podwire-node-"));
  const node = new RuntimeNode(dir);
  onTestFinished(() => node.stop(), 60_000);
  await node.start();
  return node;
}

export class RuntimeNode {
  readonly dir: string;
  /** Unique on this machine; the parent of every cgroup made on this node. */
  readonly name: string;
  #enter: string[] = [];
  #end: () => Promise<void> = async () => {};

  constructor(dir: string) {
    this.dir = dir;
    this.name = basename(dir);
  }

  async start(): Promise<void> {
    for (const sub of ["overlay", "podwire-state", "cni-state", "net.d"]) await mkdir(join(this.dir, sub));
    await makePluginDir(join(this.dir, "plugins"));
    await writeWebRoot(join(this.dir, "www"));

    const namespaces = ["--mount", "--net", "--pid", "--mount-proc", "--fork", "--kill-child"];
    const command = ["sh", "-c", firstProcess, "sh", this.dir];
    const holder = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", ...namespaces, ...command], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = once(holder, "close");
    this.#end = async () => {
      holder.kill("SIGKILL");
      await ended;
    };
    let errors = "";
    holder.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    await Promise.race([once(holder.stdout, "data"), ended]);
    if (holder.exitCode !== null) throw new Error(`the node did not start: ${errors}`);
    const first = (await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8")).trim();
    this.#enter = ["-t", first, "-m", "-n", "-p", "--"];
    // Unlike the end of its parent, the end of a PID namespace's first process waits for all the others'.
    this.#end = async () => {
      if (holder.exitCode === null && holder.signalCode === null) process.kill(Number(first), "SIGKILL");
      await ended;
    };
  }

  async stop(): Promise<void> {
    await this.#end();
    await removeCgroups(this.name);
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Adds a network configuration to /etc/cni/net.d. */
  async addNetwork(file: string, conflist: string): Promise<void> {
    await writeFile(join(this.dir, "net.d", file), conflist);
  }

  /** Runs a program on the node and returns what it printed; a failing program fails the test. */
  async run(file: string, args: string[], env: Record<string, string> = {}): Promise<string> {
    const { stdout } = await execa("nsenter", [...this.#enter, file, ...args], { ...limits, env });
    return stdout;
  }

  async fetch(url: string): Promise<string> {
    return this.run("curl", [...curlOptions, url]);
  }

  /** Fetches from the other end of the node's uplink. */
  async fetchFromOutside(url: string): Promise<string> {
    return this.run("nsenter", ["--net=/run/netns/outside", "curl", ...curlOptions, url]);
  }

  /** Starts a program that goes on running on the node; its output goes to a file named after it. */
  startInBackground(name: string, file: string, args: string[]): BackgroundProgram {
    const log = join(this.dir, `${name}.log`);
    const output = { file: log };
    const ended = execa("nsenter", [...this.#enter, file, ...args], {
      stdin: "ignore",
      stdout: output,
      stderr: output,
      reject: false,
      buffer: false,
    });
    return { log, ended };
  }
}

export interface BackgroundProgram {
  /** The file that its output goes to. */
  log: string;
  ended: Promise<unknown>;
}

const curlOptions = ["--silent", "--show-error", "--max-time", "5", "--noproxy", "*"];
const limits = { stdin: "ignore", timeout: 60_000, killSignal: "SIGKILL" } as const;

/** Removes the cgroups of this name, and all below them, in every hierarchy. */
async function removeCgroups(name: string): Promise<void> {
  const hierarchies = (await readdir("/sys/fs/cgroup", { withFileTypes: true })).filter((e) =>
    e.isDirectory(),
  );
  const roots = ["/sys/fs/cgroup", ...hierarchies.map((e) => join("/sys/fs/cgroup", e.name))];
  for (const root of roots) {
    const group = join(root, name);
    const below = await readdir(group, { recursive: true, withFileTypes: true }).catch(() => []);
    const groups = below.filter((e) => e.isDirectory()).map((e) => join(e.parentPath, e.name));
    for (const path of [group, ...groups].sort().reverse()) await rmdir(path).catch(() => {});
  }
}
