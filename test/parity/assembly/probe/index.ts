// A filter that does what it is told, in both proxies the same. The program stands in the plugin's configuration and, for one
// request, in its header `x-do-<plugin name>`: phases divided by ";", each "name:command|command…". A phase that the program
// names writes one log line with its arguments and the answer of each command; `ret N` sets what the callback returns.
// The phase "*:" makes every callback write its line.
export * from "sluice/sdk/core";
export * from "sluice/sdk/exports";

import {
  Context,
  FilterDataStatus,
  FilterHeadersStatus,
  FilterStatus,
  FilterTrailersStatus,
  GrpcCall,
  GrpcStatus,
  GrpcStream,
  HeaderList,
  HttpCall,
  HttpContext,
  LogLevel,
  log,
  PeerType,
  plugin,
  registerRootContext,
  RootContext,
  TcpContext,
} from "sluice/sdk";
import { bytesOf, run } from "./interpreter";

class Outcome {
  code: u32 = 0;
}

function commandsOf(program: string, phase: string): string[] | null {
  const phases = program.split(";");
  let found: string[] | null = null;
  for (let i = 0; i < phases.length; i++) {
    const text = phases[i].trim();
    if (text == "*:" && found == null) found = [];
    if (!text.startsWith(phase + ":")) continue;
    found = text.slice(phase.length + 1).split("|");
  }
  return found;
}

/** The program of one stream, and how it is run. */
class Script {
  constructor(
    readonly context: Context,
    readonly root: ProbeRoot,
    public program: string,
  ) {}

  private grpc: Grpc | null = null;
  private grpcStream: Stream | null = null;

  act(phase: string, args: string[], otherwise: u32): u32 {
    const commands = commandsOf(this.program, phase);
    if (commands == null) return otherwise;
    let code = otherwise;
    const answers: string[] = [];
    for (let i = 0; i < commands.length; i++) {
      const command = commands[i].trim();
      if (command.startsWith("ret ")) code = <u32>U32.parseInt(command.slice(4));
      else if (command == "seen") answers.push(this.root.seen);
      else if (command.startsWith("call ")) answers.push(this.call(command.split(" ")));
      else if (command.startsWith("g-")) answers.push(this.runGrpc(command.split(" ")));
      else if (command != "") answers.push(run(command, this.context, this.root.id));
    }
    log(LogLevel.Info, "#" + phase + "(" + args.join(",") + ") " + answers.join("; "));
    return code;
  }

  /** call PHASE CLUSTER TIMEOUT BODY name=value…: the answer runs the phase. */
  private call(words: string[]): string {
    const list = new HeaderList();
    for (let i = 5; i < words.length; i++) {
      const at = words[i].indexOf("=");
      list.addBytes(bytesOf(words[i].slice(0, at)), bytesOf(words[i].slice(at + 1)));
    }
    return (<u32>new Call(this, words[1]).send(words[2], list, <u32>U32.parseInt(words[3]), bytesOf(words[4]))).toString();
  }

  /**
   * g-call PHASE UPSTREAM SERVICE METHOD TIMEOUT MESSAGE name=value…, g-open PHASE UPSTREAM SERVICE METHOD name=value…,
   * g-send MESSAGE [end], g-end, g-cancel, g-drop: the call or stream that was begun last, of the two kinds.
   */
  private runGrpc(words: string[]): string {
    const name = words[0];
    const isCall = name == "g-call";
    const stream = this.grpcStream;
    if (isCall || name == "g-open") {
      const list = new HeaderList();
      for (let i = isCall ? 7 : 5; i < words.length; i++) {
        const at = words[i].indexOf("=");
        list.addBytes(bytesOf(words[i].slice(0, at)), bytesOf(words[i].slice(at + 1)));
      }
      const upstream = bytesOf(words[2]);
      if (isCall) {
        const call = new Grpc(this, words[1]);
        this.grpc = call;
        return (<u32>call.send(upstream, words[3], words[4], bytesOf(words[6]), <u32>U32.parseInt(words[5]), list)).toString();
      }
      const opened = new Stream(this, words[1]);
      this.grpcStream = opened;
      return (<u32>opened.open(upstream, words[3], words[4], list)).toString();
    }
    if (name == "g-drop") return this.grpc == null ? "none" : (<Grpc>this.grpc).cancel().toString();
    if (stream == null) return "none";
    if (name == "g-send") return (<u32>stream.send(bytesOf(words[1]), words.length > 2)).toString();
    if (name == "g-end") return stream.end().toString();
    return stream.cancel().toString();
  }
}

