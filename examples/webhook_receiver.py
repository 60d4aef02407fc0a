"""Receives the events of the worker's webhook, verifies them, and handles each of them once.

Run it as WEBHOOK_SECRET=whsec_... python examples/webhook_receiver.py 8080
"""

import hmac
import json
import os
import sys
import time
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ["WEBHOOK_SECRET"].removeprefix("whsec_")
KEY = b64decode(SECRET + "=" * (-len(SECRET) % 4))  # its padding may have been left out
HANDLED: set[str] = set()  # a real receiver keeps these ids in its database


class Receiver(BaseHTTPRequestHandler):
    """Takes the events that the worker posts, each of them once."""

    def do_POST(self) -> None:
        """Verify the signature before the body is trusted. Then handle the event, and acknowledge it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event_id, when = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signature = b64encode(hmac.digest(KEY, f"{event_id}.{when}.".encode() + body, "sha256")).decode()
        signed = f"v1,{signature}" in self.headers["webhook-signature"].split(" ")
        if not signed or abs(time.time() - int(when)) > 300:
            self.send_error(401)
            return
        if event_id not in HANDLED:
            event = json.loads(body)
            # A digest lists what would otherwise be events of their own, under the same ids.
            for one in event["data"]["entries"] if event["type"] == "nps.digest.v1" else [event]:
                if one["id"] not in HANDLED:
                    said = [one["type"], one["data"].get("action"), one["data"].get("customer_id")]
                    print(*filter(None, said), flush=True)
                    HANDLED.add(one["id"])
            HANDLED.add(event_id)
        self.send_response(204)
        self.end_headers()


HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
