// Every callback, for filters written for the older AssemblyScript SDK: `export * from "sluice/sdk/compat/proxy"`.

export * from "../core";
export * from "../exports";
