"""The outside systems, simulated on the wire: BPJS VClaim and SATUSEHAT, over real HTTP on a loopback port."""

from gateway.sandbox.faults import Fault
from gateway.sandbox.server import Sandbox, running_sandbox

__all__ = ["Fault", "Sandbox", "running_sandbox"]
