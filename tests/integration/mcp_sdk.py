"""The official SDK's client, as it is, against `memferry mcp`: run by test_mcp_sdk.py with the
Python of an environment that has it. Arguments: how to connect, then the command."""
import asyncio
import os
import sys

from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client

TOOLS = ["remember", "recall", "forget", "history", "undo", "session", "status"]


async def use(client, mode, revision):
    assert client.protocol_version == revision, client.protocol_version
    if mode != revision:  # a client that is told the revision asks nobody who the server is
        assert client.server_info.name == "memferry"
        assert "recall" in client.instructions
        assert client.server_capabilities.tools is not None
    tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == TOOLS
    by_name = {tool.name: tool for tool in tools}
    assert by_name["recall"].annotations.read_only_hint is True
    assert by_name["forget"].annotations.destructive_hint is True

    # The client itself validates what comes back against each tool's output schema.
    async def tool(name, **arguments):
        result = await client.call_tool(name, arguments)
        assert not result.is_error, result.content[0].text
        return result.structured_content

    made = await tool("remember", id="tea/time", content="Tea is at four", kind="fact")
    await tool("remember", id="tea/time", content="Tea is at five", props={"cups": 2})
    assert (await tool("recall", query="tea"))["memories"][0]["content"] == "Tea is at five"
    then = await tool("recall", id="tea/time", version=made["version"])
    assert then["memories"][0]["content"] == "Tea is at four"
    assert len((await tool("history", id="tea/time"))["versions"]) == 2
    assert (await tool("forget", ids=["tea/time"]))["forgotten"] == 1
    assert (await tool("undo", ids=["tea/time"]))["dry_run"] is True
    assert (await tool("undo", ids=["tea/time"], confirm=True))["restored"] == 1
    assert (await tool("session"))["session_id"]
    assert (await tool("status"))["memories"] == 1
    wrong = await client.call_tool("recall", {"limit": 0})
    assert wrong.is_error and "1 to 50" in wrong.content[0].text

    resources = (await client.list_resources()).resources
    assert [resource.name for resource in resources] == ["tea/time"]
    read = await client.read_resource(resources[0].uri)
    assert read.contents[0].text == "Tea is at five"
    assert (await client.list_resource_templates()).resource_templates
    try:
        await client.read_resource("memferry://memory/none")
        raise AssertionError("it read what is not there")
    except MCPError as error:
        assert error.error.code in (-32002, -32602), error
    many = await asyncio.gather(*(tool("remember", content=f"n{n}") for n in range(100)))
    assert len({told["id"] for told in many}) == 100


async def main(mode, revision, command):
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    async with Client(stdio_client(server), mode=mode) as client:
        await use(client, mode, revision)
    print("all is well")


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
