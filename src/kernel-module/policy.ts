// Whether this kernel takes modules at all, and from whom.
import fs from "node:fs";
import type { SignaturePolicy } from "./fault.ts";
import { readText } from "./module.ts";

const secureBootVariable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

export function signaturePolicy(): SignaturePolicy {
  return {
    secureBoot: readSecureBoot(),
    lockdown: lockdownOf(readText("/sys/kernel/security/lockdown")),
    enforced: readText("/sys/module/module/parameters/sig_enforce") === "Y",
  };
}

/** "none [integrity] confidentiality" */
export function lockdownOf(text: string): string | undefined {
  return /\[([a-z]+)\]/.exec(text)?.[1];
}

/** Why no module can be loaded, whoever signed it. */
export function refusesAllModules(): string | undefined {
  if (!fs.existsSync("/proc/modules")) return "this kernel was built without loadable modules";
  if (readText("/proc/sys/kernel/modules_disabled") === "1")
    return "kernel.modules_disabled is 1, so nothing can be loaded until the next boot";
  return undefined;
}

/** Four bytes of attributes, then the value. */
function readSecureBoot(): boolean {
  try {
    return fs.readFileSync(secureBootVariable)[4] === 1;
  } catch {
    return false;
  }
}
