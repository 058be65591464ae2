"""What a technician does about each finding of the probes, by its code.

Codes that come from a door (a port, a TLS file, a setting) bring their own remedy from there.
"""

from types import MappingProxyType

ASK_BROKER = "ask whoever runs the broker; its log names the client id and the reason"
"""For every refusal by a broker that has no remedy of its own."""

REMEDIES = MappingProxyType(
    {
        # station
        "NAME_TAKEN": "reinstall forecourt-agent into a virtual environment of its own",
        "NOT_INSTALLED": "install it with `make venv`, or from the package",
        "AGENT_NOT_RUNNING": "`systemctl start forecourt`; `journalctl -u forecourt` says why it ended",
        "SOCKET_FORBIDDEN": "join the group forecourt, or use sudo",
        "SECRET_UNSEEN": "nothing, if the unit loads it as a credential (systemd/README.md)",
        "CLOCK_BELOW_FLOOR": "set the clock (`timedatectl`), see to its battery: sales are dated wrong",
        "CLOCK_UNTRUSTED": "the clock was stepped: let a time service run (`timedatectl set-ntp true`)",
        "CLOCK_NOT_SYNCED": "let a time service run (`timedatectl set-ntp true`) and let UDP 123 out",
        "CLOCK_DIFFERS": "compare both clocks with a watch; `timedatectl set-ntp true` here",
        # devices
        "PORT_CLOSED": "check cable, converter and the port in the settings",
        "DEVICE_SILENT": "check power, cable and address of the device, and speed and parity of the line",
        "WIRE_QUIET": "nothing, if who asks on this line is switched off, or the device that is named; "
        "else check the tap's wires, and speed and parity of the line",
        "LINE_QUALITY": "damaged frames: look at plugs, screws, shield and what was changed near the cable; "
        "unanswered or late: at the device, its power, and the gateway or network between",
        "NOT_HEARD_YET": "wait a minute and ask again",
        "POS_QUIET": "nothing, if the register is off; else check its cable and its loyalty link",
        # store
        "DATABASE_MISSING": "start the agent: it makes the database",
        "DATABASE_UNREADABLE": "use sudo; keep a copy of the state directory before anything else is tried",
        "CHAIN_BROKEN": "change nothing, keep a copy of the state directory, tell headquarters; "
        "`forecourt store verify` lists every finding",
        "DISK_LOW": "free space: old logs first (`journalctl --vacuum-size=200M`), never the state directory",
        "SQLITE_WAL_RESET": "nothing: only one process writes, and it holds a lock; "
        "take 3.51.3 or newer when the system offers it",
        # headquarters
        "NAME_NOT_FOUND": "check the name in hq.brokers and the name server (`resolvectl query NAME`)",
        "CONNECTION_REFUSED": "the machine answers, the broker does not: check its port and that it runs",
        "CONNECT_TIMEOUT": "check the router, the SIM and that the firewall lets this port out",
        "NETWORK_ERROR": "check network cable, router and SIM",
        "TLS_FAILED": "check that the port speaks TLS, and the clock",
        "TLS_TOO_OLD": "let the broker speak TLS 1.3; older versions are not used",
        "BROKER_HUNG_UP": "the broker is full (max_connections), or its port speaks no TLS: see its log",
        "BROKER_UNTRUSTED": "compare hq.ca_file with the authority of the broker's certificate; "
        "never connect without it: somebody may stand between",
        "BROKER_OTHER_NAME": "write the name in hq.brokers that the broker's certificate is for",
        "BROKER_CERTIFICATE_EXPIRED": "whoever runs the broker renews its certificate; compare the clock too",
        "CERTIFICATE_REFUSED": "the broker's certificate has a fault: ask whoever runs the broker",
        "CLOCK_BEHIND_CERTIFICATE": "set the clock (`timedatectl`), see to its battery; "
        "if the clock is right, the certificate was issued for later: ask headquarters",
        "AUTHORITY_EXPIRED": "get a new hq.ca_file from headquarters; compare the clock with a watch",
        "AUTHORITY_EXPIRES": "get a new hq.ca_file from headquarters in time",
        "CERTIFICATE_EXPIRED": "get a new one from headquarters (`forecourt enroll`); compare the clock",
        "CERTIFICATE_EXPIRES": "nothing, if it is the station's own: it is renewed over the link; "
        "else get a new one from headquarters in time",
        "CERTIFICATE_MISSING": "the broker wants a certificate of this station: `forecourt enroll`",
        "CERTIFICATE_REVOKED": "it was taken back: ask headquarters why, then `forecourt enroll`",
        "CERTIFICATE_UNTRUSTED": "the broker does not know who signed our certificate: ask headquarters for "
        "one of its authority",
        "CERTIFICATE_UNWANTED": "the broker refuses our certificate; its log says why (dates, purpose, name)",
        "CERTIFICATE_OTHER_AUTHORITY": "nothing, if the broker knows another authority for stations; "
        "else ask headquarters for a certificate of that one",
        "CONNECTION_LOST": "the broker hung up: with certificates it then usually refuses ours; see its log",
        "PROTOCOL_ERROR": "check that an MQTT 5 broker listens there, and nothing else",
        "NO_CONNACK": "an open port is no broker: check that MQTT 5 is switched on there",
        "NO_PUBACK": "the broker takes connections and no messages: see its log and its disk",
        "NO_SUBACK": "the broker takes connections and no subscriptions: see its log",
        "NOT_AUTHORIZED": "the broker's access list must let this station write its own topics: "
        "compare it with sync/samples/acl, and the certificate's name with station.id",
        "SUBSCRIPTION_REFUSED": "the broker's access list must let this station read its own topics: "
        "compare it with sync/samples/acl, and the certificate's name with station.id",
        "QUOTA_EXCEEDED": "the broker is full: see its limits (queue, disk, licence); nothing is lost",
        "SERVER_BUSY": "the broker is full: see its limits (connections, licence); nothing is lost",
        "CONNECTION_RATE_EXCEEDED": "many stations came back at once: it goes by; nothing is lost",
        "PUBLISH_REFUSED": "ask whoever runs the broker; its log names the client id and the reason",
        "CLIENT_IDENTIFIER_NOT_VALID": "let the broker also accept this client id; only doctor uses it",
        "STREAM_HALTED": "change nothing and tell headquarters: both ends hold different histories",
        "HQ_SILENT": "nothing is lost, rows wait here; look at the findings about the broker, "
        "then ask headquarters whether its receiver runs, and whether the broker's access list lets it read "
        "(mosquitto delivers nothing and says nothing where it does not)",
        "HQ_WAITING": "nothing is lost; it goes on when the agent runs",
    }
)
