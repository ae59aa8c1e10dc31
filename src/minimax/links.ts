import { ImageError } from "../errors.ts";
import { isLoopback } from "../text/loopback.ts";

/**
 * The URL to fetch for a link from MiniMax: an `http:` link is upgraded; path and query stay to the letter, because
 * they are signed.
 *
 * @param allowLoopback - whether the API host itself is on this machine; otherwise no answer may make the server ask
 *   anything here
 * @returns undefined unless the result is https, or http on this machine where that is allowed, and holds no
 *   credentials
 */
export function secureLink(link: string, allowLoopback: boolean): URL | undefined {
  if (!URL.canParse(link)) return undefined;
  const url = new URL(link);
  if (url.protocol === "http:" && !isLoopback(url.hostname)) url.protocol = "https:";
  return isSecure(url, allowLoopback) && !hasCredentials(url) ? url : undefined;
}

/**
 * Where a redirect leads.
 *
 * @param allowLoopback - as for `secureLink`
 * @throws ImageError when that is no URL, a step away from https, or on this machine where that is not allowed
 */
export function redirectTarget(from: URL, location: string, allowLoopback: boolean): URL {
  if (!URL.canParse(location, from.href)) throw refused("it redirects to something that is no URL");
  const target = new URL(location, from);
  if (!isSecure(target, true) || (from.protocol === "https:" && target.protocol !== "https:")) {
    throw refused("it redirects away from https");
  }
  if (!isSecure(target, allowLoopback)) throw refused("it redirects to this machine");
  if (hasCredentials(target)) throw refused("it redirects to a link with credentials");
  return target;
}

function hasCredentials({ username, password }: URL): boolean {
  return username !== "" || password !== "";
}

function isSecure({ protocol, hostname }: URL, allowLoopback: boolean): boolean {
  const isLocal = isLoopback(hostname);
  if (isLocal && !allowLoopback) return false;
  return protocol === "https:" || (protocol === "http:" && isLocal);
}

function refused(why: string): ImageError {
  return new ImageError(`The image could not be downloaded: ${why}.`);
}
