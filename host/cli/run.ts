// sluice run: the proxy, until a signal ends it.
import { Server, StartError } from "../server/server.ts";
import { describeFlags, parseFlags, RUN_FLAGS } from "./flags.ts";
import { serverOptions } from "./options.ts";
import { validateText } from "./validate.ts";
import type { Verb } from "./verb.ts";

export const run: Verb = {
  name: "run",
  summary: "run the proxy with an Envoy bootstrap",
  usage: "sluice run -c FILE [--plugins DIR] [flags]",
  details: () => describeFlags(RUN_FLAGS),
  async execute(args, io) {
    const parsed = parseFlags(args, RUN_FLAGS);
    if (parsed.values.help === true) return "help";
    const mode = parsed.values.mode ?? "serve";
    const options = serverOptions(parsed);
    if (mode === "validate") return validateText(options, io);
    if (mode !== "serve") {
      io.error(`--mode: "${String(mode)}" is not known; use serve or validate`);
      return 64;
    }
    const server = new Server(options);
    if (parsed.ignored.length > 0) {
      server.logger.log(
        "warning",
        "main",
        `without effect here: ${parsed.ignored.map((flag) => `--${flag.name} (${flag.ignored})`).join(", ")}`,
      );
    }
    try {
      await server.start();
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      for (const line of error.lines) io.error(line);
      await server.stop();
      return 1;
    }
    return server.untilExit();
  },
};