class Grpc extends GrpcCall {
  constructor(
    private script: Script,
    private phase: string,
  ) {
    super(script.context);
  }

  override onResponse(size: u32): void {
    this.script.act(this.phase, ["response", size.toString()], 0);
  }

  override onClose(status: GrpcStatus, reason: string): void {
    this.script.act(this.phase, ["closed", (<i32>status).toString(), reason], 0);
  }
}

/** Its phase has the event's letter behind its name: i, m, t, c. */
class Stream extends GrpcStream {
  constructor(
    private script: Script,
    private phase: string,
  ) {
    super(script.context);
  }

  override onInitialMetadata(count: u32): void {
    this.script.act(this.phase + "i", [count.toString()], 0);
  }

  override onMessage(size: u32): void {
    this.script.act(this.phase + "m", [size.toString()], 0);
  }

  override onTrailingMetadata(count: u32): void {
    this.script.act(this.phase + "t", [count.toString()], 0);
  }

  override onClose(status: GrpcStatus, reason: string): void {
    this.script.act(this.phase + "c", [(<i32>status).toString(), reason], 0);
  }
}

class Call extends HttpCall {
  constructor(
    private script: Script,
    private phase: string,
  ) {
    super(script.context);
  }

  override onResponse(headers: u32, size: u32, trailers: u32): void {
    this.script.act(this.phase, [headers.toString(), size.toString(), trailers.toString()], 0);
  }

  override onFailure(reason: string): void {
    this.script.act(this.phase, ["failed", reason], 0);
  }
}

/** One TCP connection: the program of a configuration that begins with "#tcp". Phases nc, dd, ud, dc, uc; the n-th data may have its own, dd2. */
class TcpProbe extends TcpContext {
  private script: Script | null = null;
  private downstreamCount: i32 = 0;
  private upstreamCount: i32 = 0;

  constructor(id: u32, root: ProbeRoot) {
    super(id, root);
    this.script = new Script(this, root, root.program);
  }

  private act(phase: string, args: string[], otherwise: u32): u32 {
    const script = this.script;
    return script == null ? otherwise : script.act(phase, args, otherwise);
  }

  private counted(name: string, count: i32): string {
    const own = name + count.toString();
    const script = this.script;
    return script != null && script.program.includes(own + ":") ? own : name;
  }

  override onNewConnection(): FilterStatus {
    return <FilterStatus>this.act("nc", [], 0);
  }
  override onDownstreamData(size: usize, end: bool): FilterStatus {
    return <FilterStatus>this.act(this.counted("dd", ++this.downstreamCount), [size.toString(), end.toString()], 0);
  }
  override onUpstreamData(size: usize, end: bool): FilterStatus {
    return <FilterStatus>this.act(this.counted("ud", ++this.upstreamCount), [size.toString(), end.toString()], 0);
  }
  override onDownstreamConnectionClose(peer: PeerType): void {
    this.act("dc", [(<u32>peer).toString()], 0);
  }
  override onUpstreamConnectionClose(peer: PeerType): void {
    this.act("uc", [(<u32>peer).toString()], 0);
  }
  override onLog(): void {
    this.act("log", [], 0);
  }
  override onDone(): bool {
    this.act("done", [], 1);
    return true;
  }
  override onDelete(): void {
    this.act("delete", [], 0);
  }
}

