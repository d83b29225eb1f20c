// What keeps a kernel module from being built or loaded, said in a person's terms. Pure: takes what the programs and the kernel said.
import { CniError, ErrorCode } from "../cni/error.ts";
import type { KernelModule } from "./module.ts";

export function cannotBuild({ name }: KernelModule, details: string): CniError {
  return new CniError(ErrorCode.moduleUnusable, `the kernel module ${name} cannot be built`, details);
}

export function cannotLoad({ name }: KernelModule, details: string): CniError {
  return new CniError(ErrorCode.moduleUnusable, `the kernel module ${name} cannot be loaded`, details);
}

export function cannotUnload({ name }: KernelModule, details: string): CniError {
  return new CniError(ErrorCode.moduleUnusable, `the kernel module ${name} cannot be unloaded`, details);
}

/** What the kernel may be told to do with modules that nobody signed. */
export interface SignaturePolicy {
  readonly secureBoot: boolean;
  /** "none", "integrity", "confidentiality"; undefined where the kernel has no lockdown. */
  readonly lockdown: string | undefined;
  /** The kernel was started with module.sig_enforce=1. */
  readonly enforced: boolean;
}

/** undefined if unsigned modules may be loaded. */
export function describePolicy({ secureBoot, lockdown, enforced }: SignaturePolicy): string | undefined {
  const reasons = [
    ...(lockdown === undefined || lockdown === "none" ? [] : [`lockdown is "${lockdown}"`]),
    ...(enforced ? ["module.sig_enforce is on"] : []),
  ];
  if (reasons.length === 0) return undefined;
  return `${[...reasons, ...(secureBoot ? ["Secure Boot is on"] : [])].join(", ")}: only signed modules are loaded`;
}

export interface Attempt {
  readonly module: KernelModule;
  /** absent: what is installed for the kernel. */
  readonly file?: string;
  /** What modprobe or insmod said. */
  readonly words: string;
  /** What the kernel logged meanwhile. */
  readonly log: readonly string[];
  readonly release: string;
  readonly policy: SignaturePolicy;
}

type Reason = readonly [RegExp, (attempt: Attempt) => string];

/** The first that fits counts. EKEYREJECTED and ENOKEY are said of signatures alone. */
const reasons: readonly Reason[] = [
  [
    /Key was rejected|Required key not available|Loading of (unsigned )?module|unsigned module loading is restricted/i,
    ({ module, policy }) =>
      `${describePolicy(policy) ?? "the kernel takes only modules that are signed by a key it knows"}; sign it with a key ` +
      `that the machine's owner has enrolled (docs/kernel-modules.md, "Secure Boot"), then podwire ${module.command} load`,
  ],
  [
    /Invalid module format|Exec format error|version magic|disagrees about version/,
    ({ module, file, release }) =>
      `${file ?? "what is installed"} was built for another kernel than Linux ${release}: podwire ${module.command} build ` +
      "builds it for this one",
  ],
  [
    /Unknown symbol/,
    ({ release }) =>
      `Linux ${release} lacks something that the module needs; see the kernel's log (dmesg) for its name`,
  ],
  [
    /Operation not permitted|Permission denied/,
    ({ policy }) =>
      describePolicy(policy) ?? "run it as root, outside of containers (it needs CAP_SYS_MODULE)",
  ],
];

export function explainAttempt(attempt: Attempt): string {
  const { words, log } = attempt;
  const said = [words, ...log].join("; ");
  const known = reasons.find(([pattern]) => pattern.test(said));
  return known === undefined ? said : `${said}; ${known[1](attempt)}`;
}

/** What is wrong with make's output, in few lines. */
export function explainMake(output: string): string {
  const lines = output.split("\n").map((line) => line.trim());
  // The kernel's makefiles call exactly the compiler that built it.
  const missing =
    /(?:^|[\s/:])((?:[\w-]+-)?(?:gcc|clang|ld|ld\.lld|pahole|flex|bison|bc)(?:-[0-9.]+)?): (?:command )?not found/m.exec(
      output,
    )?.[1];
  if (missing !== undefined)
    return `${missing} is not in PATH, and builds modules for this kernel; install ${packageOf(missing)}`;
  const faults = lines.filter((line) =>
    /error:|fatal error|No space left|: not found|No such file/i.test(line),
  );
  return (faults.length > 0 ? faults : lines.filter((line) => line !== "").slice(-3)).slice(0, 3).join("; ");
}

function packageOf(program: string): string {
  return program === "ld" ? "the package binutils" : `the package that has it, mostly ${program}`;
}
