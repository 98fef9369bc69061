// A module by HTTP: everything that may be sent, and everything that may go wrong.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { FetchError } from "../../../host/modules/contract.ts";
import { ip, issue } from "../../support/certificates.ts";
import { sha256 } from "../../support/fake-registry.ts";
import { type Answer, body, cutShort, inTurn, redirect, silent, startModuleServer, status, trickle } from "../../support/module-server.ts";
import { tar, tarFile } from "../../support/tar.ts";
import { fetchModule, moduleBytes, remoteCode } from "./support.ts";

const module = moduleBytes("one");
const packedFile = tar(tarFile("dir/", Buffer.alloc(0), "5"), tarFile("any.wasm", module));
const bomb = gzipSync(Buffer.alloc(10_000_000));

const good: Readonly<Record<string, Answer>> = {
  plain: body(module),
  gzip: body(gzipSync(module)),
  "gzip with its encoding": body(gzipSync(module), { "content-encoding": "gzip" }),
  tar: body(packedFile),
  "gzipped tar": body(gzipSync(packedFile)),
  "gzip in a tar": body(tar(tarFile("m.gz", gzipSync(module)))),
  "after 503": inTurn(status(503), body(module)),
  "after 500, 502 and 504": inTurn(status(500), status(502), status(504), body(module)),
  "after 429 with a time": inTurn(status(429, { "retry-after": "1" }), body(module)),
  "after 429 with a date": inTurn(status(429, { "retry-after": "Fri, 01 Jan 1999 00:00:00 GMT" }), body(module)),
  "after a body cut short": inTurn(cutShort(module), body(module)),
  "after a closed connection": inTurn((_request, response) => response.destroy(), body(module)),
};

for (const [name, answer] of Object.entries(good)) {
  test(`fetched: ${name}`, async (t) => {
    const server = await startModuleServer(t, { "/m.wasm": answer });
    const fetched = await fetchModule(remoteCode(`http://${server.host}/m.wasm`, { sha256: sha256(module) }));
    assert.deepEqual(Buffer.from(fetched.bytes), module);
    assert.equal(fetched.digest, sha256(module));
  });
}

interface Bad {
  readonly answer: Answer;
  readonly reason: RegExp;
  /** How often it is asked for. */
  readonly requests: number;
  readonly result?: FetchError["result"];
}

const bad: Readonly<Record<string, Bad>> = {
  "404": { answer: status(404), reason: /wrong status code, got 404/, requests: 1 },
  "501": { answer: status(501), reason: /got 501/, requests: 1 },
  "503 for ever": { answer: status(503), reason: /got 503/, requests: 5 },
  "429 for longer than there is time": { answer: status(429, { "retry-after": "3600" }), reason: /got 429/, requests: 1 },
  "204": { answer: status(204), reason: /got 204/, requests: 1 },
  "no module": { answer: body("<html>"), reason: /not a Wasm module: it begins with 3c68746d/, requests: 1 },
  nothing: { answer: body(""), reason: /it begins with nothing/, requests: 1 },
  "cut short for ever": { answer: cutShort(module), reason: /aborted/, requests: 5 },
  "bad gzip": { answer: body(Buffer.concat([Buffer.from([0x1f, 0x8b]), module])), reason: /gzip: /, requests: 1 },
  "gzip cut short": { answer: body(gzipSync(module).subarray(0, 20)), reason: /gzip: unexpected end of file/, requests: 1 },
  "gzip bomb": { answer: body(bomb), reason: /unpacks to more than the 165536 bytes that are allowed/, requests: 1 },
  "too large, and says so": { answer: body(Buffer.alloc(200_000)), reason: /sends more than the 165536 bytes/, requests: 1 },
  "too large, in chunks": {
    answer: (_request, response) => {
      response.write(Buffer.alloc(100_000));
      response.end(Buffer.alloc(100_000));
    },
    reason: /sends more than the 165536 bytes/,
    requests: 1,
  },
  "module larger than allowed": {
    answer: body(Buffer.concat([module, Buffer.alloc(120_000)])),
    reason: /the module has more than the 100000 bytes that are allowed/,
    requests: 1,
  },
  "tar cut short": { answer: body(packedFile.subarray(0, 1030)), reason: /the tar archive is cut short/, requests: 1 },
  "tar with a wrong checksum": {
    answer: body(Buffer.concat([packedFile.subarray(0, 600), Buffer.from("x"), packedFile.subarray(601)])),
    reason: /checksum is wrong/,
    requests: 1,
  },
  "tar with a size that is none": {
    answer: body(tar(tarFile("m", module, "0", (header) => header.write("zzz", 124)))),
    reason: /a header that is not one/,
    requests: 1,
  },
  "tar without a file": { answer: body(tar(tarFile("dir/", Buffer.alloc(0), "5"))), reason: /it begins with nothing/, requests: 1 },
  "gzip in gzip in gzip in gzip in gzip": {
    answer: body([1, 2, 3, 4, 5].reduce((inner) => gzipSync(inner), module)),
    reason: /it begins with 1f8b/,
    requests: 1,
  },
  "another digest": { answer: body(moduleBytes("two")), reason: /does not match: /, requests: 1, result: "checksum_mismatched" },
  "silent for ever": { answer: silent, reason: /did not answer within 15 s|not fetched within 30 s/, requests: 2 },
  "slow for ever": { answer: trickle, reason: /did not answer within 15 s|not fetched within 30 s/, requests: 2 },
  "redirects to itself": { answer: redirect("/m.wasm"), reason: /stopped after 10 redirects/, requests: 11 },
  "redirects to a file": { answer: redirect("file:///etc/passwd"), reason: /redirects to what is no HTTP URL/, requests: 1 },
  "redirects to metadata": {
    answer: redirect("http://169.254.169.254/latest"),
    reason: /refused to be sent to 169\.254\.169\.254: 169\.254\.169\.254 is a link-local address/,
    requests: 1,
  },
  "redirects to the name of metadata": {
    answer: redirect("http://metadata.google.internal/"),
    reason: /refused to be sent to metadata\.google\.internal: it is a metadata service/,
    requests: 1,
  },
  "large head": { answer: status(200, { x: "y".repeat(70_000) }), reason: /Header overflow|maximum/i, requests: 5 },
};

