"""The package h2 as a peer: `h2_peer.py client PORT` asks and prints what it saw as JSON; `h2_peer.py server` prints its port and answers."""
import json
import socket
import sys
import threading

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived


class Exchange:
    def __init__(self):
        self.headers = {}
        self.body = b""
        self.trailers = {}
        self.reset = None
        self.ended = False


def pairs(headers):
    return {bytes(name).decode() if isinstance(name, bytes) else name: bytes(value).decode() if isinstance(value, bytes) else value for name, value in headers}


class Peer:
    """One connection: sends what waits as windows allow, keeps what comes by stream."""

    def __init__(self, sock, is_client):
        self.sock = sock
        self.h2 = H2Connection(H2Configuration(client_side=is_client, header_encoding="utf-8"))
        self.exchanges = {}
        self.waiting = {}  # stream: (bytes, trailers)
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def send(self, stream, body, trailers):
        self.waiting[stream] = (body, trailers)
        self.pump()

    def pump(self):
        for stream, (body, trailers) in list(self.waiting.items()):
            size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            while size > 0:
                self.h2.send_data(stream, body[:size], end_stream=size == len(body) and not trailers)
                body = body[size:]
                size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            if body:
                self.waiting[stream] = (body, trailers)
                continue
            del self.waiting[stream]
            if trailers:
                self.h2.send_headers(stream, trailers, end_stream=True)
        self.flush()

    def read(self):
        """Handles one read; False at the end."""
        data = self.sock.recv(65536)
        if not data:
            return False
        for event in self.h2.receive_data(data):
            if isinstance(event, ConnectionTerminated):
                return False
            stream = getattr(event, "stream_id", None)
            exchange = self.exchanges.setdefault(stream, Exchange()) if stream else None
            if isinstance(event, (RequestReceived, ResponseReceived)):
                exchange.headers = pairs(event.headers)
            elif isinstance(event, DataReceived):
                exchange.body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            elif isinstance(event, TrailersReceived):
                exchange.trailers = pairs(event.headers)
            elif isinstance(event, StreamReset):
                exchange.reset = event.error_code
                exchange.ended = True
                self.waiting.pop(stream, None)
            elif isinstance(event, StreamEnded):
                exchange.ended = True
                self.on_end(stream, exchange)
        self.pump()
        return True

    def on_end(self, stream, exchange):
        pass


class Client(Peer):
    def ask(self, method, path, body=b"", trailers=()):
        stream = self.h2.get_next_available_stream_id()
        has_body = bool(body or trailers)
        headers = [(":method", method), (":scheme", "http"), (":authority", "a.example"), (":path", path), ("te", "trailers")]
        self.exchanges[stream] = Exchange()
        self.h2.send_headers(stream, headers, end_stream=not has_body)
        if has_body:
            self.send(stream, body, trailers)
        self.flush()
        return stream

    def result(self, stream):
        while not self.exchanges[stream].ended and self.read():
            pass
        return self.exchanges[stream]


class Server(Peer):
    """Says back the body and the trailers."""

    def on_end(self, stream, exchange):
        headers = [(":status", "200"), ("x-method", exchange.headers[":method"]), ("x-authority", exchange.headers[":authority"])]
        trailers = list(exchange.trailers.items())
        body = exchange.body or b"from h2"
        self.h2.send_headers(stream, headers)
        self.send(stream, body, trailers)


def client(port):
    peer = Client(socket.create_connection(("127.0.0.1", port)), True)
    big = bytes(range(256)) * 4096
    get = peer.result(peer.ask("GET", "/get"))
    post = peer.result(peer.ask("POST", "/echo", big))
    trailers = peer.result(peer.ask("POST", "/trailers", b"body", [("x-q", "1")]))
    many = [peer.result(stream) for stream in [peer.ask("GET", f"/many/{i}") for i in range(100)]]
    print(json.dumps({
        "get": get.headers[":status"],
        "post": post.body == big,
        "trailers": trailers.trailers,
        "many": sum(one.headers.get(":status") == "200" and one.reset is None for one in many),
    }))


def server():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def serve(sock):
        peer = Server(sock, False)
        while peer.read():
            pass

    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1] == "client":
        client(int(sys.argv[2]))
    else:
        server()
