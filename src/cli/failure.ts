// How a failed command is explained to people.
import { toCniError } from "../cni/error.ts";
import { printable } from "./table.ts";

export function describeFailure(thrown: unknown): string {
  const error = toCniError(thrown);
  const lines = [`podwire: ${printable(`${error.message}: ${error.details}`)}`];
  if (lacksRights(thrown)) lines.push("Run it as root.");
  if (process.env["PODWIRE_LOG"] === "debug") lines.push(String(error.stack), String(error.cause ?? ""));
  return lines.join("\n");
}

function lacksRights(thrown: unknown): boolean {
  const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
  return (code === "EACCES" || code === "EPERM") && process.geteuid?.() !== 0;
}
