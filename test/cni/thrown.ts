// What a function refused with, as a runtime would see it.
import { expect } from "vitest";
import { CniError } from "../../src/cni/error.ts";

/** The CniError that `call` throws; fails the test if it throws none or anything else. */
export function thrown(call: () => unknown): CniError {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(CniError);
    return error as CniError;
  }
  return expect.fail("expected a CniError, but nothing was thrown");
}

/** The same of a promise. */
export async function rejected(promise: Promise<unknown>): Promise<CniError> {
  const [outcome] = await Promise.allSettled([promise]);
  return thrown(() => {
    if (outcome.status === "rejected") throw outcome.reason;
  });
}
