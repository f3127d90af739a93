"""The business side: tokens, callbacks and pushes. See ../README.md."""
import base64
import hashlib
import hmac
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = os.environ.get("PUSH_API", "http://127.0.0.1:21314")
CREDENTIAL = os.environ.get("PUSH_NAMESPACE", "/demo") + ":" + os.environ.get("PUSH_PASSWORD", "")
CALLBACK_SECRET = os.environ.get("CALLBACK_SECRET", "callback-secret").encode()
TOKEN_SECRET = os.environ.get("TOKEN_SECRET", "token-secret").encode()


def mac(secret, message):
    return hmac.new(secret, message, hashlib.sha256)


def signed(header, method, path, body):
    """Checks x-lightpush-signature over the request as it arrived; body is bytes."""
    m = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", header or "")
    if not m or abs(time.time() - int(m[1])) > 300:
        return False
    want = mac(CALLBACK_SECRET, f"{m[1]}.{method}.{path}.".encode() + body).hexdigest()
    return hmac.compare_digest(want, m[2])


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def decode(text):
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def issue(userid):
    """A JWT with HS256. Issue one only to a user who has logged in."""
    now = int(time.time())
    text = encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + encode(json.dumps({"sub": userid, "iat": now, "exp": now + 300}).encode())
    return (text + b"." + encode(mac(TOKEN_SECRET, text).digest())).decode()


def user_of(token):
    """The user a token was issued to, or None. The algorithm is ours, whatever the token's header says."""
    text, _, signature = token.encode().rpartition(b".")
    try:
        if not hmac.compare_digest(mac(TOKEN_SECRET, text).digest(), decode(signature)):
            return None
        claims = json.loads(decode(text.partition(b".")[2]))
    except ValueError:
        return None
    return claims["sub"] if claims["exp"] > time.time() else None


def push(message):
    request = urllib.request.Request(API + "/api/auth/push", json.dumps(message).encode(), {
        "Content-Type": "application/json",
        "Authorization": "Basic " + base64.b64encode(CREDENTIAL.encode()).decode(),
    })
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


class Business(BaseHTTPRequestHandler):
    def do(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 1 << 20))
        try:
            status, answer = self.handle_request(body)
        except Exception as err:  # one bad request must not end the server
            print(err, file=sys.stderr)
            status, answer = 500, {"msg": "internal error"}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do

    def handle_request(self, body):
        url = urllib.parse.urlsplit(self.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
        route = f"{self.command} {url.path}"
        if route == "GET /token":
            return 200, {"token": issue(query["userid"])}
        if route == "POST /send":
            send = json.loads(body)
            return push({"room": send["room"], "pushData": {"text": send["text"]}, "leaveMessage": True})
        if route not in ("GET /in", "POST /out"):
            return 404, {"msg": "not found"}
        if not signed(self.headers.get("x-lightpush-signature"), self.command, self.path, body):
            return 401, {"msg": "bad signature"}
        if route == "GET /in":
            user = user_of(query.get("token", ""))
            if user is None or user != query["userid"]:
                return 403, {"msg": "not you"}
            return 200, {"userid": user, "rooms": ["news"]}
        gone = json.loads(body)["query"]
        print("gone", gone["userid"], gone["uuid"], self.headers["x-lightpush-delivery"], flush=True)  # the same for repeats: a key
        return 200, {}

    def log_message(self, *args):
        """No line for every request."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8090"))), Business)
    print(f"business on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
