/** System calls on memory. */
import { FULL, defineSyscalls, partial } from '../syscall/define.ts';
import { enumOf, fd, flags, hex, int, iovec, pid, ptr, size, uint, ulong } from '../trace/args.ts';
import { MMAP_PROT } from '../trace/tables.ts';
import { madvise, mincore, msync } from './madvise.ts';
import { mlock, mlock2, mlockall, munlock, munlockall } from './mlock.ts';
import { mremap } from './mremap.ts';
import { processVmReadv, processVmWritev } from './process-vm.ts';
import {
  brk, mmap, mprotect, munmap, pkeyAlloc, pkeyFree, pkeyMprotect, remapFilePages,
} from './syscalls-map.ts'; // prettier-ignore
import {
  getMempolicy, mbind, migratePages, movePages, setMempolicy, setMempolicyHomeNode,
} from './syscalls-mempolicy.ts'; // prettier-ignore
import {
  MADV, MBIND_FLAGS, MCL_FLAGS, mempolicyMode, MEMPOLICY_FLAGS, nodemask, policyOut, statusOut, MLOCK_FLAGS, mmapFlags, MREMAP_FLAGS, MS_FLAGS, newAddress, PKEY_RIGHTS, residency,
} from './trace.ts'; // prettier-ignore

const prot = flags('prot', MMAP_PROT, 'PROT_???');
const range = [ptr('addr'), size('length')] as const;

// prettier-ignore
export const mmRows = defineSyscalls({
  mmap: { x86_64: 9, aarch64: 222, run: mmap, ret: 'addr',
    support: partial('no huge pages (MAP_HUGETLB is ENOMEM, as without reserved ones)'),
    args: [...range, prot, mmapFlags('flags'), fd('fd'), hex('offset')] },
  mprotect: { x86_64: 10, aarch64: 226, run: mprotect, ret: 'int', support: FULL, args: [...range, prot] },
  munmap: { x86_64: 11, aarch64: 215, run: munmap, ret: 'int', support: FULL, args: range },
  brk: { x86_64: 12, aarch64: 214, run: brk, ret: 'addr', support: FULL, args: [ptr('addr')] },
  mremap: { x86_64: 25, aarch64: 216, run: mremap, ret: 'addr', support: FULL,
    args: [ptr('old_address'), size('old_size'), size('new_size'), flags('flags', MREMAP_FLAGS, 'MREMAP_???'),
      newAddress('new_address')] },
  msync: { x86_64: 26, aarch64: 227, run: msync, ret: 'int', support: FULL,
    args: [...range, flags('flags', MS_FLAGS, 'MS_???')] },
  mincore: { x86_64: 27, aarch64: 232, run: mincore, ret: 'int', support: FULL, args: [...range, residency('vec')] },
  madvise: { x86_64: 28, aarch64: 233, run: madvise, ret: 'int',
    support: partial('no huge pages: MADV_COLLAPSE is EINVAL; MADV_HWPOISON is refused'),
    args: [...range, enumOf('advice', MADV, 'MADV_???')] },
  mlock: { x86_64: 149, aarch64: 228, run: mlock, ret: 'int', support: FULL, args: range },
  munlock: { x86_64: 150, aarch64: 229, run: munlock, ret: 'int', support: FULL, args: range },
  mlockall: { x86_64: 151, aarch64: 230, run: mlockall, ret: 'int', support: FULL,
    args: [flags('flags', MCL_FLAGS, 'MCL_???')] },
  munlockall: { x86_64: 152, aarch64: 231, run: munlockall, ret: 'int', support: FULL, args: [] },
  remap_file_pages: { x86_64: 216, aarch64: 234, run: remapFilePages, ret: 'int', support: FULL,
    args: [ptr('addr'), size('size'), prot, ulong('pgoff'), mmapFlags('flags')] },
  process_vm_readv: { x86_64: 310, aarch64: 270, run: processVmReadv, ret: 'size', support: FULL,
    args: [pid('pid'), iovec('local_iov', 2, { out: true }), ulong('liovcnt'), iovec('remote_iov', 4), ulong('riovcnt'),
      ulong('flags')] },
  process_vm_writev: { x86_64: 311, aarch64: 271, run: processVmWritev, ret: 'size', support: FULL,
    args: [pid('pid'), iovec('local_iov', 2), ulong('liovcnt'), iovec('remote_iov', 4), ulong('riovcnt'),
      ulong('flags')] },
  mlock2: { x86_64: 325, aarch64: 284, run: mlock2, ret: 'int', support: FULL,
    args: [...range, flags('flags', MLOCK_FLAGS, 'MLOCK_???')] },
  pkey_mprotect: { x86_64: 329, aarch64: 288, run: pkeyMprotect, ret: 'int',
    support: partial('as on a processor without protection keys'), args: [...range, prot, int('pkey')] },
  pkey_alloc: { x86_64: 330, aarch64: 289, run: pkeyAlloc, ret: 'int',
    support: partial('as on a processor without protection keys: ENOSPC'),
    args: [uint('flags'), flags('access_rights', PKEY_RIGHTS)] },
  pkey_free: { x86_64: 331, aarch64: 290, run: pkeyFree, ret: 'int',
    support: partial('as on a processor without protection keys: EINVAL'), args: [int('pkey')] },
  mbind: { x86_64: 237, aarch64: 235, run: mbind, ret: 'int', support: FULL,
    args: [...range, mempolicyMode('mode'), nodemask('nodemask', 4), ulong('maxnode'),
      flags('flags', MBIND_FLAGS, 'MPOL_MF_???')] },
  set_mempolicy: { x86_64: 238, aarch64: 237, run: setMempolicy, ret: 'int', support: FULL,
    args: [mempolicyMode('mode'), nodemask('nodemask', 2), ulong('maxnode')] },
  get_mempolicy: { x86_64: 239, aarch64: 236, run: getMempolicy, ret: 'int', support: FULL,
    args: [policyOut('policy'), nodemask('nodemask', 2, { out: true }), ulong('maxnode'), ptr('addr'),
      flags('flags', MEMPOLICY_FLAGS, 'MPOL_F_???')] },
  migrate_pages: { x86_64: 256, aarch64: 238, run: migratePages, ret: 'int', support: FULL,
    args: [pid('pid'), ulong('maxnode'), nodemask('old_nodes', 1), nodemask('new_nodes', 1)] },
  move_pages: { x86_64: 279, aarch64: 239, run: movePages, ret: 'int', support: FULL,
    args: [pid('pid'), ulong('count'), ptr('pages'), ptr('nodes'), statusOut('status'),
      flags('flags', MBIND_FLAGS, 'MPOL_MF_???')] },
  set_mempolicy_home_node: { x86_64: 450, aarch64: 450, run: setMempolicyHomeNode, ret: 'int', support: FULL,
    args: [ptr('start'), size('len'), ulong('home_node'), hex('flags')] },
});
