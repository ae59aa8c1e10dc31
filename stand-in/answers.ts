import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";

const MESSAGES: Readonly<Record<number, string>> = {
  1000: "unknown error, please retry",
  1001: "request timeout",
  1002: "rate limit exceeded(RPM)",
  1004: "login fail: Please carry the API secret key in the 'Authorization' field of the request header",
  1008: "insufficient balance",
  1024: "internal error",
  1026: "input new_sensitive",
  1027: "output new_sensitive",
  1028: "usage limit exceeded, weekly usage limit exhausted",
  1030: "usage limit exceeded, monthly usage limit exhausted",
  1033: "downstream error",
  1039: "token limit exceeded",
  1041: "conn limit exceeded",
  1042: "invisible character ratio limit",
  2013: "invalid params",
  2038: "real name verification required",
  2045: "rate growth limit",
  2049: "invalid api key",
  2056: "usage limit exceeded",
  2061: "your current token plan not support model, image-01",
  2064: "The server cluster is currently under high load. Please retry after a short wait",
};

/** 32 hexadecimal digits, like upstream's ids. */
export function makeId(): string {
  return randomBytes(16).toString("hex");
}

/** Answers with JSON as upstream does: a `Trace-Id`, and HTTP 200 whatever the body says. */
export function sendJson(
  response: ServerResponse,
  body: unknown,
  { status = 200, headers = {} }: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): void {
  response.writeHead(status, { "Content-Type": "application/json; charset=utf-8", "Trace-Id": makeId(), ...headers });
  response.end(JSON.stringify(body));
}

/** Answers with the envelope of the compatible endpoints; the code, if any, stands in the message. */
export function sendErrorEnvelope(response: ServerResponse, status: number, type: string, message: string): void {
  const error = { type, message, http_code: String(status) };
  sendJson(response, { type: "error", error, request_id: makeId() }, { status });
}

/** Answers as the gateway does when the body is too large. */
export function sendTooLarge(response: ServerResponse): void {
  response
    .writeHead(413, { "Content-Type": "text/html" })
    .end("<html><head><title>413 Request Entity Too Large</title></head><body><h1>413</h1></body></html>");
}

/** Answers that there is no such model; `data` is an empty array here. */
export function sendUnknownModel(response: ServerResponse, model: string): void {
  sendJson(response, {
    id: "",
    data: [],
    base_resp: { status_code: 2013, status_msg: `invalid params, unsupported model: ${model}` },
  });
}

/** Answers with a refusal that carries only `base_resp`, like the real ones. */
export function sendRefusal(response: ServerResponse, statusCode: number, statusMessage?: string): void {
  sendJson(response, {
    base_resp: { status_code: statusCode, status_msg: statusMessage ?? MESSAGES[statusCode] ?? "unknown" },
  });
}
