// The JSON that comes on stdin: bounded in size and depth, and without the key by which a document
// could reach into JavaScript's prototypes.
import fs from "node:fs";
import { CniError, ErrorCode } from "./error.ts";

const maxBytes = 4 * 1024 * 1024;
const maxDepth = 64;

/**
 * Reads stdin to its end, or throws code 11 when the deadline comes first. It is opened a second time, so as
 * to be read without blocking and without a thread; a socket cannot be, and is read as it is.
 */
export async function readStdin(deadline: AbortSignal): Promise<string> {
  const descriptor = openAgain();
  try {
    return await readToEnd(descriptor, deadline);
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

async function readToEnd(descriptor: number | undefined, deadline: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const chunk = descriptor === undefined ? await readSocket(deadline) : readChunk(descriptor);
    if (chunk === undefined) {
      await pause(deadline);
      continue;
    }
    if (chunk.length === 0) return Buffer.concat(chunks).toString("utf8");
    size += chunk.length;
    if (size > maxBytes) throw malformed(`more than ${maxBytes} bytes; expected a network configuration`);
    chunks.push(chunk);
  }
}

/** Parses a document that must be an object. Throws code 6, or code 2 for the key __proto__. */
export function parseDocument(text: string, source: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw malformed(`${source} is not JSON: ${excerptOf(error)}`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw malformed(`${source} is ${JSON.stringify(parsed)?.slice(0, 100)}; expected a JSON object`);
  }
  checkNesting(parsed, source);
  return parsed as Record<string, unknown>;
}

function openAgain(): number | undefined {
  try {
    return fs.openSync("/proc/self/fd/0", fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

/** undefined if there is nothing to read yet; empty at the end. */
function readChunk(descriptor: number): Buffer | undefined {
  const buffer = Buffer.allocUnsafe(64 * 1024);
  try {
    return buffer.subarray(0, fs.readSync(descriptor, buffer));
  } catch (error) {
    return interpret(error as NodeJS.ErrnoException);
  }
}

/** By a thread, which waits for data instead of us. */
function readSocket(deadline: AbortSignal): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    deadline.addEventListener("abort", () => resolve(undefined), { once: true });
    const buffer = Buffer.allocUnsafe(64 * 1024);
    fs.read(0, buffer, 0, buffer.length, null, (error, count) => {
      try {
        resolve(error === null ? buffer.subarray(0, count) : interpret(error));
      } catch (fault) {
        reject(fault);
      }
    });
  });
}

/** Not every failure to read is one. */
function interpret(error: NodeJS.ErrnoException): Buffer | undefined {
  if (error.code === "EAGAIN") return undefined;
  if (error.code === "EOF") return Buffer.alloc(0);
  throw new CniError(ErrorCode.io, "stdin cannot be read", error.message, { cause: error });
}

async function pause(deadline: AbortSignal): Promise<void> {
  if (deadline.aborted) {
    throw new CniError(
      ErrorCode.tryAgainLater,
      "out of time",
      "stdin was not closed; expected the network configuration",
    );
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Breadth first, so that no depth of nesting can exhaust the stack. */
function checkNesting(document: object, source: string): void {
  let level: object[] = [document];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) throw malformed(`${source} is nested deeper than ${maxDepth} levels`);
    for (const object of level) {
      if (!Object.hasOwn(object, "__proto__")) continue;
      throw new CniError(
        ErrorCode.unsupportedField,
        "unsupported field",
        `${source}: key "__proto__" is not known; remove it`,
      );
    }
    level = level.flatMap((object) =>
      Object.values(object).filter((value) => typeof value === "object" && value !== null),
    );
  }
}

function excerptOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 200);
}

function malformed(details: string): CniError {
  return new CniError(ErrorCode.decode, "the configuration cannot be decoded", details);
}
