// Logs: lines on stderr, which runtimes keep, and in a file if configured. Never stdout: it is the result's.
import fs from "node:fs";

const levels = ["error", "warn", "info", "debug"] as const;

export type LogLevel = (typeof levels)[number];

export type Log = Readonly<Record<LogLevel, (message: string) => void>>;

export interface LogSettings {
  readonly level?: LogLevel | undefined;
  readonly file?: string | undefined;
}

/** `override` is the environment's PODWIRE_LOG. `subject` says which call a line belongs to. */
export function createLog(settings: LogSettings, override: string | undefined, subject: string): Log {
  const level = levels.find((name) => name === override) ?? settings.level ?? "warn";
  const write = (name: LogLevel) => (message: string) => {
    if (levels.indexOf(name) > levels.indexOf(level)) return;
    const line = `podwire: ${name}: ${subject}: ${message.replaceAll("\n", " ")}\n`;
    writeQuietly(2, line);
    if (settings.file !== undefined) appendQuietly(settings.file, `${new Date().toISOString()} ${line}`);
  };
  return { error: write("error"), warn: write("warn"), info: write("info"), debug: write("debug") };
}

function writeQuietly(descriptor: number, line: string): void {
  try {
    fs.writeSync(descriptor, line);
  } catch {
    // A closed stderr must not fail a pod.
  }
}

function appendQuietly(file: string, line: string): void {
  try {
    // A FIFO that nobody reads must not hold the call.
    const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = fs.constants;
    const descriptor = fs.openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600);
    fs.writeSync(descriptor, line);
    fs.closeSync(descriptor);
  } catch (error) {
    writeQuietly(2, `podwire: warn: log file ${file}: ${error instanceof Error ? error.message : error}\n`);
  }
}
