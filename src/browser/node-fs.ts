/** Stands in for node:fs where a volume of somebody else's is used: Linux's numbers (open(2), access(2)), and nothing to call. */
export const constants = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NONBLOCK: 0o4000,
  O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000,
  R_OK: 4,
  W_OK: 2,
  X_OK: 1,
};
