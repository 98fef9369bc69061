// The library: the host inside another program. Everything else below host/ is internal and may change.
//
//   const server = new Server({ config: { file: bootstrapText }, …, handleSignals: false });
//   await server.start();      // throws StartError with a line for each reason
//   server.shutdown();         // drains
//   await server.untilExit();
export { Server, type ServerOptions, StartError } from "./server/server.ts";
export { VERSION } from "./server/version.ts";
export { validateBootstrap } from "./xds/validate.ts";
export { createXdsServices } from "./server/xds-services.ts";
