const THIS_MACHINE =
  /^(?:(?:[^/]+\.)?localhost\.?|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[::1?\]|\[::ffff:(?:0|7f[\da-f]{2}):[\da-f]{1,4}\])$/;

/**
 * Whether a URL's host name leads to this machine: `localhost` and names below it, 127.0.0.0/8, `[::1]`, and the
 * unspecified addresses, which connect to it, too.
 *
 * @param hostname - as `URL` gives it, which has already brought addresses and letters into one form
 */
export function isLoopback(hostname: string): boolean {
  return THIS_MACHINE.test(hostname);
}