for (const [name, { answer, reason, requests, result = "download_failure" }] of Object.entries(bad)) {
  test(`refused: ${name}`, async (t) => {
    const server = await startModuleServer(t, { "/m.wasm": answer });
    const code = remoteCode(`http://${server.host}/m.wasm`, { sha256: sha256(module) });
    await assert.rejects(fetchModule(code), (error) => {
      assert.ok(error instanceof FetchError, String(error));
      assert.match(error.message, reason);
      assert.equal(error.result, result);
      return true;
    });
    assert.equal(server.requests.length, requests);
  });
}

test("a redirect is followed, and gets no credentials of another host", async (t) => {
  let authorization: string | undefined = "none yet";
  const other = await startModuleServer(t, {
    "/m.wasm": (request, response) => {
      authorization = request.headers.authorization;
      response.end(module);
    },
  });
  const server = await startModuleServer(t, { "/m.wasm": redirect(`http://${other.host}/m.wasm`) });
  const fetched = await fetchModule(remoteCode(`http://${server.host}/m.wasm`));
  assert.equal(fetched.digest, sha256(module));
  assert.equal(authorization, undefined);
});

test("nobody listens: said after all attempts", async (t) => {
  const server = await startModuleServer(t, {});
  await server.close();
  await assert.rejects(fetchModule(remoteCode(`http://${server.host}/m.wasm`)), /ECONNREFUSED/);
});

test("TLS: the certificate is verified, unless the host is listed", async (t) => {
  const { keyPem: key, pem: cert } = issue({ names: [ip(127, 0, 0, 1)] });
  const server = await startModuleServer(t, { "/m.wasm": body(module) }, { key, cert });
  const code = remoteCode(`https://${server.host}/m.wasm`, { retries: { count: 0, baseIntervalMs: 1, maxIntervalMs: 1 } });
  await assert.rejects(fetchModule(code), /self-signed certificate|unable to verify/);
  assert.equal((await fetchModule(code, { insecure: [server.host] })).digest, sha256(module));
  assert.equal((await fetchModule(code, { authorities: [cert] })).digest, sha256(module));
});

test("from https to http: not without being listed", async (t) => {
  const { keyPem: key, pem: cert } = issue({ names: [ip(127, 0, 0, 1)] });
  const plain = await startModuleServer(t, { "/m.wasm": body(module) });
  const server = await startModuleServer(t, { "/m.wasm": redirect(`http://${plain.host}/m.wasm`) }, { key, cert });
  const code = remoteCode(`https://${server.host}/m.wasm`);
  await assert.rejects(fetchModule(code, { authorities: [cert] }), /refused to be sent from https to .* without TLS/);
  const fetched = await fetchModule(code, { authorities: [cert], insecure: [plain.host] });
  assert.equal(fetched.digest, sha256(module));
});
