// Decisions of the authz filter: policy sets, and for each the requests that may pass and those that may not.
// A request is written as `METHOD path` with optional `k=v` words: `host=`, `ip=` (downstream address), `port=`, `id=` (peer SPIFFE id),
// `sni=`, any other word `x-…=` is a header (repeat it for several values), `jwt.<claim>=` a claim (commas make a list).

import type { PolicyConfig, RuleConfig } from "../support/authz-rbac-config.ts";

export interface DecisionCase {
  readonly name: string;
  readonly policies: readonly PolicyConfig[];
  readonly allowed: readonly string[];
  readonly denied: readonly string[];
}

const to = (operation: Record<string, string[]>): RuleConfig => ({ to: [{ operation }] });
const from = (source: Record<string, string[]>): RuleConfig => ({ from: [{ source }] });
const when = (key: string, ...values: string[]): RuleConfig => ({ when: [{ key, values }] });
const whenNot = (key: string, ...notValues: string[]): RuleConfig => ({ when: [{ key, notValues }] });
const allow = (...rules: RuleConfig[]): PolicyConfig[] => [{ name: "allow", action: "ALLOW", rules }];
const deny = (...rules: RuleConfig[]): PolicyConfig[] => [{ name: "deny", action: "DENY", rules }];
const audit = (...rules: RuleConfig[]): PolicyConfig[] => [{ name: "audit", action: "AUDIT", rules }];

