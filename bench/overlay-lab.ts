// `npm run bench:overlay-lab`: the overlays compared between nodes, in the lab's virtual machines. See docs/measurements.md.
import { overlayBench } from "./overlay-sections.ts";
import { runSections } from "./sections.ts";

await runSections(overlayBench);
