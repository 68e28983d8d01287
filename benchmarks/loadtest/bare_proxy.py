"""The least that a pass-through of aiohttp is: reads a request, sends it on, sends the answer back.

`python -m benchmarks.loadtest.bare_proxy UPSTREAM` prints its port. It records nothing and mirrors nothing.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict

_OWN = {"host", "content-length", "connection", "transfer-encoding", "date", "server"}


async def main(upstream: str) -> None:
    """Serve until killed."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            headers = _kept(request.headers)
            body = await request.read()
            url = upstream + request.raw_path
            async with session.request(request.method, url, headers=headers, data=body) as answer:
                response = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
                await response.prepare(request)
                async for part in answer.content.iter_any():
                    await response.write(part)
                await response.write_eof()
                return response

        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


def _kept(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _OWN)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
