// The probe's commands: each is a few words, does one host call and answers with what the host answered.
import { ByteString, Context, HeaderList, LocalReply, LogLevel, log, setEnvoyFilterState } from "sluice/sdk";
import {
  proxy_add_header_map_value,
  proxy_call_foreign_function,
  proxy_close_stream,
  proxy_continue_stream,
  proxy_define_metric,
  proxy_dequeue_shared_queue,
  proxy_enqueue_shared_queue,
  proxy_get_buffer_bytes,
  proxy_get_buffer_status,
  proxy_get_header_map_pairs,
  proxy_get_header_map_size,
  proxy_get_header_map_value,
  proxy_get_metric,
  proxy_get_property,
  proxy_get_shared_data,
  proxy_get_status,
  proxy_grpc_call,
  proxy_grpc_cancel,
  proxy_grpc_close,
  proxy_grpc_send,
  proxy_grpc_stream,
  proxy_http_call,
  proxy_increment_metric,
  proxy_log,
  proxy_record_metric,
  proxy_register_shared_queue,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
  proxy_resolve_shared_queue,
  proxy_send_local_response,
  proxy_set_buffer_bytes,
  proxy_set_effective_context,
  proxy_set_header_map_pairs,
  proxy_set_property,
  proxy_set_shared_data,
} from "sluice/sdk/env";

const PTR: usize = memory.data(8, 8);
const LEN: usize = memory.data(8, 8);
const NUM: usize = memory.data(8, 8);

function clear(): void {
  store<u32>(PTR, 0);
  store<u32>(LEN, 0);
  store<u64>(NUM, 0);
}

function taken(): ByteString {
  const size = load<u32>(LEN);
  const copy = new ArrayBuffer(size);
  memory.copy(changetype<usize>(copy), load<u32>(PTR), size);
  return ByteString.wrap(copy);
}

/** Printable text as it is, anything else in hex. */
export function show(bytes: ByteString): string {
  let text = "";
  let isText = true;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes.at(i);
    if (byte < 32 || byte > 126) isText = false;
    text += (byte < 16 ? "0" : "") + byte.toString(16);
  }
  return isText ? "'" + bytes.toString() + "'" : text;
}

/** `~` stands for a blank, `^` for nothing; `hex:…` are bytes, `size:N` is N times "x". */
export function bytesOf(word: string): ByteString {
  if (word == "^") return ByteString.EMPTY;
  if (word.startsWith("size:")) return ByteString.of("x".repeat(I32.parseInt(word.slice(5))));
  if (!word.startsWith("hex:")) return ByteString.of(word.replaceAll("~", " "));
  const length = (word.length - 4) / 2;
  const bytes = new ArrayBuffer(length);
  for (let i = 0; i < length; i++) store<u8>(changetype<usize>(bytes) + i, <u8>I32.parseInt(word.slice(4 + i * 2, 6 + i * 2), 16));
  return ByteString.wrap(bytes);
}

function listOf(words: string[], from: i32): HeaderList {
  const list = new HeaderList();
  for (let i = from; i < words.length; i++) {
    const at = words[i].indexOf("=");
    list.addBytes(bytesOf(words[i].slice(0, at)), bytesOf(words[i].slice(at + 1)));
  }
  return list;
}

function number(words: string[], at: i32): u32 {
  return at < words.length ? <u32>U32.parseInt(words[at]) : 0;
}

function status(result: u32): string {
  return result.toString();
}

function answer(result: u32): string {
  return result == 0 ? "0 " + show(taken()) : result.toString();
}

/** Whole header maps; the program itself is left out. */
function dump(map: u32): string {
  clear();
  const result = proxy_get_header_map_pairs(map, PTR, LEN);
  if (result != 0) return status(result);
  const list = HeaderList.decode(taken().toBuffer());
  let text = "0";
  for (let i = 0; i < list.count; i++) {
    const name = list.nameAt(i).toString();
    if (name.startsWith("x-do-")) continue;
    text += " " + name + "=" + list.valueAt(i).toString();
  }
  return text;
}

/** A property path has dots; a segment with dots in it is written with commas. */
function path(word: string): ByteString {
  return ByteString.of(word.split(".").join("\0").replaceAll(",", "."));
}

function property(word: string, onlyLength: bool): string {
  const name = path(word);
  clear();
  const result = proxy_get_property(name.ptr, name.length, PTR, LEN);
  if (result != 0) return word + " " + result.toString();
  return word + (onlyLength ? " 0 #" + taken().length.toString() : " 0 " + show(taken()));
}

