import { expect, test } from "vitest";
import { setUpFault } from "../../../src/linux/ovs/ovs.ts";

const log = 'See ovs-vswitchd log for details.  The default log directory is "/var/log/openvswitch".';

test.each([
  [
    `ovs-vsctl: Error detected while setting up 'eth1': could not open network device eth1 (No such device).  ${log}`,
    "'eth1': could not open network device eth1 (No such device).",
  ],
  [
    `ovs-vsctl: Error detected while setting up 'podwire0'.  ${log}`,
    "podwire0 could not be set up; ovs-vswitchd's log alone says why",
  ],
  ["ovs-vsctl: something else", undefined],
])("%s", (stderr, words) => expect(setUpFault(`${stderr}\n`)).toBe(words));
