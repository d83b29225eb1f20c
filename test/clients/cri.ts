// What a kubelet asks of a runtime to make and unmake a pod sandbox, over the runtime's CRI socket
// (runtime.v1.RuntimeService, cri-api's api.proto).
import { connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import { decodeString, encode, type Message } from "./protobuf.ts";

export class Cri {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Returns the sandbox's ID. */
  async runPodSandbox(name: string, cgroupParent: string, ports: PortMapping[] = []): Promise<string> {
    const metadata: Message = [
      [1, name],
      [2, `uid-of-${name}`],
      [3, "default"],
    ];
    const config: Message = [
      [1, metadata],
      [2, name], // hostname
      ...ports.map(({ containerPort, hostPort }): Message[number] => [
        5,
        [
          [2, containerPort],
          [3, hostPort],
        ],
      ]),
      [8, [[1, cgroupParent]]],
    ];
    const answer = await this.#call("RunPodSandbox", [[1, config]]);
    return required("pod_sandbox_id", decodeString(answer, [1]));
  }

  async podSandboxAddress(id: string): Promise<string> {
    const answer = await this.#call("PodSandboxStatus", [[1, id]]);
    const [status, network, ip] = [1, 5, 1];
    return required("network.ip", decodeString(answer, [status, network, ip]));
  }

  async stopPodSandbox(id: string): Promise<void> {
    await this.#call("StopPodSandbox", [[1, id]]);
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.#call("RemovePodSandbox", [[1, id]]);
  }

  /** A unary gRPC call. */
  async #call(method: string, request: Message): Promise<Buffer> {
    const session = connectHttp2("http://localhost", { createConnection: () => connect(this.#socket) });
    const failed = new Promise<never>((_, reject) => session.once("error", reject));
    try {
      return await Promise.race([failed, exchange(session, method, request)]);
    } finally {
      session.destroy();
    }
  }
}

export interface PortMapping {
  containerPort: number;
  hostPort: number;
}

const frameHeaderLength = 5;

async function exchange(session: ReturnType<typeof connectHttp2>, method: string, request: Message) {
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: `/runtime.v1.RuntimeService/${method}`,
    [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
    [constants.HTTP2_HEADER_TE]: "trailers",
  });
  // A call that fails at once has its status in the headers, any other in the trailers.
  let status: Record<string, unknown> = {};
  const keep = (headers: Record<string, unknown>) => {
    status = { ...status, ...headers };
  };
  stream.on("response", keep).on("trailers", keep);

  const message = encode(request);
  const frameHeader = Buffer.alloc(frameHeaderLength);
  frameHeader.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([frameHeader, message]));
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  if (status["grpc-status"] !== "0") throw new Error(`${method}: ${status["grpc-message"]}`);
  return Buffer.concat(chunks).subarray(frameHeaderLength);
}

function required<T>(name: string, value: T | undefined): T {
  if (value === undefined) throw new Error(`the answer has no ${name}`);
  return value;
}
