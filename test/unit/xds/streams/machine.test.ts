// The subscription state machine on a transport without a network.
import { test } from "node:test";
import { CASES } from "./machine-cases.ts";
import { runCase } from "./support.ts";

for (const one of CASES) test(`${one.variant}: ${one.name}`, () => runCase(one));
