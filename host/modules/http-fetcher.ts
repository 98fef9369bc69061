// A module by HTTP. Its digest is that of the module itself, whatever it came packed in.
import { createHash } from "node:crypto";
import { FetchError, type FetchedModule, type ModuleClock } from "./contract.ts";
import { type HttpAnswer, statusError } from "./http-get.ts";
import { unboxModule } from "./unbox.ts";

/** Room for an archive around a module: headers and padding. */
export const packingBytes = 65_536;

export async function moduleOfAnswer(
  answer: HttpAnswer,
  wanted: string | undefined,
  maxBytes: number,
  clock: ModuleClock,
): Promise<FetchedModule> {
  if (answer.status !== 200) throw statusError(answer, "could not fetch Wasm module", "download_failure", clock.nowMs());
  const bytes = await unboxModule(answer.body, maxBytes + packingBytes);
  if (bytes.length > maxBytes) throw new FetchError(`the module has more than the ${maxBytes} bytes that are allowed`);
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (wanted !== undefined && wanted !== digest)
    throw new FetchError(`module downloaded from ${answer.url.host} has checksum ${digest}, which does not match: ${wanted}`, {
      result: "checksum_mismatched",
    });
  return { bytes, digest };
}
