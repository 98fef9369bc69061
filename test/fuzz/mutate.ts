// Mutation of a corpus: bytes flipped, pieces cut, doubled, moved and spliced between entries, tokens of the grammar put in.
import type { SeededRandom } from "../support/seeded-random.ts";

const INTERESTING = [0, 1, 9, 10, 13, 32, 0x7f, 0x80, 0xff];

type Mutation = (input: Buffer, random: SeededRandom, corpus: readonly Buffer[], tokens: readonly Buffer[]) => Buffer;

const insert = (input: Buffer, at: number, piece: Buffer): Buffer => Buffer.concat([input.subarray(0, at), piece, input.subarray(at)]);

const MUTATIONS: readonly Mutation[] = [
  (input, random) => {
    const copy = Buffer.from(input);
    copy[random.below(copy.length)] ^= 1 << random.below(8);
    return copy;
  },
  (input, random) => {
    const copy = Buffer.from(input);
    copy[random.below(copy.length)] = INTERESTING[random.below(INTERESTING.length)];
    return copy;
  },
  (input, random) => {
    const copy = Buffer.from(input);
    copy[random.below(copy.length)] = random.below(256);
    return copy;
  },
  (input, random) => {
    const from = random.below(input.length);
    return Buffer.concat([input.subarray(0, from), input.subarray(from + 1 + random.below(8))]);
  },
  (input, random) => {
    const from = random.below(input.length);
    return insert(input, from, input.subarray(from, from + 1 + random.below(32)));
  },
  (input, random) => input.subarray(0, random.below(input.length)),
  (input, random, _corpus, tokens) =>
    tokens.length === 0 ? input : insert(input, random.below(input.length + 1), tokens[random.below(tokens.length)]),
  (input, random, _corpus, tokens) => {
    if (tokens.length === 0) return input;
    const token = tokens[random.below(tokens.length)];
    const at = random.below(input.length);
    return Buffer.concat([input.subarray(0, at), token, input.subarray(at + token.length)]);
  },
  (input, random, corpus) => {
    const other = corpus[random.below(corpus.length)];
    return Buffer.concat([input.subarray(0, random.below(input.length + 1)), other.subarray(random.below(other.length + 1))]);
  },
];

/** The larger an input may grow, the slower and the less telling each execution. */
const MAX_LENGTH = 8192;

export function mutate(random: SeededRandom, corpus: readonly Buffer[], tokens: readonly Buffer[]): Buffer {
  let input = corpus[random.below(corpus.length)];
  const count = 1 + random.below(4);
  for (let i = 0; i < count; i++) {
    if (input.length === 0) input = tokens[0] ?? Buffer.from([0]);
    input = MUTATIONS[random.below(MUTATIONS.length)](input, random, corpus, tokens);
  }
  return input.length > MAX_LENGTH ? input.subarray(0, MAX_LENGTH) : input;
}

/** The input in one to four pieces, as a socket may deliver it. */
export function pieces(random: SeededRandom, input: Buffer): Buffer[] {
  const cuts = Array.from({ length: random.below(4) }, () => random.below(input.length + 1)).sort((a, b) => a - b);
  const edges = [0, ...cuts, input.length];
  return edges.slice(1).map((end, i) => input.subarray(edges[i], end));
}
