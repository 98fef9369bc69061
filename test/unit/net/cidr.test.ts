// CIDR ranges (RFC 4632, RFC 4291): which addresses are in, and what is no range.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CidrSet } from "../../../host/net/cidr.ts";

const CASES: readonly (readonly [range: string, inside: readonly string[], outside: readonly string[]])[] = [
  ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["9.255.255.255", "11.0.0.0", "::a00:1", "", "x"]],
  ["10.1.2.3", ["10.1.2.3"], ["10.1.2.2"]],
  ["10.9.9.9/8", ["10.0.0.1"], ["11.0.0.1"]],
  ["0.0.0.0/0", ["1.2.3.4"], ["::1"]],
  ["::/0", ["::1", "2001:db8::1"], ["1.2.3.4"]],
  ["2001:db8::/32", ["2001:db8::", "2001:db8:ffff::1"], ["2001:db9::"]],
  ["fe80::/10", ["fe80::1", "fe80::1%eth0", "febf::1"], ["fec0::1"]],
  ["::1/128", ["::1", "0:0:0:0:0:0:0:1"], ["::2"]],
];
for (const [range, inside, outside] of CASES) {
  test(`cidr ${range}`, () => {
    const set = new CidrSet([range]);
    for (const ip of inside) assert.ok(set.contains(ip), ip);
    for (const ip of outside) assert.ok(!set.contains(ip), ip);
  });
}

for (const text of [
  "",
  "x",
  "10.0.0.0/",
  "10.0.0.0/33",
  "10.0.0.0/-1",
  "10.0.0.0/8/8",
  "10.0.0/8",
  "::1/129",
  "::1/x",
  "10.0.0.0/ 8",
  "::ffff:10.0.0.0/104",
]) {
  test(`"${text}" is no range`, () => assert.throws(() => new CidrSet([text]), /is not a CIDR range/));
}
