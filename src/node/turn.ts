// Who changed the overlay last, for those who remember what it was: kept by whoever holds its lock.
import fs from "node:fs";
import path from "node:path";
import { replaceFile, runDirectory } from "../linux/files.ts";

const file = path.join(runDirectory, "overlay.turn");

/** The same as long as nobody has begun to change it; empty if nobody did since boot. */
export function lastTurn(): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** From here on what others remember is out of date. */
export function takeTurn(): string {
  const turn = `${process.pid} ${process.hrtime.bigint()}`;
  replaceFile(file, turn);
  return turn;
}
