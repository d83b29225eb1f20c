// A container image made by hand, as no registry may be in reach: the static busybox, and a web server that
// tells who answered and who asked. Written as an OCI archive, which podman loads and containerd imports.
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

export const image = "localhost/podwire-test:1";
export const webPort = 8080;

/** The URL at which every pod, the host and the world outside answer "<name> saw <client address>". */
export function whoami(address: string, port = webPort): string {
  return `http://${address}:${port}/cgi-bin/whoami`;
}

const whoamiScript = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n%s saw %s\\n' "\${POD_NAME:-$(hostname)}" "$REMOTE_ADDR"
`;

export async function writeWebRoot(dir: string): Promise<void> {
  await mkdir(join(dir, "cgi-bin"), { recursive: true });
  await writeFile(join(dir, "cgi-bin/whoami"), whoamiScript);
  await chmod(join(dir, "cgi-bin/whoami"), 0o755);
}

/** Writes the image below dir and returns the archive's path. */
export async function writeImage(dir: string): Promise<string> {
  const root = join(dir, "root");
  for (const sub of ["bin", "etc", "proc", "sys", "dev", "tmp"])
    await mkdir(join(root, sub), { recursive: true });
  await copyFile("/bin/busybox", join(root, "bin/busybox"));
  for (const applet of ["sh", "httpd", "wget", "ping", "hostname", "ip", "sleep"])
    await symlink("busybox", join(root, "bin", applet));
  await writeWebRoot(join(root, "www"));

  const layout = join(dir, "layout");
  const blobs = join(layout, "blobs/sha256");
  await mkdir(blobs, { recursive: true });
  await execa("tar", ["-C", root, "-cf", join(blobs, "layer"), "."]);
  const layer = await addBlob(blobs, "application/vnd.oci.image.layer.v1.tar", "layer");

  const architecture = { x64: "amd64", arm: "arm" }[process.arch as string] ?? process.arch;
  const config = {
    architecture,
    os: "linux",
    config: {
      Cmd: ["/bin/httpd", "-f", "-p", `0.0.0.0:${webPort}`, "-h", "/www"],
      Env: ["PATH=/bin"],
      StopSignal: "SIGKILL",
    },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  };
  await writeFile(join(blobs, "config"), JSON.stringify(config));
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: await addBlob(blobs, "application/vnd.oci.image.config.v1+json", "config"),
    layers: [layer],
  };
  await writeFile(join(blobs, "manifest"), JSON.stringify(manifest));
  const annotations = { "org.opencontainers.image.ref.name": image, "io.containerd.image.name": image };
  const index = {
    schemaVersion: 2,
    manifests: [{ ...(await addBlob(blobs, manifest.mediaType, "manifest")), annotations }],
  };
  await writeFile(join(layout, "index.json"), JSON.stringify(index));
  await writeFile(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const archive = join(dir, "image.tar");
  await execa("tar", ["-C", layout, "-cf", archive, "."]);
  return archive;
}

/** Renames a file of the blob directory to its digest and returns the descriptor that refers to it. */
async function addBlob(blobs: string, mediaType: string, name: string) {
  const hash = createHash("sha256").update(await readFile(join(blobs, name)));
  const { size } = await stat(join(blobs, name));
  const hex = hash.digest("hex");
  await rename(join(blobs, name), join(blobs, hex));
  return { mediaType, digest: `sha256:${hex}`, size };
}
