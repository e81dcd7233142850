"""What a plugin in Python needs to talk to the agent: the handshake, TLS between the two, and one method for each call.

The agent starts the program with its own certificate in the environment and reads one line from standard output; nothing else may be written there.
"""

import base64
import os
import subprocess
import sys
import tempfile
import threading
from concurrent import futures

import grpc
import yaml

from dockline.v1 import plugin_pb2

COOKIE = ("DOCKLINE_PLUGIN", "b3f0a52c-5a1e-4f0e-9c0e-6f1d2a0c7b11")
PROTOCOL = 1


class Source:
    """What a plugin implements; plugin.py has an example of each."""

    def describe(self):
        raise NotImplementedError

    def check(self, config):
        raise NotImplementedError

    def capture(self, config, cursor, stream):
        raise NotImplementedError


class Config:
    """A config section: its values, and the line of each key."""

    def __init__(self, text):
        self.values = yaml.safe_load(text) or {}
        node = yaml.compose(text)
        self.lines = {key.value: key.start_mark.line + 1 for key, _ in node.value} if node else {}


class Stream:
    """The plugin's end of a capture. A batch is durable when it is answered; no more than a window of them is on its way."""

    def __init__(self, start):
        self.window = max(start.window, 1)
        self.sent = self.answered = 0
        self.ended = False
        self.changed = threading.Condition()
        self.waiting = []

    def emit(self, events, cursor):
        with self.changed:
            self.changed.wait_for(lambda: self.sent - self.answered < self.window or self.ended)
            if self.ended:
                return
            self.sent += 1
            self.waiting.append(plugin_pb2.CaptureBatch(batch=self.sent, events=events, cursor=cursor))
            self.changed.notify_all()

    def draining(self):
        return self.ended

    def listen(self, requests):
        """Takes answers until the host drains or goes."""
        try:
            for request in requests:
                with self.changed:
                    if request.HasField("ack"):
                        self.answered = request.ack.batch
                    if request.HasField("drain"):
                        self.ended = True
                    self.changed.notify_all()
        except grpc.RpcError:
            pass
        with self.changed:
            self.ended, self.answered = True, self.sent
            self.changed.notify_all()

    def responses(self, capture):
        """Gives the host what has been emitted, until the capture has ended and all of it is answered."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or not capture.is_alive() and self.answered == self.sent, timeout=0.1)
                ready, self.waiting = self.waiting, []
                done = not ready and not capture.is_alive() and self.answered == self.sent
            for batch in ready:
                yield plugin_pb2.CaptureResponse(batch=batch)
            if done:
                return


class Service:
    """SourceService as proto/dockline/v1/plugin.proto has it, but for what this plugin cannot do (Try, CursorAt)."""

    def handler(self):
        def of(make, method, request, response):
            return make(method, request_deserializer=request.FromString, response_serializer=response.SerializeToString)

        return grpc.method_handlers_generic_handler("dockline.v1.SourceService", {
            "Describe": of(grpc.unary_unary_rpc_method_handler, self.Describe, plugin_pb2.DescribeRequest, plugin_pb2.DescribeResponse),
            "Check": of(grpc.unary_unary_rpc_method_handler, self.Check, plugin_pb2.CheckRequest, plugin_pb2.CheckResponse),
            "Capture": of(grpc.stream_stream_rpc_method_handler, self.Capture, plugin_pb2.CaptureRequest, plugin_pb2.CaptureResponse),
        })

    def __init__(self, source):
        self.source = source

    def Describe(self, request, context):
        described = self.source.describe()
        described.source = True
        return described

    def Check(self, request, context):
        try:
            faults = self.source.check(Config(request.config))
            return plugin_pb2.CheckResponse(faults=[plugin_pb2.ConfigFault(path=path, line=line, text=text) for path, line, text in faults])
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            return plugin_pb2.CheckResponse(faults=[plugin_pb2.ConfigFault(line=mark.line + 1 if mark else 1, text=str(error))])

    def Capture(self, requests, context):
        start = next(requests).start
        stream, failed = Stream(start), []
        threading.Thread(target=stream.listen, args=(requests,), daemon=True).start()

        def run():
            try:
                self.source.capture(Config(start.config), start.cursor, stream)
            except Exception as error:  # the host starts the plugin again, with the cursor of the last durable batch
                failed.append(error)
                with stream.changed:
                    stream.ended, stream.answered = True, stream.sent

        capture = threading.Thread(target=run, daemon=True)
        capture.start()
        yield from stream.responses(capture)
        if failed:
            context.abort(grpc.StatusCode.UNKNOWN, str(failed[0]))


def certificate(folder):
    """A key and a certificate of this process alone; the host is told of it in the handshake."""
    key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "365",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    with open(key, "rb") as file, open(cert, "rb") as other:
        return file.read(), other.read()


def machinery(server):
    """What the agent's plugin library asks of every program: whether it serves, and to end."""

    def unary(method):
        return grpc.unary_unary_rpc_method_handler(method, request_deserializer=None, response_serializer=None)

    def shutdown(request, context):
        server.stop(1)
        return b""

    server.add_generic_rpc_handlers((
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": unary(lambda request, context: b"\x08\x01")}),
        grpc.method_handlers_generic_handler("plugin.GRPCController", {"Shutdown": unary(shutdown)}),
    ))


def serve(source):
    """Answers the agent until it goes. It is the whole of a plugin's main."""
    if os.environ.get(COOKIE[0]) != COOKIE[1] or str(PROTOCOL) not in os.environ.get("PLUGIN_PROTOCOL_VERSIONS", "").split(","):
        print("This is a plugin of dockline-agent. Name it below plugins in agent.yaml; it cannot be started by hand.", file=sys.stderr)
        return 1
    parent = os.getppid()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((Service(source).handler(),))
    machinery(server)
    with tempfile.TemporaryDirectory(dir=os.environ.get("PLUGIN_UNIX_SOCKET_DIR")) as folder:
        key, cert = certificate(folder)
        address = os.path.join(folder, "plugin")
        host_cert = os.environ["PLUGIN_CLIENT_CERT"].encode()
        server.add_secure_port("unix:" + address, grpc.ssl_server_credentials([(key, cert)], root_certificates=host_cert, require_client_auth=True))
        server.start()
        body = b"".join(cert.split(b"-----")[2].split())
        print("|".join(["1", str(PROTOCOL), "unix", address, "grpc", base64.b64encode(base64.b64decode(body)).decode().rstrip("=")]), flush=True)
        while server.wait_for_termination(timeout=1):
            if os.getppid() != parent:  # nobody is left to talk to
                os._exit(0)
    return 0
