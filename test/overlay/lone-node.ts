// A node without others, for tests of what one node makes of what it is told.
import { afterEach, beforeEach } from "vitest";
import { type Cluster, type ClusterNode, startCluster } from "./cluster.ts";

/** For the top of a file: a node without others for each test, to be called only inside of them. */
export function loneNode(): () => ClusterNode {
  let cluster: Cluster;
  beforeEach(async () => {
    cluster = await startCluster(1);
  });
  afterEach(async () => cluster.stop());
  return () => cluster.nodes[0] as ClusterNode;
}
