/** What Tier decides by: when code is hot, and how much must be lost before something is compiled again. */
export interface Heat {
  /** Instructions between samples while code is interpreted. */
  readonly slice: number;
  /** The same where compiled code runs. */
  readonly longest: number;
  /** Samples that make a place hot; each time it was compiled twice as many are asked. */
  readonly samples: number;
  /** Samples before anything is compiled: a short program is over before the compiler is loaded. */
  readonly warmUp?: number;
  /** Interpreted instructions that pay for compiling one; none: whatever is hot is compiled. */
  readonly cost?: number;
  /** Bytes of WebAssembly kept at a time; V8's code for it takes one to two times as much again. KEPT if not given. */
  readonly bytes?: number;
}

/** Compiling an instruction takes about as long as interpreting so many. */
const COST = 5000;
export const HEAT: Heat = { slice: 10_000, longest: 1 << 17, samples: 6, warmUp: 600, cost: COST };
export const KEPT = 48 << 20;

/**
 * Part of the samples since the warm-up a place must have, and how many at least, until there were so many samples. Loading the
 * compiler, and compiling with it before V8 has optimised it, takes as long as interpreting some ten million instructions. In programs
 * that do one thing the first place has a quarter of the samples or more; Python's start and its like stay below a tenth.
 */
export const SHARE = 0.15;
export const LEAST = 30;
export const BROAD = 5000;

/** Samples after which the ways taken since they were forgotten are a picture of what runs, and until which it is good. */
export const SETTLED = 2;
export const FRESH = 24;
/** Failed suppositions for each of a region's instructions that cost as much as compiling it; and how often one site is to be seen. */
export const MISSES_PER = 500;
export const OFTEN = 3;
/** How many of the last MISSES are looked at with a sample; they stand for all. */
export const LOOKS = 4;
/** Ways out to an interpreted place that are worth compiling it, and instructions of a region around it that make it twice that. */
export const LEAKS = 10_000;
export const LEAKS_SHARED = 50;
/** Part of LEAKS that makes a place worth compiling along with another one. */
export const LEAKS_ALONG = 16;
/** Instructions that could be compiled in the time a module takes that has none. */
export const OVERHEAD = 50;
/** Compiled instructions that count as one interpreted. */
export const COMPILED_SPEED = 8;
/** Instructions of a region for which it gets one more sample's patience. */
export const PATIENCE_PER = 6;
/** Instructions of a region that others do not repeat. */
export const LARGE = 300;
/** What a region adds to `wasted` whose code was written over, up to how much, and what a sample in compiled code takes off. */
export const WASTED = 0.25;
export const WASTED_MOST = 8;
export const REGAINED = 1 / 64;
/** Instructions of a region that is compiled in the guest's own thread while the compiler's is not there yet. */
export const SMALL = 120;
/** How many of them. */
export const EARLY = 3;
/** Blocks around a seed that are likely to become part of its region. */
export const LIKELY = 60;
/** Patience of a region whose jumps always find somewhere new. */
export const ENOUGH = 1000;
/** Ways from one region to another, for each of their instructions, that make it worth compiling both as one. */
export const CROSSINGS_PER = 2000;
