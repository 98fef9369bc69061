// Cases of every WASI function.
import assert from "node:assert/strict";
import { Errno } from "../../../host/wasm/abi.ts";
import type { Harness } from "./guests.ts";
import { type Argument, at, type Case, KEY, OUT, type Row } from "./trampoline.ts";

function answers(args: readonly Argument[], result: number): Case {
  return { name: "answer", args, result };
}

const wasiGood = (args: readonly Argument[], result: number = Errno.Success): Row => ({
  cases: [answers(args, result)],
});
const fails = (name: string, args: readonly Argument[], result: number): Case => ({ name, args, result });
const { BadFile, NoSystemCall, NotSupported, NoEntry, NotDirectory, Invalid } = Errno;
const IOVEC = 2304;
export const WasiCases: Record<string, Row> = {
  fd_write: {
    slots: [3],
    cases: [
      {
        name: "error line",
        args: [2, IOVEC, 1, OUT],
        result: 0,
        prepare: iovec,
        check: ({ harness, out }) => {
          assert.equal(out(0), 5);
          assert.deepEqual(harness.services.lines, ["4 test: value"]);
        },
      },
      fails("other descriptor", [3, IOVEC, 1, OUT], BadFile),
      fails("vectors out of range", [1, -8, 2, OUT], Errno.Fault),
      fails("too many vectors", [1, IOVEC, -1, OUT], Errno.Fault),
    ],
  },
  fd_pwrite: { slots: [4], cases: [{ ...fails("line", [1, IOVEC, 1, 0n, OUT], 0), prepare: iovec }] },
  proc_exit: {
    cases: [{ name: "ends the VM", args: [3], result: -1, check: ({ stream }) => assert.equal(stream.replies.length, 1) }],
  },
  environ_sizes_get: {
    slots: [0, 1],
    cases: [{ ...fails("sizes", [OUT, OUT + 4], 0), check: ({ out }) => assert.deepEqual([out(0), out(4)], [1, 4]) }],
  },
  environ_get: {
    slots: [0, 1],
    cases: [{ ...fails("K=v", [OUT, OUT + 16], 0), check: ({ out }) => assert.equal(out(16), 0x00763d4b) }],
  },
  args_sizes_get: { slots: [0, 1], cases: wasiGood([OUT, OUT + 4]).cases },
  args_get: wasiGood([OUT, OUT]),
  clock_time_get: {
    slots: [2],
    cases: [...wasiGood([0, 1n, OUT]).cases, ...wasiGood([1, 1n, OUT]).cases, fails("other clock", [2, 1n, OUT], NotSupported)],
  },
  clock_res_get: { slots: [1], cases: [...wasiGood([0, OUT]).cases, fails("other clock", [3, OUT], NotSupported)] },
  random_get: {
    cases: [
      ...wasiGood([OUT, 8]).cases,
      ...wasiGood([OUT, 0]).cases,
      fails("too much", [OUT, 65537], Invalid),
      fails("bad pointer", [-4, 8], Errno.Fault),
    ],
  },
  fd_close: wasiGood([1]),
  fd_fdstat_get: {
    slots: [1],
    cases: [{ ...fails("stdout", [1, OUT], 0), check: ({ out }) => assert.equal(out(8), 64) }, fails("other", [3, OUT], BadFile)],
  },
  fd_fdstat_set_flags: wasiGood([1, 0], NoSystemCall),
  fd_prestat_get: wasiGood([3, OUT], BadFile),
  fd_prestat_dir_name: wasiGood([3, OUT, 4], NoSystemCall),
  poll_oneoff: { slots: [3], cases: wasiGood([OUT, OUT, 1, OUT]).cases },
  sched_yield: wasiGood([]),
  fd_seek: wasiGood([1, 0n, 0, OUT]),
  fd_read: wasiGood([0, IOVEC, 1, OUT], NoSystemCall),
  fd_pread: wasiGood([0, IOVEC, 1, 0n, OUT], NoSystemCall),
  fd_filestat_get: wasiGood([1, OUT], BadFile),
  fd_advise: wasiGood([1, 0n, 0n, 0]),
  fd_allocate: wasiGood([1, 0n, 0n]),
  fd_datasync: wasiGood([3], BadFile),
  fd_sync: wasiGood([2]),
  fd_fdstat_set_rights: wasiGood([1, 0n, 0n]),
  fd_filestat_set_size: wasiGood([1, 0n]),
  fd_filestat_set_times: wasiGood([1, 0n, 0n, 0]),
  fd_readdir: { slots: [4], cases: wasiGood([3, OUT, 8, 0n, OUT], NotDirectory).cases },
  fd_renumber: wasiGood([1, 2], NotSupported),
  fd_tell: { slots: [1], cases: wasiGood([1, OUT]).cases },
  path_open: wasiGood([3, 0, KEY, 5, 0, 0n, 0n, 0, OUT], NoEntry),
  path_filestat_get: wasiGood([3, 0, KEY, 5, OUT], NotSupported),
  path_filestat_set_times: wasiGood([3, 0, KEY, 5, 0n, 0n, 0], NotSupported),
  path_create_directory: wasiGood([3, KEY, 5], NotSupported),
  path_link: wasiGood([3, 0, KEY, 5, 3, KEY, 5], NotSupported),
  path_readlink: { slots: [5], cases: wasiGood([3, KEY, 5, OUT, 8, OUT], NotSupported).cases },
  path_remove_directory: wasiGood([3, KEY, 5], NotSupported),
  path_rename: wasiGood([3, KEY, 5, 3, KEY, 5], NotSupported),
  path_symlink: wasiGood([KEY, 5, 3, KEY, 5], NotSupported),
  path_unlink_file: wasiGood([3, KEY, 5], NotSupported),
  sock_accept: { slots: [2], cases: wasiGood([3, 0, OUT], NotSupported).cases },
  sock_recv: { slots: [4, 5], cases: wasiGood([3, IOVEC, 1, 0, OUT, OUT], NotSupported).cases },
  sock_send: { slots: [4], cases: wasiGood([3, IOVEC, 1, 0, OUT], NotSupported).cases },
  sock_shutdown: wasiGood([3, 0], NotSupported),
};

function iovec(harness: Harness): void {
  harness.engine.view.setUint32(IOVEC, at("value"), true);
  harness.engine.view.setUint32(IOVEC + 4, 5, true);
}
