"""A bare receiver, to compare with: aiohttp takes a delivery, checks its signature, and publishes its body by aiokafka.

It reads nothing of what it gets, has no limits, and answers once Kafka has acknowledged: the least that such a server
does with these two libraries.
"""

import asyncio
import base64
import hmac
import sys
from hashlib import sha256

import uvloop
from aiohttp import web
from aiokafka import AIOKafkaProducer


async def _serve(kafka: str, port: int, topic: str, secret: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True, linger_ms=10)
    await producer.start()

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        signature = base64.b64encode(hmac.digest(secret, body, sha256)).decode()
        if not hmac.compare_digest(f"sha256={signature}", request.headers.get("Typeform-Signature", "")):
            return web.Response(status=401)
        await producer.send_and_wait(topic, body, key=signature.encode())
        return web.Response(text="ok\n")

    application = web.Application()
    application.router.add_post("/receive/typeform", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    bootstrap, listening, name, shared = sys.argv[1:]
    uvloop.run(_serve(bootstrap, int(listening), name, shared.encode()))