/** Host calls with addresses and numbers that no host may accept. */
function bad(): string {
  const far: usize = 0xfffffff0;
  const results: u32[] = [
    proxy_log(9, PTR, 0),
    proxy_log(2, far, 16),
    proxy_get_header_map_value(0, far, 100, PTR, LEN),
    proxy_get_header_map_value(77, PTR, 1, PTR, LEN),
    proxy_get_header_map_pairs(77, PTR, LEN),
    proxy_get_header_map_pairs(0, far, far),
    proxy_get_header_map_size(77, NUM),
    proxy_get_buffer_bytes(77, 0, 1, PTR, LEN),
    proxy_get_buffer_status(77, NUM, LEN),
    proxy_set_buffer_bytes(4, 0, 1, PTR, 1),
    proxy_set_buffer_bytes(0, 0, 1, far, 100),
    proxy_get_property(far, 100, PTR, LEN),
    proxy_set_effective_context(99999),
    proxy_continue_stream(9),
    proxy_close_stream(9),
    proxy_define_metric(9, PTR, 0, NUM),
    proxy_get_shared_data(far, 100, PTR, LEN, NUM),
    proxy_set_shared_data(far, 100, PTR, 0, 0),
    proxy_enqueue_shared_queue(0, PTR, 0),
    proxy_dequeue_shared_queue(0, PTR, LEN),
  ];
  return results.join(" ");
}

/** gRPC functions with tokens of nothing and with addresses that no host may accept. */
function grpcTokens(): string {
  const far: usize = 0xfffffff0;
  const results: u32[] = [];
  for (let token: u32 = 0; token < 12; token += 1) {
    results.push(proxy_grpc_send(token, PTR, 0, 0));
    results.push(proxy_grpc_cancel(token));
    results.push(proxy_grpc_close(token));
  }
  results.push(proxy_grpc_send(2, far, 100, 0));
  results.push(proxy_grpc_call(far, 100, PTR, 0, PTR, 0, PTR, 0, PTR, 0, 10, NUM));
  results.push(proxy_grpc_stream(PTR, 0, far, 100, PTR, 0, PTR, 0, NUM));
  return results.join(" ");
}

