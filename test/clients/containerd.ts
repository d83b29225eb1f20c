// containerd on a node, with its CRI service on, our networks, and a root and a socket of its own below the
// node's directory; and ctr, its own command line client.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { image, writeImage } from "./busybox-image.ts";
import type { BackgroundProgram, RuntimeNode } from "./runtime-node.ts";

const criNamespace = "k8s.io";

export class Containerd {
  readonly socket: string;
  readonly #node: RuntimeNode;
  readonly #dir: string;

  constructor(node: RuntimeNode) {
    this.#node = node;
    this.#dir = join(node.dir, "containerd");
    this.socket = join(this.#dir, "containerd.sock");
  }

  /** Reads the node's networks, so they must be there already. */
  async start(): Promise<void> {
    await mkdir(this.#dir);
    const config = join(this.#dir, "config.toml");
    await writeFile(config, this.#config());
    const daemon = this.#node.startInBackground("containerd", "containerd", ["--config", config]);
    await untilItWorks(daemon, () => this.#node.run("ctr", ["--address", this.socket, "version"]));
    const archive = await writeImage(join(this.#dir, "image"));
    for (const namespace of [criNamespace, this.#node.name])
      await this.#ctr(namespace, "images", "import", "--snapshotter", "native", archive);
  }

  /** Runs a container with ctr, and returns its address. */
  async startPod(name: string): Promise<string> {
    const options = ["--cni", "--snapshotter", "native", "--env", `POD_NAME=${name}`];
    // In the foreground, as ctr never unwires a container that it detached from.
    const args = this.#ctrArgs(this.#node.name, "run", "--rm", ...options, image, name);
    const run = this.#node.startInBackground(`ctr-${name}`, "ctr", args);
    this.#runs.set(name, run.ended);
    return untilItWorks(run, async () =>
      addressIn(await this.exec(name, "ip", "-4", "-o", "address", "show", "eth0")),
    );
  }
  readonly #runs = new Map<string, Promise<unknown>>();

  /** Kills a container and waits for ctr to have unwired and removed it. */
  async removePod(name: string): Promise<void> {
    await this.#ctr(this.#node.name, "tasks", "kill", "--signal", "SIGKILL", name);
    await this.#runs.get(name);
  }

  /** Runs a program in a container that ctr started. */
  async exec(name: string, ...command: string[]): Promise<string> {
    return this.#exec(this.#node.name, name, command);
  }

  /** Runs a program in the container that the CRI service keeps a pod sandbox with. */
  async execInSandbox(id: string, ...command: string[]): Promise<string> {
    return this.#exec(criNamespace, id, command);
  }

  async #exec(namespace: string, id: string, command: string[]): Promise<string> {
    this.#execs += 1;
    return this.#ctr(namespace, "tasks", "exec", "--exec-id", `exec-${this.#execs}`, id, ...command);
  }
  #execs = 0;

  async #ctr(namespace: string, ...args: string[]): Promise<string> {
    return this.#node.run("ctr", this.#ctrArgs(namespace, ...args));
  }

  #ctrArgs(namespace: string, ...args: string[]): string[] {
    return ["--address", this.socket, "--namespace", namespace, ...args];
  }

  // The settings of the CRI service are for a sandbox without CAP_SYS_RESOURCE and for kernels without AppArmor.
  #config(): string {
    return `
version = 2
root = "${this.#dir}/root"
state = "${this.#dir}/state"
[grpc]
address = "${this.socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "${this.#dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${image}"
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${this.#node.dir}/plugins"
conf_dir = "/etc/cni/net.d"
`;
  }
}

/** Repeats an attempt until it succeeds, or the program it waits for ended or took too long to get there. */
async function untilItWorks<T>(program: BackgroundProgram, attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 30_000;
  let hasEnded = false;
  program.ended.then(() => {
    hasEnded = true;
  });
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (hasEnded || Date.now() > deadline)
        throw new Error(await readFile(program.log, "utf8"), { cause: error });
      await setTimeout(100);
    }
  }
}

function addressIn(line: string): string {
  const address = / inet ([\d.]+)/.exec(line)?.[1];
  if (address === undefined) throw new Error(`no address: ${line}`);
  return address;
}
