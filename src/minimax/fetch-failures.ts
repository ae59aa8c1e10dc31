import {
  CertificateError,
  ConnectionError,
  ConnectTimeoutError,
  DeadlineExceededError,
  UnknownOutcomeError,
} from "../errors.ts";
import { formatSeconds, messageOf, systemCode } from "../text.ts";

const PROXY_REFUSAL = /^Proxy response \((\d{3})\)/;

/**
 * What Node and OpenSSL say of a certificate that is not accepted. Source: Node documentation, "X509 certificate error
 * codes", and `ERR_TLS_CERT_ALTNAME_INVALID`.
 */
const CERTIFICATE_CODES: ReadonlySet<string> = new Set([
  "CERT_CHAIN_TOO_LONG",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REJECTED",
  "CERT_REVOKED",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "ERROR_IN_CERT_NOT_AFTER_FIELD",
  "ERROR_IN_CERT_NOT_BEFORE_FIELD",
  "HOSTNAME_MISMATCH",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
  "UNABLE_TO_DECRYPT_CERT_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** What to throw when a request that was sent ends without an answer. */
export function toInterruptedError(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted) {
    return new UnknownOutcomeError(`the connection was lost before the response was complete (${reasonOf(error)})`, {
      cause: error,
    });
  }
  const reason: unknown = signal.reason;
  return reason instanceof DeadlineExceededError
    ? new UnknownOutcomeError(`no complete response came within the call's ${formatSeconds(reason.budgetMs)}`)
    : reason;
}

/**
 * What to throw when a request ends before anything of it was sent.
 *
 * @param proxy - what the connection may have gone through, without its password
 */
export function toUnsentError(error: unknown, signal: AbortSignal, host: string, proxy: string | undefined): unknown {
  if (!signal.aborted) {
    const code = certificateCodeOf(error);
    if (code !== undefined) return new CertificateError(host, code, { cause: error });
    return new ConnectionError(host, withProxy(reasonOf(error), proxy), { cause: error });
  }
  const reason: unknown = signal.reason;
  return reason instanceof DeadlineExceededError
    ? new ConnectTimeoutError(withProxy(host, proxy), reason.budgetMs)
    : reason;
}

/** The code with which a certificate was not accepted, if that is why a request failed. */
export function certificateCodeOf(error: unknown): string | undefined {
  return causesOf(error)
    .map(systemCode)
    .find((code) => code !== undefined && CERTIFICATE_CODES.has(code));
}

/** Why a request failed, in a system code, a proxy's refusal, or on one bounded line: `fetch` hides it in `cause`. */
export function reasonOf(error: unknown): string {
  const causes = causesOf(error);
  const status = causes.map(({ message }) => PROXY_REFUSAL.exec(message)?.[1]).find((digits) => digits !== undefined);
  if (status !== undefined) return `the proxy responded with HTTP ${status}`;
  const said = [causes.at(1) ?? error, error].map((cause) => systemCode(cause) ?? messageOf(cause));
  return said.find((reason) => reason !== "") ?? "no reason given";
}

/** A reason with the proxy that may be part of it. */
export function withProxy(reason: string, proxy: string | undefined): string {
  return proxy === undefined ? reason : `${reason}; a proxy is configured: ${proxy}`;
}

/** The error and the causes behind it. */
function causesOf(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [];
}
