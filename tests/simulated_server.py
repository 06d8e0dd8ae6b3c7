"""A simulated OpenAI-compatible server over real HTTP, as production servers behave.

Its replies follow from the request alone, `Engine` says how fast it is, `Faults` what goes wrong,
and `Log` keeps what happened. It runs in a thread of the test (`simulated_server`) or as a process
of its own that can be killed (`simulated_process`):

    python -m tests.simulated_server --slots 64 --decode-rate 50 --rate-429 0.1 --rate-hang 0.01
"""

from tests.simulation.engine import Engine
from tests.simulation.faults import Faults
from tests.simulation.log import Log
from tests.simulation.process import ServerProcess, main, simulated_process
from tests.simulation.server import KEY, MODEL, Simulation, simulated_server

__all__ = [
    "KEY",
    "MODEL",
    "Engine",
    "Faults",
    "Log",
    "ServerProcess",
    "Simulation",
    "simulated_process",
    "simulated_server",
]

if __name__ == "__main__":
    main()
