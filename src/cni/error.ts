// The one error type that reaches a runtime, and its codes. Codes below 100 are the CNI specification's
// (section "Error"), 8 is the reference library's; 100 and up are ours. docs/errors.md lists them all.

export const ErrorCode = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  io: 5,
  decode: 6,
  invalidConfig: 7,
  invalidNetns: 8,
  tryAgainLater: 11,
  unavailable: 50,
  limitedConnectivity: 51,
  kernelRefused: 100,
  attachmentExists: 101,
  programMissing: 102,
  addressUnavailable: 103,
  checkFailed: 104,
  incomplete: 105,
  masterUnusable: 106,
  ovsRefused: 107,
  overlayUnusable: 108,
  moduleUnusable: 109,
  internal: 199,
} as const;

export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** `msg` is short and stable; `details` names the object, its value, what was expected and what to do. */
export class CniError extends Error {
  readonly code: number;
  readonly details: string;

  constructor(code: number, msg: string, details: string, options?: ErrorOptions) {
    super(msg, options);
    this.name = "CniError";
    this.code = code;
    this.details = details;
  }
}

/** Any thrown value as a CniError: what is not one already is an I/O error if a system call failed, else a bug. */
export function toCniError(thrown: unknown): CniError {
  if (thrown instanceof CniError) return thrown;
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const isSystemCall = typeof (error as NodeJS.ErrnoException).syscall === "string";
  return isSystemCall
    ? new CniError(ErrorCode.io, "a system call failed", error.message, { cause: error })
    : new CniError(ErrorCode.internal, "internal error", `${error.message}; please report this`, {
        cause: error,
      });
}
