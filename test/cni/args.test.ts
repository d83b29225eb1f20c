import { describe, expect, test } from "vitest";
import { parseCniArgs } from "../../src/cni/args.ts";
import { thrown } from "./thrown.ts";

describe("CNI_ARGS", () => {
  test("are empty when there are none", () => {
    expect(parseCniArgs("")).toEqual({ ips: [] });
    expect(parseCniArgs(";;")).toEqual({ ips: [] });
  });

  test("as kubelet gives them name the pod", () => {
    const text =
      "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;" +
      "K8S_POD_INFRA_CONTAINER_ID=4f1e;K8S_POD_UID=6a0c;K8S_POD_RUNTIME=runc";
    expect(parseCniArgs(text)).toEqual({
      ips: [],
      podNamespace: "default",
      podName: "web-0",
      podUid: "6a0c",
    });
  });

  test("request addresses of both families, with or without prefix length", () => {
    expect(parseCniArgs("IP=10.1.2.3").ips).toEqual(["10.1.2.3"]);
    expect(parseCniArgs("IP=10.1.2.3/24, fd00::7/64").ips).toEqual(["10.1.2.3", "fd00::7"]);
  });

  test("request a MAC address", () => {
    expect(parseCniArgs("MAC=0a:58:0a:f4:01:07").mac).toBe("0a:58:0a:f4:01:07");
    expect(parseCniArgs("MAC=")).toEqual({ ips: [] });
  });

  test("leave the keys of the static IPAM to it", () => {
    expect(parseCniArgs("IP=10.1.2.3/24;GATEWAY=10.1.2.1")).toEqual({ ips: ["10.1.2.3"] });
  });

  test("keep an equals sign in a value", () => {
    expect(parseCniArgs("K8S_POD_NAME=a=b=").podName).toBe("a=b=");
  });

  test("with an unknown key are refused by its name", () => {
    expect(thrown(() => parseCniArgs("IP=10.1.2.3;COLOUR=red"))).toMatchObject({
      code: 4,
      details: expect.stringContaining("COLOUR"),
    });
    expect(thrown(() => parseCniArgs("COLOUR=red;IgnoreUnknown=false")).code).toBe(4);
  });

  test.each(["1", "t", "true", "TRUE", "True"])("with an unknown key pass with IgnoreUnknown=%s", (value) => {
    expect(parseCniArgs(`COLOUR=red;IgnoreUnknown=${value}`)).toEqual({ ips: [] });
    expect(parseCniArgs(`IgnoreUnknown=${value};COLOUR=red`)).toEqual({ ips: [] });
  });

  test.each(["__proto__", "constructor", "hasOwnProperty", "ip", "Ip", "K8S_POD_", "K8S_pod_name", " IP"])(
    "do not take %j for a known key",
    (key) => {
      expect(thrown(() => parseCniArgs(`${key}=1`)).code).toBe(4);
      expect(parseCniArgs(`IgnoreUnknown=1;${key}=10.0.0.1`)).toEqual({ ips: [] });
    },
  );

  test.each([
    ["IP=10.1.2", "10.1.2"],
    ["IP=10.1.2.3/33", "10.1.2.3/33"],
    ["IP=10.1.2.3,nonsense", "nonsense"],
    ["IP=10.1.2.03", "10.1.2.03"],
    ["IP=fe80::1%eth0", "fe80::1%eth0"],
    ["MAC=01:00:5e:00:00:01", "01:00:5e:00:00:01"],
    ["MAC=nonsense", "nonsense"],
    ["IgnoreUnknown=maybe", "maybe"],
    ["nonsense", "nonsense"],
    ["=10.1.2.3", "=10.1.2.3"],
  ])("%s is refused with code 4 and the value, also where unknown keys are ignored", (text, value) => {
    for (const all of [text, ...(text.startsWith("Ignore") ? [] : [`IgnoreUnknown=true;${text}`])]) {
      const error = thrown(() => parseCniArgs(all));
      expect(error).toMatchObject({ code: 4, details: expect.stringContaining(value) });
      expect(error.details).toMatch(/^CNI_ARGS: /);
    }
  });
});
