/**
 * What the first line of cli.ts puts into the environment of this process for the C library, which reads it once, at the
 * start. The programs we start are to get the environment we were given, so it is taken out of ours again.
 */
export const OWN_ENVIRONMENT: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_TRIM_THRESHOLD_: '131072',
};
