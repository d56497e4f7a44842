/** Functions that handlers of both architectures share. */
import type { Val } from '../builder.ts';
import type { GuestBuilder } from '../guest-builder.ts';
import type { Helper } from '../interp/helpers.ts';

/** Upper 64 bits of a 64 × 64 product, from four 32-bit ones. */
const mulhiU: Helper<GuestBuilder> = {
  name: 'mulhi_u',
  params: ['i64', 'i64'],
  result: 'i64',
  build: (b, x, y) => {
    const lo = (v: Val): Val => b.zext(v, 32);
    const hi = (v: Val): Val => b.shrU(v, 32);
    const [xl, xh, yl, yh] = [lo(x), hi(x), lo(y), hi(y)];
    const mid1 = b.add(b.mul(xh, yl), hi(b.mul(xl, yl)));
    const mid2 = b.add(b.mul(xl, yh), lo(mid1));
    b.fn.return(b.add(b.add(b.mul(xh, yh), hi(mid1)), hi(mid2)));
  },
};

const mulhiS: Helper<GuestBuilder> = {
  name: 'mulhi_s',
  params: ['i64', 'i64'],
  result: 'i64',
  build: (b, x, y) => {
    const u = b.callHelper('mulhi_u', x, y)!;
    b.fn.return(b.sub(b.sub(u, b.and(b.shrS(x, 63), y)), b.and(b.shrS(y, 63), x)));
  },
};

export const multiplyHigh: readonly Helper<GuestBuilder>[] = [mulhiU, mulhiS];
