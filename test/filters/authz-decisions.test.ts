// The authz filter's decisions, its answers, its cost in host calls, and what it refuses.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Guest, type Header, type PropertyValue } from "../support/guest-driver.ts";
import { decisionCases, refusedConfigurations } from "./authz-cases.ts";

const claimPath = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0payload\0";

/** Sends a request written as in authz-cases.ts; whether it passed. */
function decide(guest: Guest, text: string): boolean {
  const [method, path, ...words] = text.split(" ");
  const headers: Header[] = [
    [":authority", "a.example"],
    [":path", path],
    [":method", method],
    [":scheme", "http"],
  ];
  const properties = new Map<string, PropertyValue>();
  for (const word of words) {
    const equals = word.indexOf("=");
    const key = word.slice(0, equals);
    const value = word.slice(equals + 1);
    if (key === "host") headers[0] = [":authority", value];
    else if (key === "ip") properties.set("source\0address", value.includes(":") ? `[${value}]:999` : `${value}:999`);
    else if (key === "dst") properties.set("destination\0address", `${value}:80`);
    else if (key === "port") properties.set("destination\0port", Number(value));
    else if (key === "id") properties.set("connection\0uri_san_peer_certificate", value);
    else if (key === "sni") properties.set("connection\0requested_server_name", value);
    else if (key.startsWith("jwt."))
      properties.set(claimPath + key.slice(4).replaceAll(".", "\0"), value.includes(",") ? value.split(",") : value);
    else headers.push([key, value]);
  }
  guest.properties.clear();
  for (const [name, value] of properties) guest.properties.set(name, value);
  const replies = guest.replies.length;
  const id = guest.stream();
  const action = guest.requestHeaders(id, headers);
  guest.end(id);
  assert.equal(guest.replies.length - replies, action === 0 ? 0 : 1);
  return action === 0;
}

describe("authz decisions", () => {
  for (const { name, policies, allowed, denied } of decisionCases) {
    it(name, () => {
      const guest = Guest.load("authz");
      assert.equal(guest.start({ policies }), true, JSON.stringify(guest.logs));
      for (const request of allowed) assert.equal(decide(guest, request), true, `${request} must pass`);
      for (const request of denied) assert.equal(decide(guest, request), false, `${request} must not pass`);
    });
  }

  it("covers at least 150 decisions", () => {
    const count = decisionCases.reduce((sum, { allowed, denied }) => sum + allowed.length + denied.length, 0);
    assert.ok(count >= 150, `${count} decisions`);
  });
});

describe("authz answers", () => {
  it("denies as Envoy's RBAC filter does and names the rule in the details", () => {
    const guest = Guest.load("authz");
    guest.start({
      policies: [
        {
          name: "no-admin",
          action: "DENY",
          rules: [{ to: [{ operation: { paths: ["/x"] } }] }, { to: [{ operation: { paths: ["/admin*"] } }] }],
        },
      ],
    });
    assert.equal(decide(guest, "GET /admin"), false);
    assert.deepEqual(guest.replies, [
      {
        status: 403,
        details: "rbac_access_denied_matched_policy[no-admin[1]]",
        headers: [],
        body: "RBAC: access denied",
        grpcStatus: -1,
      },
    ]);
    assert.equal(guest.shared.metrics.get("authz.denied"), 1n);
  });

  it("marks audited requests in a property", () => {
    const guest = Guest.load("authz");
    guest.start({ policies: [{ name: "watch", action: "AUDIT", rules: [{}] }] });
    assert.equal(decide(guest, "GET /"), true);
    assert.equal(guest.setProperties.get("authz.audit"), "watch");
  });

  it("takes the direct address from the configured property", () => {
    const guest = Guest.load("authz");
    guest.start({
      directAddressProperty: ["filter_state", "direct"],
      policies: [{ name: "a", rules: [{ from: [{ source: { ipBlocks: ["10.0.0.0/8"] } }] }] }],
    });
    assert.equal(decide(guest, "GET / ip=10.0.0.1"), false);
    guest.properties.set("filter_state\0direct", "10.0.0.1:1");
    guest.properties.set("source\0address", "11.0.0.1:1");
    const id = guest.stream();
    assert.equal(guest.requestHeaders(id, [[":path", "/"]]), 0);
  });

  for (const [configuration, message] of refusedConfigurations) {
    it(`refuses: ${message}`, () => {
      const guest = Guest.load("authz");
      assert.equal(guest.start(configuration), false);
      assert.deepEqual(guest.logs, [{ level: 4, message: `authz: ${message}` }]);
    });
  }

  it("keeps the previous policies when a new configuration is refused", () => {
    const guest = Guest.load("authz");
    guest.start({ policies: [{ name: "none" }] });
    assert.equal(guest.configure("{"), false);
    assert.equal(decide(guest, "GET /"), false);
  });

  it("sees every value of a header on a host without header properties", () => {
    const guest = Guest.load("authz");
    guest.offersHeaderProperties = false;
    const rules = [{ when: [{ key: "request.headers[x-k]", values: ["b"] }] }];
    guest.start({ policies: [{ name: "d", action: "DENY", rules }] });
    assert.deepEqual(
      ["GET / x-k=a x-k=b", "GET / x-k= x-k=b", "GET / x-k=a", "GET /"].map((request) => decide(guest, request)),
      [false, false, true, true],
    );
  });

  it("costs 3 host calls for a method, a path and a principal", () => {
    const guest = Guest.load("authz");
    guest.start({
      policies: [
        {
          name: "a",
          rules: [
            {
              from: [{ source: { principals: ["td/ns/web/sa/a"] } }],
              to: [{ operation: { methods: ["GET"], paths: ["/"] } }],
            },
          ],
        },
      ],
    });
    assert.equal(
      guest.countCalls(() => decide(guest, "GET / id=spiffe://td/ns/web/sa/a")),
      3,
    );
  });
});
