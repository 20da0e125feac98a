"""The official Python client of the Model Context Protocol drives a whole loop.

Usage: mcp_loop.py stdio CALLBOARD PROJECT | http URL TOKEN
"""

import asyncio
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


def answer(result):
    """What a tool answered, as an object; the text says the same."""
    assert result.structured_content is not None, result
    return result.structured_content


async def work(session):
    """Claims, says how far it is, asks, hands in; then the same task is reviewed by another agent."""
    greeting = await session.initialize()
    assert greeting.server_info.name == "callboard", greeting
    tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    assert len(tools) == 12, sorted(tools)
    assert tools["coordination_state"].annotations.read_only_hint is True
    assert tools["coordination_lease_heartbeat"].annotations.idempotent_hint is True

    async def call(tool, arguments, wrong=False):
        result = await session.call_tool(tool, arguments)
        assert bool(result.is_error) == wrong, (tool, arguments, result)
        return answer(result)

    async def command(operation, /, wrong=False, **arguments):
        return await call("coordination_command", {"operation": operation, "arguments": arguments}, wrong)

    next_action = await call("coordination_dispatch", {"operation": "next-action"})
    assert next_action["action"] == "claim", next_action
    claimed = await call("coordination_dispatch", {"operation": "claim-next", "watch_seconds": 5})
    module, token = claimed["task"]["module"], claimed["lease"]["token"]
    beat = await call(
        "coordination_lease_heartbeat", {"module": module, "lease_token": token, "progress": "half", "percent": 50}
    )
    assert beat["lease"]["token"] == token
    refused = await command("finish", wrong=True, module=module, lease_token="lt-wrong", summary="x")
    assert refused["error"]["code"] == "stale_lease" and not refused["ok"], refused
    await command("finish", module=module, lease_token=token, summary="done by a client")
    held = await call("coordination_sessions", {})
    windows = [window for window in held["sessions"] if window["window_id"].startswith("mcp-")]
    assert len(windows) == 1, held

    # The same connection is another agent from now on, and its window before is closed.
    reviewer = await call("coordination_session_register", {"thread_key": "reviewer", "role": ["reviewer"]})
    review = await call("coordination_dispatch", {"operation": "claim-review-next"})
    assert review["submission"]["summary"] == "done by a client", review
    assert review["lease"]["session_id"] == reviewer["session_id"]
    await command("approve", module=module, lease_token=review["lease"]["token"], notes="good")

    for name in ["state", "events", "notifications", "handoffs", "sessions", "mode_advisor"]:
        assert (await call(f"coordination_{name}", {}))["ok"], name
    await call("coordination_lease_reclaim", {})
    await call("coordination_session_reap", {"max_age_seconds": 86400})
    assert "module" in (await command("help", operation="finish"))["fields"]
    unknown = await command("frobnicate", wrong=True)
    assert unknown["error"]["code"] == "unknown_operation", unknown

    pages = {str(resource.uri) for resource in (await session.list_resources()).resources}
    assert "callboard://pages/STATUS.md" in pages, pages
    page = await session.read_resource("callboard://pages/STATUS.md")
    assert "done by a client" in page.contents[0].text or module in page.contents[0].text
    prompts = {prompt.name for prompt in (await session.list_prompts()).prompts}
    assert prompts == {"worker", "reviewer", "planner"}, prompts
    assert "claim-next" in (await session.get_prompt("worker")).messages[0].content.text

    # A wait tells how it goes on, and ends when it is cancelled.
    told = []

    async def progress(done, total, message):
        told.append((done, total, message))

    waiting = session.call_tool(
        "coordination_notifications", {"target": "workers:nobody", "watch_seconds": 7}, progress_callback=progress
    )
    assert answer(await waiting)["nothing"] is True
    assert told and told[0][1] == 7, told


async def main():
    kind, *rest = sys.argv[1:]
    if kind == "stdio":
        program, project = rest
        arguments = ["mcp", "--project-root", project, "--thread-key", "worker", "--role", "worker"]
        server = StdioServerParameters(command=program, args=arguments, env=dict(os.environ))
        async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
            await work(session)
    else:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        url, token = rest
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as client:
            async with streamable_http_client(f"{url}/mcp", http_client=client) as streams:
                async with ClientSession(streams[0], streams[1]) as session:
                    await work(session)
    print("the whole loop was done")


asyncio.run(main())
