"""The road under IFSF over TCP: heartbeats over UDP, and a connection each way as one stream.

`setting.py` reads `ifsf://…`, `heartbeat.py` the datagrams, `road.py` is the port. Shared machinery, as other
ports are; the driver itself is `drivers/ifsf/`.
"""
