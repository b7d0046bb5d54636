"""A moto server on a free port of this machine that also understands Smithy RPC v2 CBOR.

moto answers CloudWatch's older protocols only, while the Rust SDK speaks nothing but CBOR to it. So one thin layer
stands in front of moto's application: it unpacks a CBOR call, hands it on in the JSON form that moto knows, and packs
the answer again. Every other request passes through as it is.

The port is printed on standard output once the server listens. It serves until its standard input is closed, so that
it never outlives the test that started it.
"""

import datetime
import gzip
import io
import json
import logging
import os
import sys
import threading

import cbor2
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

CBOR = "rpc-v2-cbor"


def plain(value):
    """The same value with times as seconds since 1970, which is how JSON carries them."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    return value


def packed(value, name=""):
    """The same value with what is named a time carrying CBOR's tag for times."""
    if isinstance(value, dict):
        return {key: packed(inner, key) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [packed(inner, name) for inner in value]
    if isinstance(value, (int, float)) and name.endswith(("Timestamp", "Timestamps", "Time")):
        return cbor2.CBORTag(1, float(value))
    return value


def with_cbor(moto):
    """moto's application with the CBOR layer in front of it."""

    def application(environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        if environ.pop("HTTP_CONTENT_ENCODING", "") == "gzip":
            body = gzip.decompress(body)
        spoken = environ.pop("HTTP_SMITHY_PROTOCOL", "")
        if spoken == CBOR:
            _, _, service, _, operation = environ["PATH_INFO"].split("/")
            body = json.dumps(plain(cbor2.loads(body)) if body else {}).encode()
            environ["PATH_INFO"] = "/"
            environ["HTTP_X_AMZ_TARGET"] = f"{service}.{operation}"
            environ["CONTENT_TYPE"] = "application/x-amz-json-1.0"
            environ["HTTP_ACCEPT"] = "application/json"
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        if spoken != CBOR:
            return moto(environ, start_response)

        answered = {}

        def keep(status, headers, exc_info=None):
            answered.update(status=status, headers=headers)

        answer = b"".join(moto(environ, keep))
        try:
            answer = cbor2.dumps(packed(json.loads(answer or b"{}") or {}))
        except ValueError:
            answered["status"] = "500 Internal Server Error"
            answer = cbor2.dumps({"__type": "InternalFailure", "message": repr(answer[:200])})
        replaced = {"content-type", "content-length", "smithy-protocol"}
        headers = [(name, text) for name, text in answered["headers"] if name.lower() not in replaced]
        headers += [("content-type", "application/cbor"), ("smithy-protocol", CBOR), ("content-length", str(len(answer)))]
        start_response(answered["status"], headers)
        return [answer]

    return application


def leave_with_the_test():
    sys.stdin.buffer.read()
    os._exit(0)


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, with_cbor(moto), threaded=True)
    threading.Thread(target=leave_with_the_test, daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


main()
