// Which network addresses are somebody's own: loopback, private, link-local, reserved. Pure.
import ipaddr from "ipaddr.js";

/** Whether an address, as a resolver or a socket spells it, is one of the public internet. False for what is no address. */
export function isPublicAddress(address: string): boolean {
  const bare = address.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  if (!ipaddr.isValid(bare)) return false;
  // process() takes the IPv4 address out of ::ffff:a.b.c.d
  const parsed = ipaddr.process(bare);
  if (parsed.range() !== "unicast") return false;
  // what carries an IPv4 address inside it goes where that one goes
  if (parsed.kind() !== "ipv6") return true;
  const { parts } = parsed as ipaddr.IPv6;
  const isCompatible = parts.slice(0, 6).every((part) => part === 0);
  const isIsatap = (parts[4] === 0 || parts[4] === 0x200) && parts[5] === 0x5efe;
  return !isCompatible && !isIsatap && !/^(64:ff9b|2002|2001:0?:)/.test(parsed.toString());
}

/** Whether a host, as the URL standard spells it, can only be this machine or is written as an address. */
export function isLocalName(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}
