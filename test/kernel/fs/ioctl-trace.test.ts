/** What strace 6.1 printed for the same calls on Linux. */
import { expect, it } from 'vitest';
import { ioctlArg, ioctlCommand } from '../../../kernel/fs/ioctl/trace.ts';
import { Args } from '../../../kernel/syscall/args.ts';
import { BASE, fakeKernel, fakeTask } from './fake-task.ts';

const t = fakeTask(fakeKernel());

function traced(cmd: number, arg: number, ret: number): string {
  const a = new Args();
  a.words[2] = cmd | 0;
  a.words[4] = arg | 0;
  a.words[5] = arg < 0 ? -1 : 0;
  const text = ioctlArg.format(t, a, 2, ret);
  return ioctlCommand.format(t, a, 1, ret) + (text === '' ? '' : `, ${text}`);
}
function words(...values: number[]): number {
  t.memory.copyOut(BASE, new Uint8Array(new Uint32Array(values).buffer));
  return BASE;
}
/** The same value in all four flag words of a struct termios. */
const modes = (flags: number): number => words(flags, flags, flags, flags, 0, 0, 0, 0, 0);

it.each([
  [() => traced(0x5402, modes(0), -9), 'SNDCTL_TMR_START or TCSETS, {c_iflag=, c_oflag=NL0|CR0|TAB0|BS0|VT0|FF0|, c_cflag=B0|CS5|, c_lflag=, ...}'],
  [() => traced(0x5402, modes(0xffffffff), -9), 'SNDCTL_TMR_START or TCSETS, {c_iflag=IGNBRK|BRKINT|IGNPAR|PARMRK|INPCK|ISTRIP|INLCR|IGNCR|ICRNL|IUCLC|IXON|IXANY|IXOFF|IMAXBEL|IUTF8|0xffff8000, c_oflag=NL1|CR3|XTABS|BS1|VT1|FF1|OPOST|OLCUC|ONLCR|OCRNL|ONOCR|ONLRET|OFILL|OFDEL|0xffff0000, c_cflag=B4000000|B4000000<<IBSHIFT|CS8|CSTOPB|CREAD|PARENB|PARODD|HUPCL|CLOCAL|CMSPAR|CRTSCTS|0x2ff0e000, c_lflag=ISIG|ICANON|XCASE|ECHO|ECHOE|ECHOK|ECHONL|NOFLSH|IEXTEN|ECHOCTL|ECHOPRT|ECHOKE|FLUSHO|PENDIN|TOSTOP|EXTPROC|0xfffe2000, ...}'],
  [() => traced(0x5402, modes(0x10000000), -9), 'SNDCTL_TMR_START or TCSETS, {c_iflag=0x10000000, c_oflag=NL0|CR0|TAB0|BS0|VT0|FF0|0x10000000, c_cflag=B0|BOTHER<<IBSHIFT|CS5|, c_lflag=0x10000000, ...}'],
  [() => traced(0x5401, BASE, -25), `TCGETS, 0x${BASE.toString(16)}`],
  [() => traced(0x5413, words(0x00500018, 0x00020001), 0), 'TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=1, ws_ypixel=2}'],
  [() => traced(0x5421, words(1), 0), 'FIONBIO, [1]'],
  [() => traced(0x5421, 0, -14), 'FIONBIO, NULL'],
  [() => traced(0x541b, 8, -9), 'FIONREAD, 0x8'],
  [() => traced(0x5451, 0, 0), 'FIOCLEX'],
  [() => traced(0x540a, 9, -9), 'TCXONC, 0x9 /* TC??? */'],
  [() => traced(0x540b, 2, 0), 'TCFLSH, TCIOFLUSH'],
  [() => traced(0x540e, -1, -9), 'TIOCSCTTY, -1'],
  [() => traced(0x40045436, 2, 0), 'TIOCSIG, 0x2'],
  [() => traced(0xc0045456, 8, -9), '_IOC(_IOC_READ|_IOC_WRITE, 0x54, 0x56, 0x4), 0x8'],
  [() => traced(0, 0, -9), '_IOC(_IOC_NONE, 0, 0, 0), 0'],
] as [() => string, string][])('%#', (trace, text) => expect(trace()).toBe(text)); // prettier-ignore
