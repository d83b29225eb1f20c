// How commands reach the kernel: with the administrator's PATH, and not for ever.
import type { Kernel } from "../linux/kernel.ts";

const usualTimeoutMs = 120_000;

export function commandKernel(timeoutMs = usualTimeoutMs): Kernel {
  return { searchPath: process.env["PATH"], deadline: AbortSignal.timeout(timeoutMs) };
}
