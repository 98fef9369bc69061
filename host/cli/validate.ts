// sluice validate: OK, or every problem with its field path.
import type { ServerOptions } from "../server/server.ts";
import { createXdsServices } from "../server/xds-services.ts";
import { formatProblems } from "../xds/problems.ts";
import { loadBootstrap } from "../xds/load-bootstrap.ts";
import { describeFlags, parseFlags, RUN_FLAGS } from "./flags.ts";
import { serverOptions } from "./options.ts";
import type { CliIo, Verb } from "./verb.ts";

export async function validateText(options: ServerOptions, io: CliIo): Promise<number> {
  const services = createXdsServices();
  const result = loadBootstrap(options.config, services);
  if (!result.ok) {
    io.error(formatProblems(result.problems));
    return 1;
  }
  const { tryPlugins } = await import("../server/try-plugins.ts");
  const refusals = await tryPlugins(result.value, services);
  for (const line of refusals) io.error(line);
  if (refusals.length > 0) return 1;
  io.out(options.configPath === undefined ? "OK" : `configuration '${options.configPath}' OK`);
  return 0;
}

export const validate: Verb = {
  name: "validate",
  summary: "check a bootstrap: prints OK, or every problem with its field path",
  usage: "sluice validate -c FILE",
  details: () =>
    describeFlags(
      RUN_FLAGS.filter((flag) => ["config-path", "config-yaml", "service-node", "service-cluster", "service-zone"].includes(flag.name)),
    ),
  async execute(args, io) {
    const parsed = parseFlags(args, RUN_FLAGS);
    return parsed.values.help === true ? "help" : validateText(serverOptions(parsed), io);
  },
};
