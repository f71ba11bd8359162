//! Which captures outside of anomalies/ show something odd, as whoever made them means it.

/// By name, in the alphabet's order.
pub(crate) const ODD: [&str; 14] = [
    "frames_short.pcap",
    "icmp_quotes.pcap",
    "icmp_rare.pcap",
    "icmp_timestamp_mask.pcap",
    "option_loose_source_route.pcap",
    "option_malformed.pcap",
    "option_mtu_probe.pcap",
    "option_stream_id.pcap",
    "option_strict_source_route.pcap",
    "option_traceroute.pcap",
    "option_unknown.pcap",
    "option_withdrawn.pcap",
    "ping_of_death.pcap",
    "tour.pcapng",
];

/// What offloading leaves, a zero total length, and no pcap can say so.
pub(crate) const OFFLOADED: &str = "tso_zero_length.pcap";
