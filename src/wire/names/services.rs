//! The names of well-known ports, as IANA registers them or as everybody calls them.
//!
//! A port is a hint, not a proof: nothing here says what a segment holds.

use std::fmt::{self, Display};

/// Whose port it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
}

/// The UDP port of VXLAN (RFC 7348 section 5).
pub const PORT_VXLAN: u16 = 4789;

/// The service on a port (IANA service-names-port-numbers, RFC 6335), or `None` for a port that
/// is seldom met.
#[must_use]
pub const fn service(port: u16, transport: Transport) -> Option<&'static str> {
    match (both(port), transport) {
        (Some(name), _) => Some(name),
        (None, Transport::Tcp) => tcp(port),
        (None, Transport::Udp) => udp(port),
    }
}

const fn both(port: u16) -> Option<&'static str> {
    Some(match port {
        7 => "echo",
        9 => "discard",
        13 => "daytime",
        17 => "qotd",
        19 => "chargen",
        37 => "time",
        49 => "tacacs",
        53 => "domain",
        88 => "kerberos",
        111 => "sunrpc",
        123 => "ntp",
        161 => "snmp",
        162 => "snmptrap",
        177 => "xdmcp",
        389 => "ldap",
        427 => "svrloc",
        464 => "kpasswd",
        546 => "dhcpv6-client",
        547 => "dhcpv6-server",
        623 => "asf-rmcp",
        631 => "ipp",
        853 => "domain-s",
        1194 => "openvpn",
        1812 => "radius",
        1813 => "radius-acct",
        2049 => "nfs",
        2123 => "gtp-control",
        2152 => "gtp-user",
        3268 => "msft-gc",
        3389 => "ms-wbt-server",
        3478 => "stun",
        3784 => "bfd-control",
        3868 => "diameter",
        4500 => "ipsec-nat-t",
        5004 => "rtp",
        5005 => "rtcp",
        5060 => "sip",
        5061 => "sips",
        5349 => "stuns",
        5353 => "mdns",
        5355 => "llmnr",
        5683 => "coap",
        5684 => "coaps",
        8472 => "otv",
        10000 => "ndmp",
        11211 => "memcache",
        _ => return None,
    })
}

const fn tcp(port: u16) -> Option<&'static str> {
    Some(match port {
        20 => "ftp-data",
        21 => "ftp",
        22 => "ssh",
        23 => "telnet",
        25 => "smtp",
        43 => "whois",
        70 => "gopher",
        79 => "finger",
        80 => "http",
        102 => "iso-tsap",
        109 => "pop2",
        110 => "pop3",
        113 => "ident",
        119 => "nntp",
        135 => "epmap",
        139 => "netbios-ssn",
        143 => "imap",
        179 => "bgp",
        194 | 6667 => "irc",
        264 => "bgmp",
        443 => "https",
        445 => "microsoft-ds",
        465 => "submissions",
        502 => "mbap",
        512 => "exec",
        513 => "login",
        514 => "shell",
        515 => "printer",
        540 => "uucp",
        543 => "klogin",
        544 => "kshell",
        548 => "afp",
        554 => "rtsp",
        563 => "nntps",
        587 => "submission",
        636 => "ldaps",
        639 => "msdp",
        646 => "ldp",
        647 => "dhcp-failover",
        860 => "iscsi",
        861 => "owamp-control",
        862 => "twamp-control",
        873 => "rsync",
        902 => "vmware-auth",
        989 => "ftps-data",
        990 => "ftps",
        992 => "telnets",
        993 => "imaps",
        995 => "pop3s",
        1080 => "socks",
        1099 => "rmiregistry",
        1352 => "lotusnote",
        1433 => "ms-sql-s",
        1521 => "oracle",
        1720 => "h323",
        1723 => "pptp",
        1883 => "mqtt",
        2000 => "cisco-sccp",
        2181 => "zookeeper",
        2375 => "docker",
        2376 => "docker-s",
        2377 => "swarm",
        2379 => "etcd-client",
        2380 => "etcd-server",
        2404 => "iec-104",
        2775 => "smpp",
        3128 => "squid",
        3260 => "iscsi-target",
        3269 => "msft-gc-ssl",
        3306 => "mysql",
        3690 => "svn",
        4190 => "sieve",
        4369 => "epmd",
        4786 => "smart-install",
        4840 => "opcua",
        5222 => "xmpp-client",
        5269 => "xmpp-server",
        5432 => "postgresql",
        5666 => "nrpe",
        5671 => "amqps",
        5672 => "amqp",
        5900 => "rfb",
        5938 => "teamviewer",
        5984 => "couchdb",
        5985 => "wsman",
        5986 => "wsmans",
        6000..=6063 => "x11",
        6379 => "redis",
        6443 => "kubernetes",
        6513 => "netconf-tls",
        6514 => "syslog-tls",
        6633 => "openflow-old",
        6653 => "openflow",
        6697 => "ircs",
        6881 => "bittorrent",
        7001 => "weblogic",
        8000 | 8008 | 8080 | 8888 => "http-alt",
        8006 => "proxmox",
        8009 => "ajp13",
        8086 => "influxdb",
        8088 => "radan-http",
        8291 => "winbox",
        8333 => "bitcoin",
        8443 => "https-alt",
        8883 => "secure-mqtt",
        9000 => "cslistener",
        9001 => "tor",
        9042 => "cassandra-cql",
        9050 => "tor-socks",
        9090 => "prometheus",
        9092 => "kafka",
        9100 => "pdl-datastream",
        9200 => "elasticsearch",
        9300 => "elasticsearch-nodes",
        9418 => "git",
        10050 => "zabbix-agent",
        10051 => "zabbix-trapper",
        10250 => "kubelet",
        15672 => "rabbitmq-management",
        20000 => "dnp",
        25565 => "minecraft",
        27017 => "mongodb",
        44818 => "ethernet-ip",
        50000 => "db2",
        _ => return None,
    })
}

