// What a verb of the command line is, and where it writes.

export interface CliIo {
  /** Data, on standard output. */
  out(line: string): void;
  /** Talk, on standard error. */
  error(line: string): void;
}

export interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  /** Flags and more, for `sluice help VERB`. */
  details(): string;
  /** The exit code, or "help" to print the verb's help. Throws UsageError for wrong arguments. */
  execute(args: readonly string[], io: CliIo): Promise<number | "help">;
}
