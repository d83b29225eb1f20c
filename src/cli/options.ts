// Options that several commands have.
import type { Option } from "./command.ts";

export const confDir: Option = {
  type: "string",
  placeholder: "DIR",
  fallback: "/etc/cni/net.d",
  summary: "where runtimes look for network configurations",
};

export const json: Option = { type: "boolean", summary: "print JSON" };
