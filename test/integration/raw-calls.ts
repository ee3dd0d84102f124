/** Calls with bytes as they are: whatever a client may send, without any generated code. */
import { Client, credentials, type Metadata, status } from "@grpc/grpc-js";
import type { Rpc } from "./hostile-messages.js";

export interface Outcome {
  readonly code: status;
  readonly message: string;
  readonly metadata: Metadata | undefined;
}

/** How much of a stream is read before it is broken off. */
const STREAM_ITEMS_MAX = 20;
/** How long a call of nonsense may go on, of which some wait for what never comes. */
const WAIT = { callMs: 400, streamMs: 200 };

const same = (bytes: Buffer): Buffer => bytes;
const DONE: Outcome = { code: status.OK, message: "", metadata: undefined };

interface Failed {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

function outcomeOf(error: Failed | null): Outcome {
  if (error === null) return DONE;
  return { code: error.code, message: error.details, metadata: error.metadata };
}

export class RawCalls {
  readonly #client: Client;

  constructor(
    address: string,
    private readonly wait = WAIT,
  ) {
    const bytesMax = 16 * 1024 * 1024;
    this.#client = new Client(address, credentials.createInsecure(), {
      "grpc.max_send_message_length": bytesMax,
      "grpc.max_receive_message_length": bytesMax,
    });
  }

  /** One call; more than one request only where a stream is taken. */
  async call(rpc: Rpc, requests: readonly Buffer[], isBrokenOff = false): Promise<Outcome> {
    if (rpc.isRequestStream && rpc.isResponseStream) {
      return await this.#bothStreams(rpc, requests, isBrokenOff);
    }
    if (rpc.isRequestStream) return await this.#sendStream(rpc, requests, isBrokenOff);
    const [request = Buffer.alloc(0)] = requests;
    return await (rpc.isResponseStream
      ? this.#readStream(rpc, request)
      : this.#unary(rpc, request));
  }

  close(): void {
    this.#client.close();
  }

  #unary({ path }: Rpc, request: Buffer): Promise<Outcome> {
    const deadline = Date.now() + this.wait.callMs;
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(path, same, same, request, { deadline }, (error) => {
        resolve(outcomeOf(error));
      });
    });
  }

  #readStream({ path }: Rpc, request: Buffer): Promise<Outcome> {
    const deadline = Date.now() + this.wait.streamMs;
    const call = this.#client.makeServerStreamRequest(path, same, same, request, { deadline });
    let items = 0;
    return new Promise((resolve) => {
      call.on("data", () => {
        items += 1;
        if (items === STREAM_ITEMS_MAX) call.cancel();
      });
      call.on("error", (error) => resolve(outcomeOf(error as unknown as Failed)));
      call.on("end", () => resolve(DONE));
    });
  }

  #bothStreams({ path }: Rpc, requests: readonly Buffer[], isBrokenOff: boolean): Promise<Outcome> {
    const deadline = Date.now() + this.wait.streamMs;
    const call = this.#client.makeBidiStreamRequest(path, same, same, { deadline });
    for (const request of requests) call.write(request);
    if (isBrokenOff) call.cancel();
    else call.end();
    return new Promise((resolve) => {
      call.on("error", (error) => resolve(outcomeOf(error as unknown as Failed)));
      call.on("end", () => resolve(DONE));
      call.resume();
    });
  }

  #sendStream({ path }: Rpc, requests: readonly Buffer[], isBrokenOff: boolean): Promise<Outcome> {
    const deadline = Date.now() + this.wait.callMs;
    return new Promise((resolve) => {
      const call = this.#client.makeClientStreamRequest(path, same, same, { deadline }, (error) =>
        resolve(outcomeOf(error)),
      );
      for (const request of requests) call.write(request);
      if (isBrokenOff) call.cancel();
      else call.end();
    });
  }
}
