#!/usr/bin/env node
/**
 * `inn-health host:port`: asks a controller or an agent by gRPC (grpc.health.v1) whether it serves.
 * Exit code 0 = it does. Written on HTTP/2 directly, so that a container can be asked every few
 * seconds at almost no cost.
 */
import { connect } from "node:http2";

const TIMEOUT_MS = 2_000;
/** A gRPC frame that holds an empty HealthCheckRequest: not compressed, no bytes. */
const ASK_ALL = Buffer.from([0, 0, 0, 0, 0]);
/** The frame of HealthCheckResponse { status: SERVING }. */
const SERVING = Buffer.from([0, 0, 0, 0, 2, 0x08, 0x01]);

const address = process.argv[2] ?? "";
const session = connect(`http://${address}`);
const call = session.request({
  ":method": "POST",
  ":path": "/grpc.health.v1.Health/Check",
  "content-type": "application/grpc",
  te: "trailers",
});
const line = await new Promise<string>((resolve) => {
  const answer: Buffer[] = [];
  session.once("error", (error: Error) => resolve(error.message));
  session.setTimeout(TIMEOUT_MS, () => resolve(`no answer within ${TIMEOUT_MS} ms`));
  call.on("data", (bytes: Buffer) => answer.push(bytes));
  call.once("error", (error: Error) => resolve(error.message));
  call.once("end", () =>
    resolve(Buffer.concat(answer).equals(SERVING) ? "serving" : "not serving"),
  );
  call.end(ASK_ALL);
});
process.stdout.write(`${address}: ${line}\n`);
process.exitCode = line === "serving" ? 0 : 1;
session.destroy();