export const decisionCases: readonly DecisionCase[] = [
  { name: "no policies allow", policies: [], allowed: ["GET /", "POST /admin"], denied: [] },
  { name: "ALLOW without rules denies all", policies: [{ name: "a" }], allowed: [], denied: ["GET /", "POST /x"] },
  {
    name: "DENY without rules does nothing",
    policies: [{ name: "d", action: "DENY" }],
    allowed: ["GET /"],
    denied: [],
  },
  { name: "an empty rule matches all", policies: allow({}), allowed: ["GET /", "PUT /x"], denied: [] },
  { name: "DENY with an empty rule denies all", policies: deny({}), allowed: [], denied: ["GET /"] },
  { name: "AUDIT only marks", policies: audit({}), allowed: ["GET /", "GET /admin"], denied: [] },
  {
    name: "DENY beats ALLOW",
    policies: [...allow({}), ...deny(to({ paths: ["/x"] }))],
    allowed: ["GET /", "GET /y"],
    denied: ["GET /x"],
  },
  {
    name: "one ALLOW policy is enough",
    policies: [
      { name: "a", rules: [to({ paths: ["/a"] })] },
      { name: "b", rules: [to({ paths: ["/b"] })] },
    ],
    allowed: ["GET /a", "GET /b"],
    denied: ["GET /c", "GET /"],
  },
  {
    name: "one rule is enough",
    policies: allow(to({ paths: ["/a"] }), to({ methods: ["PUT"] })),
    allowed: ["GET /a", "PUT /z"],
    denied: ["GET /z"],
  },
  {
    name: "fields of an operation all hold",
    policies: allow(to({ paths: ["/a"], methods: ["GET"] })),
    allowed: ["GET /a"],
    denied: ["PUT /a", "GET /b"],
  },
  {
    name: "operations are alternatives",
    policies: allow({ to: [{ operation: { paths: ["/a"] } }, { operation: { methods: ["PUT"] } }] }),
    allowed: ["GET /a", "PUT /b"],
    denied: ["GET /b"],
  },
  {
    name: "from, to and when all hold",
    policies: allow({
      from: [{ source: { remoteIpBlocks: ["10.0.0.0/8"] } }],
      to: [{ operation: { paths: ["/a"] } }],
      when: [{ key: "request.headers[x-k]", values: ["1"] }],
    }),
    allowed: ["GET /a ip=10.1.1.1 x-k=1"],
    denied: ["GET /a ip=11.1.1.1 x-k=1", "GET /b ip=10.1.1.1 x-k=1", "GET /a ip=10.1.1.1 x-k=2", "GET /a ip=10.1.1.1"],
  },
  {
    name: "exact path",
    policies: allow(to({ paths: ["/a"] })),
    allowed: ["GET /a", "GET /a?q=1", "GET /a#f"],
    denied: ["GET /a/", "GET /A", "GET /ab", "GET /"],
  },
  {
    name: "path prefix",
    policies: allow(to({ paths: ["/a*"] })),
    allowed: ["GET /a", "GET /ab", "GET /a/b?x"],
    denied: ["GET /", "GET /b/a"],
  },
  {
    name: "path suffix",
    policies: allow(to({ paths: ["*.js"] })),
    allowed: ["GET /x.js", "GET /.js", "GET /x.js?v=1"],
    denied: ["GET /x.jsx", "GET /x?y=.js"],
  },
  { name: "any path", policies: allow(to({ paths: ["*"] })), allowed: ["GET /", "GET /x"], denied: [] },
  {
    name: "a star in the middle is a character",
    policies: allow(to({ paths: ["/a*b"] })),
    allowed: ["GET /a*b"],
    denied: ["GET /axb", "GET /ab"],
  },
  {
    name: "not a path",
    policies: allow(to({ notPaths: ["/a", "/b*"] })),
    allowed: ["GET /c", "GET /"],
    denied: ["GET /a", "GET /b", "GET /bc"],
  },
  {
    name: "one segment",
    policies: allow(to({ paths: ["/v/{*}/x"] })),
    allowed: ["GET /v/1/x", "GET /v/a.b-c/x", "GET /v/a*b/x", "GET /v/1/x?q"],
    denied: ["GET /v//x", "GET /v/1/2/x", "GET /v/1/xy", "GET /v/1", "GET /v/1/x/", 'GET /v/a"b/x'],
  },
  {
    name: "many segments",
    policies: allow(to({ paths: ["/v/{**}"] })),
    allowed: ["GET /v/", "GET /v/1", "GET /v/1/2/3"],
    denied: ["GET /v", "GET /w/1"],
  },
  {
    name: "many segments and an end",
    policies: allow(to({ paths: ["/v/{**}/end"] })),
    allowed: ["GET /v/1/end", "GET /v/1/2/end", "GET /v//end"],
    denied: ["GET /v/end", "GET /v/1/end/x"],
  },
  {
    name: "segments at the root",
    policies: allow(to({ paths: ["/{*}/{*}"] })),
    allowed: ["GET /a/b"],
    denied: ["GET /a", "GET /a/", "GET /a/b/c"],
  },
  {
    name: "methods",
    policies: allow(to({ methods: ["GET", "P*"] })),
    allowed: ["GET /", "PUT /", "POST /", "PATCH /"],
    denied: ["DELETE /", "get /", "HEAD /"],
  },
  { name: "not methods", policies: deny(to({ notMethods: ["GET"] })), allowed: ["GET /"], denied: ["PUT /", "get /"] },
  {
    name: "hosts ignore case",
    policies: allow(to({ hosts: ["A.example", "*.Test", "b.*"] })),
    allowed: ["GET / host=a.EXAMPLE", "GET / host=x.test", "GET / host=B.org"],
    denied: ["GET / host=c.example", "GET / host=test"],
  },
  {
    name: "hosts with a port",
    policies: allow(to({ hosts: ["a.example"] })),
    allowed: ["GET / host=a.example"],
    denied: ["GET / host=a.example:80"],
  },
  {
    name: "not hosts",
    policies: deny(to({ notHosts: ["a.example"] })),
    allowed: ["GET / host=a.example"],
    denied: ["GET / host=b.example"],
  },
  {
    name: "ports",
    policies: allow(to({ ports: ["80", "8443"] })),
    allowed: ["GET / port=80", "GET / port=8443"],
    denied: ["GET / port=81", "GET /"],
  },
  {
    name: "not ports",
    policies: allow(to({ notPorts: ["80"] })),
    allowed: ["GET / port=81"],
    denied: ["GET / port=80"],
  },
  {
    name: "principals",
    policies: allow(from({ principals: ["td/ns/web/sa/a"] })),
    allowed: ["GET / id=spiffe://td/ns/web/sa/a"],
    denied: ["GET / id=spiffe://td/ns/web/sa/ab", "GET /", "GET / id=td/ns/web/sa/a"],
  },
  {
    name: "principal prefix",
    policies: allow(from({ principals: ["td/ns/web/*"] })),
    allowed: ["GET / id=spiffe://td/ns/web/sa/a"],
    denied: ["GET / id=spiffe://td/ns/db/sa/a", "GET /"],
  },
  {
    name: "principal suffix",
    policies: allow(from({ principals: ["*/sa/a"] })),
    allowed: ["GET / id=spiffe://td/ns/web/sa/a"],
    denied: ["GET / id=spiffe://td/ns/web/sa/b", "GET / id=x/sa/a"],
  },
  {
    name: "any principal",
    policies: allow(from({ principals: ["*"] })),
    allowed: ["GET / id=spiffe://td/ns/web/sa/a"],
    denied: ["GET /"],
  },
  {
    name: "not principals, plain text too",
    policies: deny(from({ notPrincipals: ["td/ns/web/sa/a"] })),
    allowed: ["GET / id=spiffe://td/ns/web/sa/a"],
    denied: ["GET / id=spiffe://td/ns/web/sa/b", "GET /"],
  },
  {
    name: "namespaces",
    policies: allow(from({ namespaces: ["web", "team-*"] })),
    allowed: ["GET / id=spiffe://td/ns/web/sa/a", "GET / id=spiffe://td/ns/team-x/sa/a"],
    denied: ["GET / id=spiffe://td/ns/webx/sa/a", "GET / id=spiffe://td/ns/xweb/sa/a", "GET /"],
  },
  {
    name: "not namespaces",
    policies: deny(from({ notNamespaces: ["web"] })),
    allowed: ["GET / id=spiffe://td/ns/web/sa/a"],
    denied: ["GET / id=spiffe://td/ns/db/sa/a", "GET /"],
  },
  {
    name: "addresses",
    policies: allow(from({ ipBlocks: ["10.0.0.0/8", "192.168.1.7"] })),
    allowed: ["GET / ip=10.255.0.1", "GET / ip=192.168.1.7"],
    denied: ["GET / ip=11.0.0.1", "GET / ip=192.168.1.8", "GET / ip=::1", "GET /"],
  },
  {
    name: "IPv6 addresses",
    policies: allow(from({ remoteIpBlocks: ["2001:db8::/33", "::1"] })),
    allowed: ["GET / ip=2001:db8:7fff::1", "GET / ip=::1"],
    denied: ["GET / ip=2001:db8:8000::1", "GET / ip=::2", "GET / ip=10.0.0.1"],
  },
  {
    name: "all IPv4 addresses are not all IPv6 ones",
    policies: allow(from({ ipBlocks: ["0.0.0.0/0"] })),
    allowed: ["GET / ip=1.2.3.4"],
    denied: ["GET / ip=::1"],
  },
  {
    name: "long IPv6 ranges",
    policies: allow(from({ ipBlocks: ["2001:db8::8/125"] })),
    allowed: ["GET / ip=2001:db8::f"],
    denied: ["GET / ip=2001:db8::10", "GET / ip=2001:db8::7"],
  },
  {
    name: "not addresses",
    policies: deny(from({ notIpBlocks: ["10.0.0.0/8"] })),
    allowed: ["GET / ip=10.0.0.1"],
    denied: ["GET / ip=11.0.0.1"],
  },
  {
    name: "both kinds of addresses",
    policies: allow(from({ ipBlocks: ["10.0.0.0/8"], notRemoteIpBlocks: ["10.1.0.0/16"] })),
    allowed: ["GET / ip=10.0.0.1"],
    denied: ["GET / ip=10.1.0.1", "GET / ip=9.0.0.1"],
  },
  {
    name: "request principals",
    policies: allow(from({ requestPrincipals: ["https://i/x/ann"] })),
    allowed: ["GET / jwt.iss=https://i/x jwt.sub=ann"],
    denied: ["GET / jwt.iss=https://i/x jwt.sub=bob", "GET / jwt.iss=https://i jwt.sub=x/ann", "GET /"],
  },
  {
    name: "any request principal",
    policies: allow(from({ requestPrincipals: ["*"] })),
    allowed: ["GET / jwt.iss=i jwt.sub=s"],
    denied: ["GET /", "GET / jwt.iss=i"],
  },
  {
    name: "request principals of an issuer",
    policies: allow(from({ requestPrincipals: ["i/*"] })),
    allowed: ["GET / jwt.iss=i jwt.sub=s"],
    denied: ["GET / jwt.iss=j jwt.sub=s"],
  },
  {
    name: "request principals of a subject",
    policies: allow(from({ requestPrincipals: ["*/s"] })),
    allowed: ["GET / jwt.iss=i jwt.sub=s"],
    denied: ["GET / jwt.iss=i jwt.sub=t"],
  },
  {
    name: "no token",
    policies: deny(from({ notRequestPrincipals: ["*"] })),
    allowed: ["GET / jwt.iss=i jwt.sub=s"],
    denied: ["GET /"],
  },
  {
    name: "header value",
    policies: allow(when("request.headers[X-K]", "a", "b*")),
    allowed: ["GET / x-k=a", "GET / x-k=bc"],
    denied: ["GET / x-k=c", "GET /", "GET / x-k=A"],
  },
  {
    name: "header present",
    policies: allow(when("request.headers[x-k]", "*")),
    allowed: ["GET / x-k=a", "GET / x-k="],
    denied: ["GET /"],
  },
  {
    name: "header absent",
    policies: allow(whenNot("request.headers[x-k]", "*")),
    allowed: ["GET /"],
    denied: ["GET / x-k=a", "GET / x-k="],
  },
  {
    name: "DENY sees each value",
    policies: deny(when("request.headers[x-k]", "b")),
    allowed: ["GET / x-k=a", "GET / x-k=a,b"],
    denied: ["GET / x-k=b", "GET / x-k=a x-k=b", "GET / x-k=b x-k=a"],
  },
  {
    name: "values are not joined",
    policies: allow(when("request.headers[x-k]", "a,b")),
    allowed: ["GET / x-k=a,b"],
    denied: ["GET / x-k=a x-k=b"],
  },
  {
    name: "an empty value before another",
    policies: deny(when("request.headers[x-k]", "b")),
    allowed: ["GET / x-k="],
    denied: ["GET / x-k= x-k=b"],
  },
  {
    name: "source.ip",
    policies: allow(when("source.ip", "10.0.0.0/8")),
    allowed: ["GET / ip=10.1.1.1"],
    denied: ["GET / ip=11.1.1.1"],
  },
  {
    name: "remote.ip",
    policies: deny(when("remote.ip", "10.0.0.0/8")),
    allowed: ["GET / ip=11.1.1.1"],
    denied: ["GET / ip=10.1.1.1"],
  },
  {
    name: "source.namespace",
    policies: allow(when("source.namespace", "web")),
    allowed: ["GET / id=spiffe://td/ns/web/sa/a"],
    denied: ["GET /"],
  },
  {
    name: "source.principal",
    policies: allow(whenNot("source.principal", "td/ns/web/sa/a")),
    allowed: ["GET / id=spiffe://td/ns/web/sa/b"],
    denied: ["GET / id=spiffe://td/ns/web/sa/a"],
  },
  {
    name: "request.auth.principal",
    policies: allow(when("request.auth.principal", "i/s")),
    allowed: ["GET / jwt.iss=i jwt.sub=s"],
    denied: ["GET /"],
  },
  {
    name: "audiences",
    policies: allow(when("request.auth.audiences", "web")),
    allowed: ["GET / jwt.aud=web", "GET / jwt.aud=api,web"],
    denied: ["GET / jwt.aud=webx", "GET /"],
  },
  {
    name: "presenter",
    policies: allow(when("request.auth.presenter", "app*")),
    allowed: ["GET / jwt.azp=app-1"],
    denied: ["GET / jwt.azp=x"],
  },
  {
    name: "claims",
    policies: allow(when("request.auth.claims[groups]", "ops")),
    allowed: ["GET / jwt.groups=ops", "GET / jwt.groups=dev,ops"],
    denied: ["GET / jwt.groups=dev"],
  },
  {
    name: "nested claims",
    policies: allow(when("request.auth.claims[org][team]", "core")),
    allowed: ["GET / jwt.org.team=core"],
    denied: ["GET / jwt.org=core"],
  },
  {
    name: "destination.ip",
    policies: allow(when("destination.ip", "127.0.0.0/8")),
    allowed: ["GET / dst=127.0.0.1"],
    denied: ["GET / dst=10.0.0.1"],
  },
  {
    name: "destination.port",
    policies: allow(when("destination.port", "80")),
    allowed: ["GET / port=80"],
    denied: ["GET / port=81"],
  },
  {
    name: "SNI",
    policies: allow(when("connection.sni", "*.example")),
    allowed: ["GET / sni=a.example"],
    denied: ["GET / sni=a.test", "GET /"],
  },
  {
    name: "conditions all hold",
    policies: allow({
      when: [
        { key: "request.headers[x-a]", values: ["1"] },
        { key: "request.headers[x-b]", notValues: ["2"] },
      ],
    }),
    allowed: ["GET / x-a=1", "GET / x-a=1 x-b=1"],
    denied: ["GET / x-a=1 x-b=2", "GET / x-b=1"],
  },
  {
    name: "values and notValues of one condition",
    policies: allow({ when: [{ key: "request.headers[x-a]", values: ["a*"], notValues: ["ab"] }] }),
    allowed: ["GET / x-a=ac"],
    denied: ["GET / x-a=ab", "GET / x-a=c"],
  },
];

