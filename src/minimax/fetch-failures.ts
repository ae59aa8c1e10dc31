import { ConnectionError, DeadlineExceededError, ImageError } from "../errors.ts";
import { formatSeconds, messageOf, systemCode } from "../text/text.ts";

const CHECK_NETWORK = "Check the network connection, and MINIMAX_API_HOST.";
const PROXY_CREDENTIALS = "Put the proxy's user name and password into HTTPS_PROXY or HTTP_PROXY.";
const TRUST_CERTIFICATE =
  "If a company proxy or antivirus inspects connections, give Node its certificate: set NODE_EXTRA_CA_CERTS to the path of a PEM file in this server's env block. Otherwise check MINIMAX_API_HOST and this machine's date.";

const PROXY_REFUSAL = /Proxy response \((\d{3})\)/;

/**
 * Codes of Node and OpenSSL for a certificate that is not accepted. Source: Node documentation, "X509 certificate error
 * codes", and `ERR_TLS_CERT_ALTNAME_INVALID`.
 */
const CERTIFICATE_CODE =
  /^(?:CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|ERR_TLS_CERT_|ERROR_IN_CERT_|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED|SELF_SIGNED_CERT_|UNABLE_TO_)/;

/**
 * Why a request that was sent got no complete response, as a sentence's end.
 *
 * @throws the signal's reason on a cancellation
 */
export function interruptionOf(error: unknown, signal: AbortSignal): string {
  if (!signal.aborted) return `the connection was lost before the response was complete (${reasonOf(error)})`;
  const reason: unknown = signal.reason;
  if (!(reason instanceof DeadlineExceededError)) throw reason;
  return `no complete response came within the call's ${formatSeconds(reason.budgetMs)}`;
}

/**
 * The error to throw when a request ends before any of it was sent; the signal's reason on a cancellation.
 *
 * @param proxy - the proxy that the connection may have gone through, without its password
 */
export function toUnsentError(error: unknown, signal: AbortSignal, host: string, proxy: string | undefined): unknown {
  if (signal.aborted) {
    const reason: unknown = signal.reason;
    if (!(reason instanceof DeadlineExceededError)) return reason;
    const limit = formatSeconds(reason.budgetMs);
    return new ConnectionError(
      `The call ran out of time (limit ${limit}) while it was connecting to ${withProxy(host, proxy)}.`,
      { advice: CHECK_NETWORK },
    );
  }
  const code = certificateCodeOf(error);
  const reason = reasonOf(error);
  return code === undefined
    ? new ConnectionError(`Could not connect to ${host} (${withProxy(reason, proxy)}).`, {
        advice: reason.endsWith("HTTP 407") ? PROXY_CREDENTIALS : CHECK_NETWORK,
        retryAfterMs: 0,
        cause: error,
      })
    : new ConnectionError(`Could not connect to ${host}: its certificate is not trusted (${code}).`, {
        advice: TRUST_CERTIFICATE,
        cause: error,
      });
}

/** The error to throw when a download breaks off: it may be retried, unless a certificate is not trusted. */
export function toDownloadError(error: unknown, host: string, proxy: string | undefined): ImageError {
  return new ImageError(`The image could not be downloaded from ${host} (${withProxy(reasonOf(error), proxy)}).`, {
    retryAfterMs: certificateCodeOf(error) === undefined ? 0 : undefined,
    cause: error,
  });
}

/** The code with which a certificate was not accepted, if that is why a request failed. */
function certificateCodeOf(error: unknown): string | undefined {
  return causesOf(error)
    .map(systemCode)
    .find((code) => code !== undefined && CERTIFICATE_CODE.test(code));
}

/** Why a request failed, in a system code, a proxy's refusal, or on one bounded line: `fetch` hides it in `cause`. */
function reasonOf(error: unknown): string {
  const causes = causesOf(error);
  const status = causes.map(({ message }) => PROXY_REFUSAL.exec(message)?.[1]).find((digits) => digits !== undefined);
  if (status !== undefined) return `the proxy responded with HTTP ${status}`;
  const said = [causes.at(1) ?? error, error].map((cause) => systemCode(cause) ?? messageOf(cause));
  return said.find((reason) => reason !== "") ?? "no reason given";
}

/** A reason with the proxy that may be part of it. */
function withProxy(reason: string, proxy: string | undefined): string {
  return proxy === undefined ? reason : `${reason}; a proxy is configured: ${proxy}`;
}

/** The error and the causes behind it. */
function causesOf(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [];
}
