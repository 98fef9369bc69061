// Where a server may send us on to. A module's URL is the operator's word and may lead anywhere; a redirect or a token service is the
// server's, and must not make the proxy ask what only it can reach (its node's metadata service, its own admin port). Names are judged
// by what they resolve to when the connection is made, so that a name that changes its address gains nothing.
import { lookup as systemLookup, type LookupAddress, type LookupOptions } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { FetchError } from "./contract.ts";

const linkLocal = new BlockList();
linkLocal.addSubnet("169.254.0.0", 16, "ipv4");
linkLocal.addSubnet("fe80::", 10, "ipv6");
// The metadata service of AWS by IPv6.
linkLocal.addAddress("fd00:ec2::254", "ipv6");

// RFC 6890: what is not of the public Internet.
const notPublic = new BlockList();
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const)
  notPublic.addSubnet(net, bits, "ipv4");
for (const [net, bits] of [
  ["::", 127],
  ["64:ff9b::", 96],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const)
  notPublic.addSubnet(net, bits, "ipv6");

const metadataNames = new Set(["metadata", "metadata.google.internal", "metadata.goog", "instance-data"]);

/** "public": only what everyone can reach. "private": also what is private, as where we come from. "any": not judged. */
export type Reach = "public" | "private" | "any";

export function isPrivateAddress(address: string): boolean {
  return isIn(notPublic, address);
}

function isIn(list: BlockList, address: string): boolean {
  // BlockList looks at the IPv4 address inside of ::ffff:0:0/96 by itself.
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** Why a connection to the address may not be made; undefined: it may. */
function refusalOf(address: string, reach: Reach): string | undefined {
  if (reach === "any") return undefined;
  if (isIn(linkLocal, address)) return `${address} is a link-local address`;
  return reach === "public" && isPrivateAddress(address) ? `${address} is a private address` : undefined;
}

/** Judges a host before it is looked up. Throws. */
export function checkHost(hostname: string, reach: Reach): void {
  if (reach === "any") return;
  const name = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const bare = name.replace(/\.$/, "");
  if (metadataNames.has(bare)) throw new FetchError(`refused to be sent to ${name}: it is a metadata service`);
  if (reach === "public" && (bare === "localhost" || bare.endsWith(".localhost")))
    throw new FetchError(`refused to be sent to ${name}: it is a local name`);
  const reason = isIP(name) === 0 ? undefined : refusalOf(name, reach);
  if (reason !== undefined) throw new FetchError(`refused to be sent to ${name}: ${reason}`);
}

export type Lookup = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** For net.connect: a name of which any address is refused is refused. */
export function guardedLookup(reach: Reach, lookup: Lookup = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, "", 0);
        return;
      }
      const reason = addresses.map(({ address }) => refusalOf(address, reach)).find((text) => text !== undefined);
      if (reason !== undefined) callback(new FetchError(`refused to be sent to ${hostname}: ${reason}`), "", 0);
      else if (options.all === true) callback(null, addresses);
      else callback(null, addresses[0].address, addresses[0].family);
    });
  };
}
