// Where access log lines go: one writer a path and worker, lines collected and appended in one asynchronous write. A full disk, a
// stalled pipe or a missing directory never stops traffic: beyond 1 MiB waiting, the oldest lines are dropped and counted.
import { close, open, write } from "node:fs";
import { Timer, type Clock, type TimerOwner } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Counter, Gauge, StatsStore } from "../stats/store.ts";

/** Lines wait at most this long, or until so many bytes are together (Envoy: --file-flush-interval-msec, 64 KiB). */
const DEFAULT_FLUSH_INTERVAL_MS = 1000;
const FLUSH_BYTES = 64 * 1024;
const MAX_WAITING_BYTES = 1024 * 1024;

interface FileStats {
  readonly writeBuffered: Counter;
  readonly writeCompleted: Counter;
  readonly writeFailed: Counter;
  readonly dropped: Counter;
  readonly flushedByTimer: Counter;
  readonly reopenFailed: Counter;
  readonly writeTotalBuffered: Gauge;
}

export class LogFile implements TimerOwner {
  readonly path: string;
  private readonly clock: Clock;
  private readonly stats: FileStats;
  private readonly logger: Logger;
  private readonly flushIntervalMs: number;
  private readonly timer = new Timer(this, 0);
  private fd: number | undefined;
  private lines: string[] = [];
  private bytes = 0;
  private writing = false;
  private failed = false;
  private closing = false;
  users = 0;

  constructor(path: string, fd: number | undefined, clock: Clock, stats: FileStats, logger: Logger, flushIntervalMs: number) {
    this.path = path;
    this.fd = fd;
    this.clock = clock;
    this.stats = stats;
    this.logger = logger;
    this.flushIntervalMs = flushIntervalMs;
  }

  /** `line` ends with its newline. */
  write(line: string): void {
    this.lines.push(line);
    this.bytes += line.length;
    this.stats.writeBuffered.inc();
    this.stats.writeTotalBuffered.add(line.length);
    if (this.bytes > MAX_WAITING_BYTES) this.dropOldest();
    if (this.bytes >= FLUSH_BYTES) this.flush();
    else if (!this.timer.armed) this.clock.start(this.timer, this.flushIntervalMs);
  }

  private dropOldest(): void {
    let count = 0;
    while (this.bytes > MAX_WAITING_BYTES / 2 && count < this.lines.length) {
      this.bytes -= this.lines[count].length;
      this.stats.writeTotalBuffered.add(-this.lines[count].length);
      count++;
    }
    this.lines.splice(0, count);
    this.stats.dropped.add(count);
  }

  onTimer(): void {
    this.stats.flushedByTimer.inc();
    this.flush();
  }

  flush(): void {
    this.timer.clear();
    if (this.writing || this.lines.length === 0) return;
    this.writing = true;
    const batch = Buffer.from(this.lines.join(""), "latin1");
    const count = this.lines.length;
    this.lines = [];
    this.bytes = 0;
    this.stats.writeTotalBuffered.add(-batch.length);
    if (this.fd === undefined) {
      open(this.path, "a", 0o644, (error, fd) => {
        if (error !== null) return this.done(error, count);
        this.fd = fd;
        this.writeAll(batch, 0, count);
      });
    } else this.writeAll(batch, 0, count);
  }

  private writeAll(batch: Buffer, at: number, count: number): void {
    write(this.fd as number, batch, at, batch.length - at, null, (error, written) => {
      if (error !== null && (error.code === "EAGAIN" || error.code === "EINTR")) {
        setTimeout(() => this.writeAll(batch, at, count), 10);
        return;
      }
      if (error === null && at + written < batch.length) return this.writeAll(batch, at + written, count);
      this.done(error, count);
    });
  }

  private done(error: NodeJS.ErrnoException | null, count: number): void {
    this.writing = false;
    if (error === null) {
      this.stats.writeCompleted.inc();
      this.failed = false;
    } else {
      this.stats.writeFailed.inc();
      this.stats.dropped.add(count);
      // Said once until a write works again: a full disk must not fill the other log.
      if (!this.failed)
        this.logger.log(
          "error",
          "file",
          `access log ${this.path}: ${error.message}; lines are dropped and counted in filesystem.write_failed`,
        );
      this.failed = true;
    }
    if (this.closing) this.close();
    else if (this.bytes >= FLUSH_BYTES) this.flush();
    else if (this.lines.length > 0 && !this.timer.armed) this.clock.start(this.timer, this.flushIntervalMs);
  }

  /** Opens the path anew (SIGUSR1, log rotation). */
  reopen(): void {
    if (this.path === "" || this.writing || this.fd === undefined) return;
    const old = this.fd;
    this.fd = undefined;
    close(old, (error) => {
      if (error !== null) this.stats.reopenFailed.inc();
    });
  }

  /** Writes what waits, then closes. */
  close(): void {
    this.closing = true;
    if (this.writing) return;
    if (this.lines.length > 0) {
      this.flush();
      return;
    }
    if (this.path !== "" && this.fd !== undefined) {
      const fd = this.fd;
      this.fd = undefined;
      close(fd, (error) => {
        if (error !== null) this.logger.log("warning", "file", `access log ${this.path}: ${error.message}`);
      });
    }
  }

  get pending(): boolean {
    return this.writing || this.lines.length > 0;
  }
}

export class LogFiles {
  private readonly files = new Map<string, LogFile>();
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly stats: FileStats;
  private readonly flushIntervalMs: number;

  constructor(clock: Clock, store: StatsStore, logger: Logger, flushIntervalMs = DEFAULT_FLUSH_INTERVAL_MS) {
    this.clock = clock;
    this.logger = logger;
    this.flushIntervalMs = flushIntervalMs;
    this.stats = {
      writeBuffered: store.counter("filesystem.write_buffered"),
      writeCompleted: store.counter("filesystem.write_completed"),
      writeFailed: store.counter("filesystem.write_failed"),
      dropped: store.counter("filesystem.dropped"),
      flushedByTimer: store.counter("filesystem.flushed_by_timer"),
      reopenFailed: store.counter("filesystem.reopen_failed"),
      writeTotalBuffered: store.gauge("filesystem.write_total_buffered"),
    };
  }

  /** Shared by all users of the path. */
  acquire(path: string): LogFile {
    let file = this.files.get(path);
    if (file === undefined) {
      const fd = path === "/dev/stdout" ? 1 : path === "/dev/stderr" ? 2 : undefined;
      file = new LogFile(fd === undefined ? path : "", fd, this.clock, this.stats, this.logger, this.flushIntervalMs);
      this.files.set(path, file);
    }
    file.users++;
    return file;
  }

  release(file: LogFile): void {
    if (--file.users > 0) return;
    for (const [path, known] of this.files) if (known === file) this.files.delete(path);
    file.close();
  }

  reopen(): void {
    for (const file of this.files.values()) file.reopen();
  }

  /** Resolves when everything that waits has been written (or dropped). */
  async flush(): Promise<void> {
    for (const file of this.files.values()) file.flush();
    const deadline = performance.now() + 1000;
    while ([...this.files.values()].some((file) => file.pending) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      for (const file of this.files.values()) file.flush();
    }
  }
}
