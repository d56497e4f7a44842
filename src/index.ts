/**
 * ring3 runs x86_64 and aarch64 Linux programs in Node.js.
 *
 *     import { Machine } from 'ring3';
 *     const m = await Machine.boot({ program: './hello', stdin: 'some text' });
 *     const end = await m.run();
 *     console.log(end.status, m.stdout);
 */
export { Machine, type MachineStats, type TaskInfo } from './machine/machine.ts';
export {
  BootError,
  type BootErrorKind,
  DeadlockError,
  InternalError,
  LivelockError,
  StoppedError,
  TimeLimitError,
} from './machine/errors.ts';
export type {
  Debugger, HookOptions, InstructionHit, InstructionHook, MemoryHit, MemoryHook, MemoryHookOptions,
} from './debug/debugger.ts'; // prettier-ignore
export { GuestFileError } from './machine/guest-files.ts';
export type {
  BootOptions, FileContent, InputSource, MachineLimits, MountSpec, Output, OutputSink, PublishSpec, ReplayOptions,
  TerminalEnd, TerminalPort, WindowSize,
} from './machine/options.ts'; // prettier-ignore
export type {
  EndEvent, EnterEvent, ExitEvent, Listeners, MachineEvent, SignalEvent, TaskEndEvent,
} from './machine/events.ts'; // prettier-ignore
/** Searching schedules: `explore(scheduleRunner(options), …)`. */
export { explore } from './explore/explore.ts';
export type {
  Exploration,
  ExploreOptions,
  Failure,
  FailureKind,
  Progress,
  Runner,
} from './explore/explore.ts';
export { scheduleRunner, type Outcome, type RunLimits } from './explore/run.ts';
/** Who waits for what: `Machine.explain`, `DeadlockError.explanation`. */
export { explanationLines, explanationText } from './explain/text.ts';
export type {
  ChildWait, EpollWait, Explanation, FileWait, FutexWait, Holder, Livelock, LockWait, OwnerSource, Place, QueueWait,
  SignalWait, TaskReport, TimeWait, Verdict, VforkWait, Wait, Waker,
} from './explain/types.ts'; // prettier-ignore
export type { RegisterName, Registers } from './machine/registers.ts';
export type { Arch } from '../kernel/ports.ts';
export type { FsLike } from './host/host-fs.ts';
export type { Snapshot } from './timeline/snapshots.ts';
export { Timeline, TimelineError, type TimelineOptions } from './timeline/timeline.ts';
export type { ExitStatus } from './machine/status.ts';
export { EnterStop, ExitStop, ParkStop, type ResultValue } from './step/stops.ts';
export { type CallHook, NotReachedError, type StepOptions } from './step/stepper.ts';
export { normaliseTrace, TraceRecorder, type TraceRecorderOptions } from './testing/trace.ts';
export type { CallNames, TaskChoice } from './step/filter.ts';
export type { ArgsFor } from './step/arguments.ts';
export type { SyscallArgs, SyscallName } from '../kernel/syscall/table.ts';
export type { Decoded, Named } from '../kernel/trace/values.ts';
export type { Injection } from '../kernel/inject/rule.ts';
/** Traces as strace prints them: give one to `BootOptions.tracer`, call `finish` at the end. */
export { Strace, type StraceOptions } from '../kernel/trace/strace.ts';
/** Kernels other than Linux: what `BootOptions.personality`, `quirks` and `noQuirks` take. */
export { QUIRKS, PersonalityError } from '../kernel/personality/personality.ts';
export type { Quirk, QuirkGroup } from '../kernel/personality/quirk.ts';
/** Logs of other kernels, and what in them is not as Linux does it. */
export { checkLog, type CheckResult } from './logs/check/check.ts';
export { checkReport, type ReportOptions } from './logs/check/report.ts';
export type { Finding, FindingKind } from './logs/check/finding.ts';
export {
  diffLogs,
  type Difference,
  type DifferenceKind,
  type DiffOptions,
  type DiffResult,
} from './logs/diff/diff.ts';
export { diffReport, type DiffReportOptions } from './logs/diff/report.ts';
export { readStrace } from './logs/strace.ts';
export { replayMemory, type PersonalityChoice, type ReplayedCall } from './logs/replay.ts';
export { LogError, readLog } from './logs/read.ts';
export { callText } from './logs/events.ts';
export type { KernelNote, Log, LogCall, LogEvent, LogFormat, LogRun, Unreadable } from './logs/events.ts';
/** Recordings: `BootOptions.record` takes what recordTo gives, `Machine.replay` what openRecording gives. */
export { openRecording, recordTo } from './host/recording-file.ts';
export { DivergenceError, RecordingEndError } from './record/errors.ts';
export { MemoryRecording } from './record/memory.ts';
export { readRecording } from './record/read.ts';
export type { Recording, RecordingSink } from './record/format.ts';
export { VERSION } from './version.ts';