/** Configurations that must be refused, and the message. */
export const refusedConfigurations: readonly (readonly [unknown, string])[] = [
  [{ policies: [{ name: "x", action: "CUSTOM" }] }, "policies[0].action: CUSTOM is not supported; use the callout filter"],
  [{ policies: [{ name: "x", action: "BLOCK" }] }, 'policies[0].action: "BLOCK" is not one of ALLOW, DENY, AUDIT'],
  [{ policies: [{}] }, "policies[0].name: a policy needs a name"],
  [
    { policies: [{ name: "x", rules: [{}, { from: [{ source: { ipBlocks: ["1.1.1.1", "::1", "10.0.0.0/33"] } }] }] }] },
    'policies[0].rules[1].from[0].source.ipBlocks[2]: "10.0.0.0/33" is not a CIDR',
  ],
  [
    { policies: [{ name: "x", rules: [{ from: [{ source: {} }] }] }] },
    "policies[0].rules[0].from[0].source: a source needs at least one field",
  ],
  [
    { policies: [{ name: "x", rules: [{ to: [{ operation: {} }] }] }] },
    "policies[0].rules[0].to[0].operation: an operation needs at least one field",
  ],
  [
    { policies: [{ name: "x", rules: [{ to: [{ operation: { ports: ["0"] } }] }] }] },
    'policies[0].rules[0].to[0].operation.ports[0]: "0" is not a port from 1 to 65535',
  ],
  [
    { policies: [{ name: "x", rules: [{ to: [{ operation: { ports: [80] } }] }] }] },
    "policies[0].rules[0].to[0].operation.ports[0]: expected a string",
  ],
  [
    { policies: [{ name: "x", rules: [{ to: [{ operation: { paths: ["/a/{*}b"] } }] }] }] },
    'policies[0].rules[0].to[0].operation.paths[0]: "/a/{*}b" is not a path template: {*} and {**} fill a segment, and {**} comes last',
  ],
  [
    { policies: [{ name: "x", rules: [{ to: [{ operation: { paths: [""] } }] }] }] },
    "policies[0].rules[0].to[0].operation.paths[0]: must not be empty",
  ],
  [
    { policies: [{ name: "x", rules: [{ when: [{ key: "request.header[x]", values: ["a"] }] }] }] },
    'policies[0].rules[0].when[0].values: unknown key "request.header[x]"',
  ],
  [
    { policies: [{ name: "x", rules: [{ when: [{ key: "request.headers[x]" }] }] }] },
    "policies[0].rules[0].when[0]: a condition needs values or notValues",
  ],
  [{ policies: [{ name: "x", rule: [] }] }, "policies[0].rule: unknown field; known are name, action, rules"],
  ['{"policies": [}', "line 1, column 15: expected a value"],
  ['{"policies": [],}', "line 1, column 17: expected a member name"],
  ["[]", "configuration: expected an object"],
];
