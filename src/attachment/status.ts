// STATUS: whether an ADD could succeed now. Throws code 50 with what is in the way.
import { CniError, ErrorCode, toCniError } from "../cni/error.ts";
import { requireSupported } from "../datapath/choice.ts";
import { ipamOf } from "../ipam/registry.ts";
import { requireBypass } from "./bypass.ts";
import { type Call, kernelOf } from "./call.ts";
import { datapathSettings } from "./datapath-settings.ts";
import { requireAllPrograms, requireDrivers, requireUnderlay } from "./needs.ts";
import { refuseDeaf } from "./ovs/hearing.ts";
import { requireBridge } from "./ovs/switch.ts";
import { requireWritableState } from "./record.ts";

export async function status(call: Call): Promise<void> {
  try {
    requireAllPrograms(call);
    requireWritableState();
    requireSupported(call.config);
    requireUnderlay(call.config);
    await requireBypass(call);
    await requireDrivers(call.config, kernelOf(call));
    const { ovs } = await datapathSettings(call, kernelOf(call));
    if (ovs !== undefined) {
      await requireBridge(ovs, kernelOf(call));
      await refuseDeaf(ovs.at.database, kernelOf(call));
    }
    await ipamOf(call.config.ipam.type).status(call);
  } catch (error) {
    throw unavailable(toCniError(error));
  }
}

function unavailable(reason: CniError): CniError {
  const kept: number[] = [
    ErrorCode.unavailable,
    ErrorCode.limitedConnectivity,
    ErrorCode.invalidConfig,
    ErrorCode.unsupportedField,
  ];
  if (kept.includes(reason.code)) return reason;
  return new CniError(
    ErrorCode.unavailable,
    "podwire cannot add pods now",
    `${reason.message}: ${reason.details}`,
    {
      cause: reason,
    },
  );
}
