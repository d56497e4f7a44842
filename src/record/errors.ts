/** The machine did something else than in the recording. `event`: the number of the first that differs. */
export class DivergenceError extends Error {
  override readonly name = 'DivergenceError';
  readonly event: number;
  constructor(event: number, what: string) {
    super(`the replay differs from the recording at event ${event}: ${what}`);
    this.event = event;
  }
}

/** The recording goes no further, though the guest would. */
export class RecordingEndError extends Error {
  override readonly name = 'RecordingEndError';
  /** There was more, and it cannot be read. */
  readonly damaged: boolean;
  constructor(message: string, damaged: boolean) {
    super(message);
    this.damaged = damaged;
  }
}
