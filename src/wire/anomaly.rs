//! The catalogue of what can be odd about a packet: stable ids, what each means, where it is
//! written and what other tools call it.
//!
//! One table. Finding an anomaly is the business of the protocol that shows it; nothing here
//! looks at bytes.

use std::fmt;

/// One entry of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Stable id, `protocol.what`.
    pub id: &'static str,
    /// What it means, in one sentence.
    pub meaning: &'static str,
    /// Where the rule is written.
    pub rfc: &'static str,
    /// Suricata's event, Zeek's weird and Wireshark's field for the same thing; empty where
    /// they have none.
    pub suricata: &'static str,
    /// Zeek's weird.
    pub zeek: &'static str,
    /// Wireshark's field.
    pub wireshark: &'static str,
}

macro_rules! anomalies {
    ($($variant:ident $id:literal $meaning:literal $rfc:literal $suricata:literal $zeek:literal $wireshark:literal;)*) => {
        /// Something odd about a packet, by name. What is legal, however rare, is not here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Anomaly {
            $(#[doc = $meaning] $variant,)*
        }

        impl Anomaly {
            /// All of them, in the order of the catalogue.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The catalogue's entry.
            #[must_use]
            pub const fn entry(self) -> Entry {
                match self {
                    $(Self::$variant => Entry {
                        id: $id, meaning: $meaning, rfc: $rfc,
                        suricata: $suricata, zeek: $zeek, wireshark: $wireshark,
                    },)*
                }
            }
        }
    };
}

