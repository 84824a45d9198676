"""A real HTTP server on 127.0.0.1 that speaks the protocol of OpenAI-compatible servers, and misbehaves as it is told."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ModelServer:
    """`mode` says how it behaves: `honest`, the name of a misbehaviour, or what decides by (request, number of requests so far).

    `seen` holds the requests. What is honest, a subclass says.
    """

    def __init__(self):
        self.mode, self.models = "honest", ["tiny"]
        self.seen, self.keys, self.paths = [], [], []
        self.active = self.most_active = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner.lock:
                    owner.seen.append(body)
                    owner.keys.append(self.headers.get("Authorization"))
                    owner.paths.append(self.path)
                with contextlib.suppress(OSError):
                    owner.answer(self, body)

            def do_GET(self):
                with contextlib.suppress(OSError):
                    owner.list_models(self)

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128  # five is its own, and a sixth client at a time is turned away
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, handler, body):
        mode = self.mode(body, len(self.seen)) if callable(self.mode) else self.mode
        if mode in ("honest", "slow"):
            if mode == "slow":
                self.linger()
            return self.honest(handler, body)
        return getattr(self, f"do_{mode}")(handler)

    def list_models(self, handler):
        if self.models is None:
            self.send(handler, 404, b"")
        else:
            self.json(handler, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    def linger(self):
        """Count who waits here together; nobody does once the reply is on its way."""
        with self.lock:
            self.active += 1
            self.most_active = max(self.most_active, self.active)
        self.released.wait(0.1)
        with self.lock:
            self.active -= 1

    def json(self, handler, value, status=200):
        self.send(handler, status, json.dumps(value).encode())

    def send(self, handler, status, body, **headers):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def do_unauthorised(self, handler):
        self.send(handler, 401, f"bad key {handler.headers.get('Authorization')}".encode())

    def do_busy(self, handler):
        self.send(handler, 429, b"slow down", Retry_After="0")

    def do_later(self, handler):
        self.send(handler, 503, b"", Retry_After="Wed, 21 Oct 2099 07:28:00 GMT")

    def do_broken(self, handler):
        self.send(handler, 500, b"oops")

    def do_odd_status(self, handler):
        self.send(handler, 299, b"{}")

    def do_redirect(self, handler):
        self.send(handler, 307, b"", Location=f"{self.url}/elsewhere")

    def do_html(self, handler):
        self.send(handler, 200, b"<html>welcome to the captive portal</html>")

    def do_gateway(self, handler):
        self.send(handler, 502, b"<html><h1>Bad Gateway</h1></html>")

    def do_no_choices(self, handler):
        self.send(handler, 200, b'{"choices": []}')

    def do_no_text(self, handler):
        self.send(handler, 200, b'{"choices": [{"message": {"content": null}}]}')

    def do_nested(self, handler):
        self.send(handler, 200, b"[" * 200_000)

    def do_bytes(self, handler):
        self.send(handler, 200, b"\xff\xfe\x00")

    def do_huge(self, handler):
        self.send(handler, 200, b" " * (3 * 2**20))

    def do_truncated(self, handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{")

    def do_hang(self, handler):
        self.released.wait(20)

    def do_drip(self, handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(400):
            handler.wfile.write(b" ")
            if self.released.wait(0.05):
                return

    def do_drip_headers(self, handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(400):
            handler.wfile.write(f"X-{number}: a\r\n".encode())
            time.sleep(0.05)
            if self.released.is_set():
                return

    def do_garbage(self, handler):
        handler.wfile.write(b"\x00\x01\x02 not http at all\r\n\r\n")

    def do_close(self, handler):
        handler.connection.close()
