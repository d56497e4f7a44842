import type { Key } from './key.ts';

/** What a thread holds; its process's keyring is in the ThreadGroup. */
export class TaskKeyrings {
  thread: Key | null = null;
  /** The user `thread` was last given to. */
  fsuid = 0;
  session: Key | null = null;
  /** KEYCTL_SET_REQKEY_KEYRING: where request_key puts what it makes. */
  defaultKeyring = 0;
}