const fn udp(port: u16) -> Option<&'static str> {
    Some(match port {
        67 => "bootps",
        68 => "bootpc",
        69 => "tftp",
        137 => "netbios-ns",
        138 => "netbios-dgm",
        319 => "ptp-event",
        320 => "ptp-general",
        434 => "mobile-ip",
        443 => "quic",
        500 => "isakmp",
        514 => "syslog",
        520 => "rip",
        521 => "ripng",
        646 => "ldp",
        698 => "olsr",
        1645 => "radius-old",
        1646 => "radius-acct-old",
        1701 => "l2tp",
        1718 => "h323-disc",
        1719 => "h323-gatestat",
        1900 => "ssdp",
        1985 => "hsrp",
        2055 => "netflow",
        2222 => "ethernet-ip-io",
        2427 => "mgcp-gateway",
        2727 => "mgcp-callagent",
        3222 => "glbp",
        3544 => "teredo",
        3785 => "bfd-echo",
        3799 => "radius-dynauth",
        4739 => "ipfix",
        4784 => "bfd-multi",
        PORT_VXLAN => "vxlan",
        4790 => "vxlan-gpe",
        5246 => "capwap-control",
        5247 => "capwap-data",
        5351 => "nat-pmp",
        5678 => "mndp",
        6081 => "geneve",
        6343 => "sflow",
        6514 => "syslog-tls",
        6635 => "mpls-udp",
        7784 => "bfd-lag",
        9993 => "zerotier",
        33434..=33534 => "traceroute",
        41641 => "tailscale",
        47808 => "bacnet",
        51820 => "wireguard",
        _ => return None,
    })
}

/// A port by its service, or by the range it is in (RFC 6335 section 6).
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// The port.
    pub port: u16,
    /// Whose port it is.
    pub transport: Transport,
}

impl Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            service(self.port, self.transport).unwrap_or(match self.port {
                0 => "reserved",
                1..=1023 => "system port",
                1024..=49151 => "user port",
                49152.. => "dynamic port",
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_port_may_mean_two_services() {
        assert_eq!(service(53, Transport::Tcp), Some("domain"));
        assert_eq!(service(53, Transport::Udp), Some("domain"));
        assert_eq!(service(514, Transport::Tcp), Some("shell"));
        assert_eq!(service(514, Transport::Udp), Some("syslog"));
        assert_eq!(service(443, Transport::Udp), Some("quic"));
        assert_eq!(service(22, Transport::Udp), None);
    }

    /// RFC 6335 section 6.
    #[test]
    fn ports_without_a_service_are_named_by_their_range() {
        let name = |port| {
            Service {
                port,
                transport: Transport::Tcp,
            }
            .to_string()
        };
        assert_eq!(name(0), "reserved");
        assert_eq!(name(1023), "system port");
        assert_eq!(name(1024), "user port");
        assert_eq!(name(49151), "user port");
        assert_eq!(name(49152), "dynamic port");
    }
}