/** Runs one command for a stream, or for a root (`stream` is null then). */
export function run(command: string, stream: Context | null, rootId: u32): string {
  const words = command.split(" ").filter((word) => word != "");
  if (words.length == 0) return "";
  const name = words[0];
  const key = words.length > 2 ? bytesOf(words[2]) : ByteString.EMPTY;
  const value = words.length > 3 ? bytesOf(words[3]) : ByteString.EMPTY;
  const first = words.length > 1 ? bytesOf(words[1]) : ByteString.EMPTY;
  const n = words.length > 1 && words[1].length > 0 && words[1].charCodeAt(0) <= 0x39 ? number(words, 1) : 0;
  clear();
  if (name == "dump") return dump(n);
  if (name == "get") return answer(proxy_get_header_map_value(n, key.ptr, key.length, PTR, LEN));
  if (name == "add") return status(proxy_add_header_map_value(n, key.ptr, key.length, value.ptr, value.length));
  if (name == "set") return status(proxy_replace_header_map_value(n, key.ptr, key.length, value.ptr, value.length));
  if (name == "del") return status(proxy_remove_header_map_value(n, key.ptr, key.length));
  if (name == "mapsize") {
    const result = proxy_get_header_map_size(n, NUM);
    return status(result) + " " + (load<u32>(NUM) > 0 ? "some" : "none");
  }
  if (name == "pairs") {
    const bytes = listOf(words, 2).encode();
    return status(proxy_set_header_map_pairs(n, changetype<usize>(bytes), bytes.byteLength));
  }
  if (name == "rawpairs") return status(proxy_set_header_map_pairs(n, key.ptr, key.length));
  if (name == "body")
    return answer(
      proxy_get_buffer_bytes(n, words.length > 2 ? number(words, 2) : 0, words.length > 3 ? number(words, 3) : u32.MAX_VALUE, PTR, LEN),
    );
  if (name == "blen") {
    const result = proxy_get_buffer_status(n, NUM, LEN);
    return status(result) + " " + load<u32>(NUM).toString();
  }
  if (name == "splice") {
    const bytes = words.length > 4 ? bytesOf(words[4]) : ByteString.EMPTY;
    return status(proxy_set_buffer_bytes(n, number(words, 2), number(words, 3), bytes.ptr, bytes.length));
  }
  if (name == "prop") {
    let text = "";
    for (let i = 1; i < words.length; i++) text += (i > 1 ? ", " : "") + property(words[i], false);
    return text;
  }
  if (name == "proplen") return property(words[1], true);
  if (name == "setprop") {
    const bytes = path(words[1]);
    return status(proxy_set_property(bytes.ptr, bytes.length, key.ptr, key.length));
  }
  if (name == "reply") {
    const reply = new LocalReply(n).bodyFrom(key);
    for (let i = 3; i < words.length; i++) {
      const at = words[i].indexOf("=");
      const field = words[i].slice(0, at);
      const text = words[i].slice(at + 1).replaceAll("~", " ");
      if (field == "details") reply.details(text);
      else if (field == "grpc") reply.grpcStatus(I32.parseInt(text));
      else reply.header(field, text);
    }
    return reply.send() ? "sent" : "refused";
  }
  if (name == "rawreply") return status(proxy_send_local_response(n, key.ptr, key.length, value.ptr, value.length, 0, 0, -1));
  if (name == "g-raw") return grpcTokens();
  if (name == "continue") return status(proxy_continue_stream(n));
  if (name == "close") return status(proxy_close_stream(n));
  if (name == "filterstate") return setEnvoyFilterState(words[1], key) ? "set" : "refused";
  if (name == "foreign") return answer(proxy_call_foreign_function(first.ptr, first.length, key.ptr, key.length, PTR, LEN));
  if (name == "shared-get") {
    const result = proxy_get_shared_data(first.ptr, first.length, PTR, LEN, NUM);
    return answer(result) + (result == 0 ? " cas " + load<u32>(NUM).toString() : "");
  }
  if (name == "shared-set") return status(proxy_set_shared_data(first.ptr, first.length, key.ptr, key.length, number(words, 3)));
  if (name == "queue-register") {
    const result = proxy_register_shared_queue(first.ptr, first.length, NUM);
    return status(result) + " id " + load<u32>(NUM).toString();
  }
  if (name == "queue-resolve") {
    const result = proxy_resolve_shared_queue(first.ptr, first.length, key.ptr, key.length, NUM);
    return status(result) + " id " + load<u32>(NUM).toString();
  }
  if (name == "enqueue") return status(proxy_enqueue_shared_queue(n, key.ptr, key.length));
  if (name == "dequeue") return answer(proxy_dequeue_shared_queue(n, PTR, LEN));
  if (name == "metric") {
    const result = proxy_define_metric(n, key.ptr, key.length, NUM);
    const id = load<u32>(NUM);
    let text = "define " + status(result);
    for (let i = 3; i < words.length; i++) {
      const action = words[i].slice(0, 1);
      const amount = I64.parseInt(words[i].slice(1));
      if (action == "+") text += " inc " + status(proxy_increment_metric(id, amount));
      else if (action == "-") text += " dec " + status(proxy_increment_metric(id, -amount));
      else if (action == "=") text += " rec " + status(proxy_record_metric(id, amount));
      else {
        store<u64>(NUM, 0);
        const got = proxy_get_metric(id, NUM);
        text += " get " + status(got) + " " + load<u64>(NUM).toString();
      }
    }
    return text;
  }
  if (name == "no-metric")
    return (
      status(proxy_increment_metric(123456, 1)) + " " + status(proxy_record_metric(123456, 1)) + " " + status(proxy_get_metric(123456, NUM))
    );
  if (name == "status") {
    const result = proxy_get_status(NUM, PTR, LEN);
    return status(result) + " " + load<u32>(NUM).toString() + " " + show(taken());
  }
  if (name == "effective") {
    const id = words[1] == "root" ? rootId : words[1] == "self" && stream != null ? stream.id : number(words, 1);
    return status(proxy_set_effective_context(id));
  }
  if (name == "rawcall") {
    const pairs = listOf(words, 3).encode();
    return status(proxy_http_call(first.ptr, first.length, changetype<usize>(pairs), pairs.byteLength, 0, 0, 0, 0, number(words, 2), NUM));
  }
  if (name == "log") {
    log(<LogLevel>n, "#" + words[2]);
    return "";
  }
  if (name == "bad") return bad();
  if (name == "trap") unreachable();
  if (name == "grow") {
    // Memory without end: what the host does when the guest has used up its own.
    while (true) if (memory.grow(64) < 0) unreachable();
  }
  return "? " + name;
}
