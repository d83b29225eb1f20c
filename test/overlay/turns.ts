// Run on a test node: whoever changes the overlay after somebody else did so.
import { withLock } from "../../src/linux/lock.ts";
import { applyNode, type Prepared, prepare } from "../../src/node/overlay.ts";
import { lockFile, makeStampDirectory } from "../../src/node/stamp.ts";
import { takeTurn } from "../../src/node/turn.ts";

const kernel = { searchPath: process.env["PATH"], deadline: AbortSignal.timeout(30_000) };
const declaring = (...numbers: number[]): Prepared => {
  const peers = numbers.map((number) => ({
    node: `n${number}`,
    address: `192.0.2.${number}`,
    podCIDRs: [`10.244.${number}.0/24`, `fd00:10:244:${number}::/64`],
  }));
  return prepare([], { overlay: { type: "vxlan", peers } });
};
const first = await applyNode(() => declaring(2, 3), kernel);

// What is remembered of before somebody else's change is not gone by.
await applyNode(() => declaring(2, 4), kernel);
const again = await applyNode(() => declaring(2, 3), kernel, first);
console.log(`changes: ${again.done.length > 0}`);

// Files that were read before it are read again.
makeStampDirectory();
let reads = 0;
const { promise: isHeld, resolve: hold } = Promise.withResolvers<void>();
const { promise: isRead, resolve: read } = Promise.withResolvers<void>();
const other = withLock(lockFile, kernel, async () => {
  hold();
  await isRead;
  takeTurn();
});
await isHeld;
await applyNode(() => {
  reads++;
  read();
  return reads === 1 ? declaring(9) : declaring(2, 4, 6);
}, kernel);
await other;
console.log(`reads: ${reads}`);
