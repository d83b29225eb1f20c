// podman on a node, with its CNI backend, our networks, and storage of its own below the node's directory.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { image, writeImage } from "./busybox-image.ts";
import type { RuntimeNode } from "./runtime-node.ts";

export class Podman {
  readonly #node: RuntimeNode;
  readonly #dir: string;

  constructor(node: RuntimeNode) {
    this.#node = node;
    this.#dir = join(node.dir, "podman");
  }

  async start(): Promise<void> {
    await mkdir(this.#dir);
    await writeFile(join(this.#dir, "containers.conf"), this.#containersConf());
    await writeFile(join(this.#dir, "storage.conf"), this.#storageConf());
    await this.run("load", "-q", "-i", await writeImage(join(this.#dir, "image")));
  }

  async run(...args: string[]): Promise<string> {
    return this.#node.run("podman", args, {
      CONTAINERS_CONF: join(this.#dir, "containers.conf"),
      CONTAINERS_STORAGE_CONF: join(this.#dir, "storage.conf"),
    });
  }

  /** Starts a container that answers to its name, and returns its address. */
  async startPod(name: string, network: string, ...options: string[]): Promise<string> {
    await this.run("run", "-d", ...this.#identity(name), "--network", network, ...options, image);
    return this.run("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, name);
  }

  /** Creates what podman calls a pod: containers that share one network namespace. */
  async createGroup(name: string, network: string, ...options: string[]): Promise<void> {
    const infra = ["--infra-image", image, "--infra-command", "/bin/sleep 1000"];
    await this.run(
      "pod",
      "create",
      "--name",
      name,
      "--cgroup-parent",
      `/${this.#node.name}`,
      ...infra,
      "--network",
      network,
      ...options,
    );
  }

  async startInGroup(name: string, group: string, ...command: string[]): Promise<void> {
    await this.run("run", "-d", ...this.#identity(name), "--pod", group, image, ...command);
  }

  /** Runs a program in a container. */
  async exec(name: string, ...command: string[]): Promise<string> {
    return this.run("exec", name, ...command);
  }

  #identity(name: string): string[] {
    return ["--name", name, "--env", `POD_NAME=${name}`, "--cgroup-parent", `/${this.#node.name}`];
  }

  // Raising a limit that is lower here than podman's default needs CAP_SYS_RESOURCE, which a sandbox may lack.
  #containersConf(): string {
    return `
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "${this.#dir}/tmp"
[network]
network_backend = "cni"
cni_plugin_dirs = ["${this.#node.dir}/plugins"]
network_config_dir = "/etc/cni/net.d"
`;
  }

  #storageConf(): string {
    return `
[storage]
driver = "vfs"
graphroot = "${this.#dir}/storage"
runroot = "${this.#dir}/run"
`;
  }
}