class Probe extends HttpContext {
  private script: Script | null = null;

  constructor(id: u32, root: ProbeRoot) {
    super(id, root);
    this.script = new Script(this, root, root.program);
  }

  act(phase: string, args: string[], otherwise: u32): u32 {
    const script = this.script;
    return script == null ? otherwise : script.act(phase, args, otherwise);
  }

  /** The last call has a phase of its own, "rbe" or "sbe", if the program has one. */
  private bodyPhase(name: string, end: bool): string {
    const script = this.script;
    return end && script != null && script.program.includes(name + "e:") ? name + "e" : name;
  }

  override onRequestHeaders(count: u32, end: bool): FilterHeadersStatus {
    const own = this.requestHeaders.get("x-do-" + (<ProbeRoot>this.root).name);
    const script = this.script;
    if (own != null && script != null) script.program += ";" + own;
    return <FilterHeadersStatus>this.act("rh", [count.toString(), end.toString()], 0);
  }
  override onRequestBody(size: usize, end: bool): FilterDataStatus {
    return <FilterDataStatus>this.act(this.bodyPhase("rb", end), [size.toString(), end.toString()], 0);
  }
  override onRequestTrailers(count: u32): FilterTrailersStatus {
    return <FilterTrailersStatus>this.act("rt", [count.toString()], 0);
  }
  override onResponseHeaders(count: u32, end: bool): FilterHeadersStatus {
    return <FilterHeadersStatus>this.act("sh", [count.toString(), end.toString()], 0);
  }
  override onResponseBody(size: usize, end: bool): FilterDataStatus {
    return <FilterDataStatus>this.act(this.bodyPhase("sb", end), [size.toString(), end.toString()], 0);
  }
  override onResponseTrailers(count: u32): FilterTrailersStatus {
    return <FilterTrailersStatus>this.act("st", [count.toString()], 0);
  }
  override onLog(): void {
    this.act("log", [], 0);
  }
  override onDone(): bool {
    this.act("done", [], 1);
    return true;
  }
  override onDelete(): void {
    this.act("delete", [], 0);
  }
}

class ProbeRoot extends RootContext {
  program: string = "";
  name: string = "";
  /** Size and bytes of the configuration, and the VM's: what the command "seen" answers. */
  seen: string = "";

  override onVmStart(size: u32): bool {
    this.name = plugin.name() || "";
    return true;
  }

  override onConfigure(size: u32): bool {
    const bytes = this.configuration();
    const text = bytes.toString();
    this.name = plugin.name() || "";
    // Anything that is not a program (a Struct, bytes) is only shown.
    this.program = text.startsWith("#") ? text.slice(1) : "rh:prop plugin_name";
    this.seen = size.toString() + ", plugin " + run("body 7", null, this.id) + ", vm " + run("body 6", null, this.id);
    this.act("conf");
    return text != "#refuse";
  }

  private act(phase: string): void {
    const commands = commandsOf(this.program, phase);
    if (commands == null) return;
    const answers: string[] = [];
    for (let i = 0; i < commands.length; i++) {
      if (commands[i].trim().startsWith("tick ")) this.setTickPeriod(<u32>U32.parseInt(commands[i].trim().slice(5)));
      else answers.push(run(commands[i].trim(), null, this.id));
    }
    log(LogLevel.Info, "#" + phase + " " + answers.join("; "));
  }

  override createHttpContext(id: u32): HttpContext | null {
    return this.program.startsWith("tcp") ? null : new Probe(id, this);
  }
  override createTcpContext(id: u32): TcpContext | null {
    return new TcpProbe(id, this);
  }
  override onTick(): void {
    this.act("tick");
  }
  override onQueueReady(queueId: u32): void {
    this.act("queue");
  }
}

registerRootContext((id: u32): RootContext => new ProbeRoot(id));
