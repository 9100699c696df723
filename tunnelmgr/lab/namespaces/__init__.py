"""An internet out of network namespaces, veth devices and nftables, in which real programs run."""

from tunnelmgr.lab.namespaces.host import Host
from tunnelmgr.lab.namespaces.internet import NamespaceInternet, destroy
from tunnelmgr.lab.namespaces.naming import labs
from tunnelmgr.lab.namespaces.site import Site
from tunnelmgr.lab.namespaces.wiring import Offload

__all__ = ["Host", "NamespaceInternet", "Offload", "Site", "destroy", "labs"]
