"""An S3 of one process, for tests that need one to fail: objects in memory, path-style addresses,
multipart uploads, ranges. It checks each signature (AWS Signature Version 4) and the digest of each body,
and does what `faults` says before it answers.
"""
import collections
import hashlib
import hmac
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

KEY, SECRET = "AKTEST", "secret/of+the=test"


class S3:
    """faults: a list of functions (method, path, query) -> None, "hang", "cut", "forget" (does it, and
    says nothing of it) or a status with which the request is refused; one that answers None is not used up.
    tls: an ssl.SSLContext with a certificate."""

    def __init__(self, bucket="bucket", port=0, tls=None):
        self.bucket, self.objects, self.uploads = bucket, {}, {}
        self.requests, self.faults, self.let_go = [], [], threading.Event()
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Handler,), {"s3": self}))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def environment(self):
        return {"MLFLOW_S3_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "test-1",
                "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

    def count(self, method):
        return collections.Counter(m for m, _, _ in self.requests)[method]

    def stop(self):
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()

    def fault(self, method, path, query):
        with self.lock:
            for each in self.faults:
                what = each(method, path, query)
                if what is not None:
                    self.faults.remove(each)
                    return what
        return None


def once(method, what, **wanted):
    """A fault of the next request of that method whose query has what is wanted."""
    def fault(asked, _, query):
        fits = asked == method and all(query.get(k) == v for k, v in wanted.items())
        return what if fits else None
    return fault


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3 = None
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def refuse(self, status, code, words="refused by the test"):
        body = f"<Error><Code>{code}</Code><Message>{escape(words)}</Message></Error>".encode()
        self.answer(status, b"" if self.command == "HEAD" else body)

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name == "Content-Length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def signature_is_right(self, body):
        found = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8}/[^/]+/s3/aws4_request),"
                         r"SignedHeaders=([^,]+),Signature=([0-9a-f]{64})$",
                         self.headers.get("Authorization", ""))
        digest = self.headers.get("x-amz-content-sha256")
        if not found or found[1] != KEY or digest != hashlib.sha256(body).hexdigest():
            return False
        path, _, query = self.path.partition("?")
        names = found[3].split(";")
        canonical = "\n".join([self.command, path, "&".join(sorted(filter(None, query.split("&"))))] +
                              [f"{n}:{self.headers[n].strip()}" for n in names] +
                              ["", found[3], digest])
        time = self.headers["x-amz-date"]
        text = "\n".join(["AWS4-HMAC-SHA256", time, found[2],
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + SECRET).encode()
        for part in found[2].split("/") + [text]:
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key.hex() == found[4] and {"host", "x-amz-date"} <= set(names)

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        path = urllib.parse.unquote(parts.path)
        s3 = self.s3
        s3.requests.append((self.command, path, query))
        fault = s3.fault(self.command, path, query)
        if fault == "hang":
            s3.let_go.wait(300)
        if fault in ("hang", "cut"):
            self.close_connection = True
            return
        if isinstance(fault, int):
            return self.refuse(fault, {403: "AccessDenied", 503: "SlowDown"}.get(fault, "Failed"))
        if not self.signature_is_right(body):
            return self.refuse(403, "SignatureDoesNotMatch")
        bucket, _, key = path[1:].partition("/")
        if bucket != s3.bucket:
            return self.refuse(404, "NoSuchBucket", "There is no such bucket.")
        if fault == "forget":
            self.wfile, kept = open("/dev/null", "wb"), self.wfile
            getattr(self, "on_" + self.command)(key, query, body)
            self.wfile.close()
            self.wfile, self.close_connection = kept, True
            return
        getattr(self, "on_" + self.command)(key, query, body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one

    def on_PUT(self, key, query, body):
        if "uploadId" in query:
            parts = self.s3.uploads.get(query["uploadId"])
            if parts is None:
                return self.refuse(404, "NoSuchUpload")
            parts[int(query["partNumber"])] = body
        else:
            self.s3.objects[key] = body
        self.answer(200, headers=[("ETag", f'"{hashlib.md5(body).hexdigest()}"')])

    def on_POST(self, key, query, body):
        s3 = self.s3
        if "uploads" in query:
            with s3.lock:
                id = f"up+{len(s3.requests)}/x="
                s3.uploads[id] = {}
            text = f"<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            return self.answer(200, text.encode())
        parts = s3.uploads.get(query.get("uploadId"))
        if parts is None:
            return self.refuse(404, "NoSuchUpload")
        named = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>\"(\w+)\"</ETag>", body.decode())
        if [(str(n), hashlib.md5(p).hexdigest()) for n, p in sorted(parts.items())] != named:
            return self.refuse(400, "InvalidPart")
        s3.objects[key] = b"".join(p for _, p in sorted(parts.items()))
        del s3.uploads[query["uploadId"]]
        self.answer(200, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")

    def on_DELETE(self, key, query, _):
        if "uploadId" not in query:
            self.s3.objects.pop(key, None)
        elif self.s3.uploads.pop(query["uploadId"], None) is None:
            return self.refuse(404, "NoSuchUpload")
        self.answer(204)

    def on_HEAD(self, key, _, __):
        found = self.s3.objects.get(key)
        if found is None:
            return self.refuse(404, "NoSuchKey")
        self.answer(200, headers=[("Content-Length", str(len(found)))])

    def on_GET(self, key, query, _):
        if not key:
            return self.answer(200, b"<ListBucketResult></ListBucketResult>")
        found = self.s3.objects.get(key)
        if found is None:
            return self.refuse(404, "NoSuchKey")
        span = re.match(r"bytes=(\d+)-(\d+)$", self.headers.get("Range", ""))
        if not span:
            return self.answer(200, found)
        first, last = int(span[1]), min(int(span[2]), len(found) - 1)
        if first >= len(found):
            return self.refuse(416, "InvalidRange")
        self.answer(206, found[first:last + 1],
                    [("Content-Range", f"bytes {first}-{last}/{len(found)}")])
