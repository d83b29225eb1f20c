// `npm run bench:datapath`: the datapaths compared, between nodes and on one, in the lab's virtual machines. See
// docs/measurements.md.
import { datapathBench } from "./datapath-sections.ts";
import { runSections } from "./sections.ts";

await runSections(datapathBench);