// Columns: variant, id, meaning, where it is written, Suricata, Zeek, Wireshark.
anomalies! {
    // frame
    FrameLength "frame.length" "More bytes were captured than the frame is said to have had." "pcapng section 4.3" "" "" "";

    // ethernet, arp and what else carries IP
    EthernetTruncated "ethernet.truncated" "The frame is shorter than an Ethernet header." "IEEE 802.3 clause 3.1.1" "ethernet.pkt_too_small" "truncated_ethernet_frame" "";
    EthernetLength "ethernet.length" "The length field is more than the frame holds." "IEEE 802.3 clause 3.2.6" "" "" "eth.len.past_end";
    EthernetSourceMulticast "ethernet.source.multicast" "The source address is a group address." "IEEE 802.3 clause 3.2.3" "" "" "eth.src_not_group";
    EthernetDestinationMismatch "ethernet.destination.mismatch" "The destination is not the group address that the IPv4 multicast group maps to." "RFC 1112 section 6.4" "" "" "";
    VlanTruncated "vlan.truncated" "The frame ends inside a VLAN tag." "IEEE 802.1Q clause 9.6" "vlan.header_too_small" "" "";
    VlanIdReserved "vlan.id.reserved" "The VLAN is 4095, which may not be sent." "IEEE 802.1Q table 9-2" "" "" "";
    MplsTruncated "mpls.truncated" "The label stack has no bottom." "RFC 3032 section 2.1" "mpls.header_too_small" "" "";
    MplsLabelImplicitNull "mpls.label.implicit_null" "The label is the implicit null, which is signalled but never sent." "RFC 3032 section 2.1" "mpls.bad_label_implicit_null" "" "";
    PppoeTruncated "pppoe.truncated" "The frame is shorter than a PPPoE header." "RFC 2516 section 4" "pppoe.pkt_too_small" "" "";
    PppoeVersion "pppoe.version" "Version or type is not 1." "RFC 2516 section 4" "" "" "";
    PppoeLength "pppoe.length" "The length is more than the frame holds." "RFC 2516 section 4" "" "" "";
    PppTruncated "ppp.truncated" "The frame is shorter than a PPP header." "RFC 1661 section 2" "ppp.pkt_too_small" "" "";
    ArpTruncated "arp.truncated" "The frame is shorter than the addresses it says it holds." "RFC 826" "arp.pkt_too_small" "" "";
    ArpAddressLength "arp.address_length" "An address length that Ethernet or IPv4 does not have." "RFC 826" "" "" "";
    ArpSenderMulticast "arp.sender.multicast" "The sender gives a group address as its own." "RFC 1812 section 3.3.2" "" "" "";

    // ipv4
    Ipv4Version "ipv4.version" "The version is not 4." "RFC 1122 section 3.2.1.1" "ipv4.wrong_ip_version" "unknown_ip_version" "ip.bogus_ip_version";
    Ipv4IhlShort "ipv4.ihl.short" "The header length is below 20 bytes." "RFC 791 section 3.1" "ipv4.hlen_too_small" "invalid_IP_header_size" "ip.bogus_header_length";
    Ipv4IhlTruncated "ipv4.ihl.truncated" "The header is longer than what there is of the packet." "RFC 791 section 3.1" "ipv4.pkt_too_small" "truncated_IP" "";
    Ipv4TotalLengthShort "ipv4.total_length.short" "The total length is smaller than the header." "RFC 791 section 3.1" "ipv4.iplen_smaller_than_hlen" "bogus_IP_header_lengths" "ip.bogus_ip_length";
    Ipv4TotalLengthZero "ipv4.total_length.zero" "The total length is zero: segmentation offload, or a broken sender." "RFC 791 section 3.1" "" "" "ip.len";
    Ipv4TotalLengthTruncated "ipv4.total_length.truncated" "The total length is more than the frame had on the wire." "RFC 791 section 3.1" "ipv4.trunc_pkt" "truncated_IP_len" "ip.bogus_ip_length";
    Ipv4FlagsReserved "ipv4.flags.reserved" "The reserved flag is set." "RFC 791 section 3.1, RFC 3514" "" "" "ip.evil_packet";
    Ipv4FragmentDf "ipv4.fragment.df" "A fragment that says it must not be fragmented." "RFC 791 section 3.1" "" "fragment_with_DF" "";
    Ipv4FragmentTiny "ipv4.fragment.tiny" "A first fragment too small for the header of the protocol it carries." "RFC 1858 section 3, RFC 3128" "" "excessively_small_fragment" "";
    Ipv4FragmentUnaligned "ipv4.fragment.unaligned" "More fragments follow, but this one's length is not a multiple of eight." "RFC 791 section 3.1" "ipv4.frag_ignored" "fragment_size_inconsistency" "ip.fragment.error";
    Ipv4FragmentOverlap "ipv4.fragment.overlap" "Covers bytes that an earlier fragment of the datagram has brought." "RFC 791 section 3.2, RFC 5722" "ipv4.frag_overlap" "fragment_overlap" "ip.fragment.overlap";
    Ipv4FragmentConflict "ipv4.fragment.conflict" "Covers bytes that an earlier fragment has brought, and differs." "RFC 1858 section 4" "ipv4.frag_overlap" "fragment_inconsistency" "ip.fragment.overlap.conflict";
    Ipv4FragmentOversize "ipv4.fragment.oversize" "The fragment reaches past the 65,535 bytes of the largest datagram." "RFC 791 section 3.1" "ipv4.frag_pkt_too_large" "excessively_large_fragment" "ip.fragment.toolongfragment";
    Ipv4FragmentOffsetOne "ipv4.fragment.offset_one" "A TCP fragment at byte 8, which can rewrite the flags of the first." "RFC 1858 section 3.2.2, RFC 3128" "" "" "";
    Ipv4FragmentEnd "ipv4.fragment.end" "The fragments of the datagram end it at different places." "RFC 791 section 3.2" "" "fragment_size_inconsistency" "ip.fragment.multipletails";
    Ipv4FragmentTimeout "ipv4.fragment.timeout" "Earlier fragments have waited for the rest of their datagram for more than 60 seconds." "RFC 791 section 3.2, RFC 1122 section 3.3.2" "" "" "";
    Ipv4FragmentMissingFirst "ipv4.fragment.missing_first" "The first fragment of a datagram never came." "RFC 791 section 3.2" "" "" "";
    Ipv4FragmentMissingLast "ipv4.fragment.missing_last" "The last fragment of a datagram never came." "RFC 791 section 3.2" "" "" "";
    Ipv4IdentificationReused "ipv4.identification.reused" "The identification of a fragmented datagram is used again while its fragments may still be on their way." "RFC 6864 section 4.1, RFC 4963" "" "" "";
    Ipv4ChecksumBad "ipv4.checksum.bad" "The header checksum is wrong." "RFC 791 section 3.1, RFC 1071" "" "bad_IP_checksum" "ip.checksum_bad.expert";
    Ipv4OptionLength "ipv4.option.length" "An option's length is impossible or reaches past the header." "RFC 791 section 3.1" "ipv4.opt_invalid_len" "" "ip.opt.len.invalid";
    Ipv4OptionPointer "ipv4.option.pointer" "An option's pointer does not point at a slot of its data." "RFC 791 section 3.1" "ipv4.opt_malformed" "" "ip.opt.ptr.middle_address";
    Ipv4OptionSourceRoute "ipv4.option.source_route" "The sender chooses the route." "RFC 7126 section 4.3" "" "" "";
    Ipv4OptionUnknown "ipv4.option.unknown" "An option that nobody has registered." "RFC 7126 section 4.23" "ipv4.opt_unknown" "" "";
    Ipv4OptionDeprecated "ipv4.option.deprecated" "An option that has been withdrawn." "RFC 6814, RFC 7126" "" "" "";
    Ipv4OptionDuplicate "ipv4.option.duplicate" "An option that may stand only once stands twice." "RFC 791 section 3.1" "ipv4.opt_duplicate" "" "";
    Ipv4OptionCopied "ipv4.option.copied" "A later fragment carries an option that only the first may carry." "RFC 791 section 3.1" "" "" "";
    Ipv4TtlZero "ipv4.ttl.zero" "The time to live is zero, which no host may send or receive from another." "RFC 1122 section 3.2.1.7" "" "" "ip.ttl.too_small";
    Ipv4TtlLow "ipv4.ttl.low" "A unicast datagram on its last hop that no traceroute explains." "RFC 1812 section 5.3.1" "" "" "ip.ttl.too_small";
    Ipv4SourceMartian "ipv4.source.martian" "No host may send from this address." "RFC 1122 section 3.2.1.3, RFC 6890" "" "" "";
    Ipv4DestinationMartian "ipv4.destination.martian" "No packet on a wire may go to this address." "RFC 1122 section 3.2.1.3, RFC 6890" "" "" "";
    Ipv4Land "ipv4.land" "Source and destination are the same." "RFC 1122 section 3.2.1.3" "" "" "";
    Ipv4Duplicate "ipv4.duplicate" "The same datagram over the same link again within a second, unchanged." "RFC 1122 section 3.2.1.5, RFC 6864 section 4.3" "" "" "";
    Ipv4Loop "ipv4.loop" "The same datagram comes over the same link for the third time, each time with a lower TTL: a routing loop." "RFC 1812 section 5.3.1" "" "" "";
    Ipv4TtlChanged "ipv4.ttl.changed" "The TTL of a steady flow changes: its path did, or somebody else speaks in the sender's name." "RFC 791 section 3.2, RFC 5082" "" "" "";
    Ipv4IdentificationConstant "ipv4.identification.constant" "Datagrams that may be fragmented have the same identification, four in a row from one host to another." "RFC 6864 section 4.3" "" "" "";
    Ipv4SourceOwn "ipv4.source.own" "A datagram arrives from an address that this host itself sends from." "RFC 1812 section 5.3.8, RFC 2827" "" "" "";
    Ipv4SourceInterface "ipv4.source.interface" "A source arrives on another interface than it did a moment ago." "RFC 3704 section 2, RFC 1812 section 5.3.8" "" "" "";
    Ipv4ScanHosts "ipv4.scan.hosts" "Of at most 32 hosts that a source tried in a row on one port, 25 did not answer." "RFC 4949 (ping sweep)" "" "Scan::Address_Scan" "";
    Ipv4ScanPorts "ipv4.scan.ports" "Of at most 20 ports of a host that a source tried in a row, 15 did not answer." "RFC 4949 (port scan)" "" "Scan::Port_Scan" "";
    Ipv4ProtocolReserved "ipv4.protocol.reserved" "The protocol number is reserved." "RFC 3692, RFC 5237" "ipv4.unknown_protocol" "" "";
    Ipv4ProtocolIcmpv6 "ipv4.protocol.icmpv6" "ICMPv6 inside IPv4." "RFC 4443 section 1" "ipv4.icmpv6" "" "";

    // ipv6, for what carries IPv4 and what IPv4 carries
    Ipv6Truncated "ipv6.truncated" "The packet is shorter than an IPv6 header." "RFC 8200 section 3" "ipv6.pkt_too_small" "truncated_IPv6" "";
    Ipv6Version "ipv6.version" "The version is not 6." "RFC 8200 section 3" "ipv6.wrong_ip_version" "" "ipv6.bogus_ipv6_version";
    Ipv6PayloadLengthTruncated "ipv6.payload_length.truncated" "The payload length is more than the frame had on the wire." "RFC 8200 section 3" "ipv6.trunc_pkt" "" "ipv6.plen_exceeds_framing";
    Ipv6ExtensionTruncated "ipv6.extension.truncated" "An extension header reaches past the packet." "RFC 8200 section 4" "ipv6.trunc_exthdr" "" "";
    Ipv6SourceMulticast "ipv6.source.multicast" "No host may send from a multicast address." "RFC 4291 section 2.7" "" "" "";
    Icmpv6Truncated "icmpv6.truncated" "The packet is shorter than an ICMPv6 header." "RFC 4443 section 2.1" "icmpv6.pkt_too_small" "" "";
    Icmpv6ChecksumBad "icmpv6.checksum.bad" "The checksum is wrong." "RFC 4443 section 2.3" "" "" "icmpv6.checksum_bad.expert";
    AhTruncated "ah.truncated" "The packet is shorter than its authentication header." "RFC 4302 section 2" "" "" "";
    GreTruncated "gre.truncated" "The packet is shorter than its GRE header." "RFC 2784 section 2, RFC 2890" "gre.pkt_too_small" "truncated_GRE" "";
    GreVersion "gre.version" "The version is neither 0 nor 1." "RFC 2784 section 2.3.1, RFC 2637" "gre.wrong_version" "unknown_gre_version" "";
    GreChecksumBad "gre.checksum.bad" "The checksum is wrong." "RFC 2784 section 2.3" "" "" "gre.checksum.incorrect";
    VxlanTruncated "vxlan.truncated" "The datagram is shorter than a VXLAN header." "RFC 7348 section 5" "" "" "";

    // icmpv4
    Icmpv4ChecksumBad "icmpv4.checksum.bad" "The checksum is wrong." "RFC 792, RFC 1071" "" "bad_ICMP_checksum" "icmp.checksum_bad";
    Icmpv4Truncated "icmpv4.truncated" "The message is shorter than its type needs." "RFC 792" "icmpv4.pkt_too_small" "" "";
    Icmpv4TypeUnknown "icmpv4.type.unknown" "A type that nobody has registered." "RFC 792, IANA icmp-parameters" "icmpv4.unknown_type" "" "";
    Icmpv4TypeDeprecated "icmpv4.type.deprecated" "A type that has been withdrawn." "RFC 6633, RFC 6918" "" "" "";
    Icmpv4CodeUnknown "icmpv4.code.unknown" "A code that its type does not have." "RFC 792, IANA icmp-parameters" "icmpv4.unknown_code" "" "";
    Icmpv4EchoBroadcast "icmpv4.echo.broadcast" "An echo request to everybody on the link, who may all answer at once (smurf)." "RFC 1122 section 3.2.2.6" "" "" "";
    Icmpv4Smurf "icmpv4.smurf" "Echo replies of hosts that were not asked: three to one request, or eight to a host that never asked (smurf)." "RFC 2644, RFC 1122 section 3.2.2.6" "" "" "";
    Icmpv4QuoteUnseen "icmpv4.quote.unseen" "An error about a flow that was not there, to a host whose other flows to the same service were." "RFC 5927 section 4" "" "" "";
    Icmpv4RedirectContradiction "icmpv4.redirect.contradiction" "A host is redirected for one destination in two ways." "RFC 1122 section 3.2.2.2, RFC 1812 section 5.2.7.2" "" "" "";
    Icmpv4UnreachableMtu "icmpv4.unreachable.mtu" "A next-hop MTU below the 68 bytes that every link must carry." "RFC 791 section 3.2, RFC 1191 section 3" "" "" "";
    Icmpv4ErrorToMany "icmpv4.error.to_many" "An error sent to a broadcast or multicast address." "RFC 1122 section 3.2.2" "" "" "";
    Icmpv4ErrorAboutError "icmpv4.error.about_error" "An error about an error." "RFC 1122 section 3.2.2" "" "" "";
    Icmpv4ErrorAboutFragment "icmpv4.error.about_fragment" "An error about a fragment that is not the first." "RFC 1122 section 3.2.2" "" "" "";
    Icmpv4ErrorAboutMany "icmpv4.error.about_many" "An error about a datagram to, or from, no single host." "RFC 1122 section 3.2.2" "" "" "";
    Icmpv4QuoteShort "icmpv4.quote.short" "Less of the datagram is quoted than its header and 8 bytes." "RFC 792, RFC 1122 section 3.2.2" "icmpv4.ipv4_trunc_pkt" "" "";
    Icmpv4QuoteVersion "icmpv4.quote.version" "What is quoted is not an IPv4 datagram." "RFC 792" "icmpv4.ipv4_unknown_ver" "" "";
    Icmpv4ExtensionVersion "icmpv4.extension.version" "The version of the extension structure is not 2." "RFC 4884 section 7" "" "" "";
    Icmpv4ExtensionChecksum "icmpv4.extension.checksum" "The checksum of the extension structure is wrong." "RFC 4884 section 7" "" "" "icmp.ext.checksum_bad";
    Icmpv4ExtensionLength "icmpv4.extension.length" "The length of the quote or of an extension object is impossible." "RFC 4884 sections 3 and 8" "" "" "";

    // igmp
    IgmpChecksumBad "igmp.checksum.bad" "The checksum is wrong." "RFC 2236 section 2.3, RFC 1071" "" "" "igmp.bad_checksum";
    IgmpTruncated "igmp.truncated" "The message is shorter than its type needs." "RFC 2236 section 2, RFC 9776 section 7.1" "igmp.pkt_too_small" "" "";
    IgmpTypeUnknown "igmp.type.unknown" "A type that nobody has registered." "IANA igmp-type-numbers" "" "" "";
    IgmpTtl "igmp.ttl" "A membership message that is allowed further than one hop." "RFC 2236 section 2, RFC 9776 section 4" "" "" "";
    IgmpDestination "igmp.destination" "A report or leave sent where its version does not send it." "RFC 2236 section 3, RFC 9776 section 4.2" "" "" "";
    IgmpGroup "igmp.group" "The group is not a multicast address." "RFC 1112 section 4, RFC 2236 section 2.4" "" "" "";
    IgmpRecords "igmp.records" "The sources or group records reach past the end of the message." "RFC 9776 section 4" "igmp.v3_pkt_too_small" "" "";

    // udp
    UdpTruncated "udp.truncated" "The datagram has no room for the header." "RFC 768" "udp.pkt_too_small" "truncated_header" "";
    UdpLengthShort "udp.length.short" "The length is smaller than the header." "RFC 768, RFC 2675 section 4" "udp.hlen_too_small" "UDP_datagram_length_mismatch" "udp.length.bad";
    UdpLengthLong "udp.length.long" "The length is more than the datagram holds." "RFC 768" "udp.len_invalid" "UDP_datagram_length_mismatch" "udp.length.bad";
    UdpChecksumBad "udp.checksum.bad" "The checksum is wrong." "RFC 768, RFC 1122 section 4.1.3.4" "" "bad_UDP_checksum" "udp.checksum.bad";
    UdpPortZero "udp.port.zero" "The destination port is zero, which nobody can listen on." "RFC 6335 section 6" "" "" "";

    // tcp
    TcpTruncated "tcp.truncated" "The datagram has no room for the header." "RFC 9293 section 3.1" "tcp.pkt_too_small" "truncated_header" "tcp.short_segment";
    TcpDataOffsetShort "tcp.data_offset.short" "The header length is below 20 bytes." "RFC 9293 section 3.1" "tcp.invalid_optlen" "bad_TCP_header_len" "tcp.bogus_header_length";
    TcpDataOffsetLong "tcp.data_offset.long" "The header is longer than the segment." "RFC 9293 section 3.1" "tcp.hlen_too_small" "truncated_header" "tcp.bogus_header_length";
    TcpChecksumBad "tcp.checksum.bad" "The checksum is wrong." "RFC 9293 section 3.1" "" "bad_TCP_checksum" "tcp.checksum_bad.expert";
    TcpFlagsNull "tcp.flags.null" "None of the flags FIN, SYN, RST, PSH, ACK and URG is set: a null scan." "RFC 9293 section 3.10.7" "" "" "";
    TcpFlagsXmas "tcp.flags.xmas" "FIN, PSH and URG without ACK: a Christmas tree scan." "RFC 9293 section 3.10.7" "" "" "";
    TcpFlagsSynFin "tcp.flags.syn_fin" "SYN and FIN together: the connection would begin and end at once." "RFC 9293 section 3.10.7" "" "" "";
    TcpFlagsSynRst "tcp.flags.syn_rst" "SYN and RST together: the connection would begin and be refused at once." "RFC 9293 section 3.10.7" "" "TCP_christmas" "";
    TcpFlagsFinWithoutAck "tcp.flags.fin_without_ack" "FIN without ACK: no connection can be in a state to send it." "RFC 9293 section 3.10.7" "" "" "";
    TcpSynPayload "tcp.syn.payload" "A SYN carries data without Fast Open." "RFC 9293 section 3.4, RFC 7413" "" "SYN_with_data" "";
    TcpPortZero "tcp.port.zero" "A port is zero, which nobody can listen on or speak from." "RFC 6335 section 6" "" "" "";
    TcpReserved "tcp.reserved" "A reserved bit is set." "RFC 9293 section 3.1, RFC 9768" "" "" "";
    TcpOptionLength "tcp.option.length" "An option's length is impossible or reaches past the header." "RFC 9293 section 3.1" "tcp.opt_invalid_len" "" "tcp.option.len.invalid";
    TcpOptionDuplicate "tcp.option.duplicate" "An option that may stand only once stands twice." "RFC 9293 section 3.1" "tcp.opt_duplicate" "" "";
    TcpOptionWindowScale "tcp.option.window_scale" "The window scale is more than 14." "RFC 7323 section 2.3" "" "" "tcp.options.wscale.shift.invalid";
}

impl Anomaly {
    /// The stable id.
    #[inline]
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.entry().id
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_and_every_entry_has_a_sentence_and_a_source() {
        let mut seen = HashSet::new();
        for anomaly in Anomaly::ALL {
            let entry = anomaly.entry();
            assert!(seen.insert(entry.id), "{} stands twice", entry.id);
            assert!(
                entry.meaning.ends_with('.') && !entry.rfc.is_empty(),
                "{}",
                entry.id
            );
        }
    }
}
