import { ImageError } from "../errors.ts";
import { isLoopback } from "./loopback.ts";

/**
 * The URL to fetch for a link from MiniMax: an `http:` link is upgraded; path and query stay to the letter, because
 * they are signed.
 *
 * @returns undefined unless the result is https, or http on this machine, and holds no credentials
 */
export function secureLink(link: string): URL | undefined {
  if (!URL.canParse(link)) return undefined;
  const url = new URL(link);
  if (url.protocol === "http:" && !isLoopback(url.hostname)) url.protocol = "https:";
  return isSecure(url) && !hasCredentials(url) ? url : undefined;
}

/**
 * Where a redirect leads.
 *
 * @throws ImageError when that is no URL, or a step away from https
 */
export function redirectTarget(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) throw refused("it redirects to something that is no URL");
  const target = new URL(location, from);
  if (!isSecure(target) || (from.protocol === "https:" && target.protocol !== "https:")) {
    throw refused("it redirects away from https");
  }
  if (hasCredentials(target)) throw refused("it redirects to a link with credentials");
  return target;
}

function hasCredentials({ username, password }: URL): boolean {
  return username !== "" || password !== "";
}

function isSecure(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
}

function refused(why: string): ImageError {
  return new ImageError(`The image could not be downloaded: ${why}.`);
}
