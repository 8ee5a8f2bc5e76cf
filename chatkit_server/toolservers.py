"""The MCP servers whose tools an agent of one's own has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from agents import Agent

from .background import beside

if TYPE_CHECKING:
    from agents.mcp import MCPServerManager

logger = logging.getLogger("chatkit_server")

_LONGEST_PAUSE = 300.0


@asynccontextmanager
async def connected(agents: Iterable[Agent[Any]], *, pause: float = 5.0) -> AsyncIterator[None]:
    """Connect the agents' MCP servers, which the SDK leaves to its callers.

    One that can't be reached stops nothing: its agents go without its tools until it is there.

    Args:
        agents: Their lists of servers are changed.
        pause: Seconds until those are tried again that could not be reached, longer each time.
    """
    wanted = [(agent, tuple(agent.mcp_servers)) for agent in agents if agent.mcp_servers]
    if not wanted:
        yield
        return
    from agents.mcp import MCPServerManager

    def deal(manager: MCPServerManager) -> None:
        active = manager.active_servers
        for agent, servers in wanted:
            agent.mcp_servers = [server for server in servers if server in active]
        for server in manager.failed_servers:
            logger.warning("the MCP server %r can't be reached, going without it", server.name)

    async def keep_trying(manager: MCPServerManager, pause: float) -> None:
        while manager.failed_servers:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            await manager.reconnect()
            deal(manager)

    every = [server for _, servers in wanted for server in servers]
    async with MCPServerManager(every, connect_in_parallel=True) as manager:
        deal(manager)
        async with beside(keep_trying(manager, pause)):
            yield
