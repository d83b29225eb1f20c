// The commands that look at a node are tested on one of their own, which only root can make.
export function cannotMakeNodes(suite: string): boolean {
  if (process.geteuid?.() === 0) return false;
  console.warn(
    `SKIPPED ${suite}: test nodes are network namespaces, which need root; run the tests with sudo`,
  );
  return true;
}
