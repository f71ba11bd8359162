//! Each field and each broken variant, byte for byte on the other end of a veth pair.

use libtest_mimic::{Failed, Trial};

use super::super::Powers;
use super::{MAC_A, MAC_B, Pair, built, built_frames, good, untagged};

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    vec![
        powers.trial("send_arrives_as_asked", arrives_as_asked),
        powers.trial("send_fragments_arrive_as_asked", fragments_arrive),
        powers.trial("send_every_flag_has_a_row", every_flag_has_a_row),
    ]
}

/// Words of a command line, and bytes that the datagram must have where an RFC says so.
type Row = (&'static str, &'static [(usize, &'static [u8])]);

/// Offsets count from the first byte of the IPv4 header.
const ROWS: &[Row] = &[
    (
        "--udp --dport 53",
        &[(0, &[0x45, 0, 0, 28]), (9, &[17]), (22, &[0, 53, 0, 8])],
    ),
    ("--udp --ip-version 6", &[(0, &[0x65])]),
    ("--udp --ihl 4", &[(0, &[0x44])]),
    ("--udp --ihl 15", &[(0, &[0x4f])]),
    ("--udp --dscp 46 --ecn 3", &[(1, &[0xbb])]),
    ("--udp --total-length 0", &[(2, &[0, 0])]),
    ("--udp --total-length 65535", &[(2, &[0xff, 0xff])]),
    ("--udp --id 0", &[(4, &[0, 0])]),
    ("--udp --id 0xbeef", &[(4, &[0xbe, 0xef])]),
    ("--udp --reserved", &[(6, &[0x80, 0])]),
    ("--udp --df", &[(6, &[0x40, 0])]),
    ("--udp --mf", &[(6, &[0x20, 0])]),
    ("--udp --offset 65528", &[(6, &[0x1f, 0xff])]),
    ("--udp --ttl 0", &[(8, &[0])]),
    ("--udp --ttl 255", &[(8, &[255])]),
    ("--protocol 255 --data x", &[(9, &[255]), (20, b"x")]),
    ("--udp --checksum 0xdead", &[(10, &[0xde, 0xad])]),
    ("--udp --source 0.0.0.0", &[(12, &[0, 0, 0, 0])]),
    (
        "--udp --source 255.255.255.255",
        &[(12, &[255, 255, 255, 255])],
    ),
    ("--udp --option rr:9", &[(0, &[0x4f]), (20, &[7, 39, 4])]),
    ("--udp --option ts:2", &[(20, &[68, 12, 5, 0])]),
    (
        "--udp --option ts-only:10.0.0.9",
        &[(20, &[68, 12, 5, 3, 10, 0, 0, 9])],
    ),
    (
        "--udp --option lsrr:10.0.0.8,10.0.0.9",
        &[(20, &[131, 11, 4, 10, 0, 0, 8, 10, 0, 0, 9])],
    ),
    (
        "--udp --option ssrr:10.0.0.8@8",
        &[(20, &[137, 7, 8, 10, 0, 0, 8])],
    ),
    ("--udp --option ra", &[(20, &[148, 4, 0, 0])]),
    (
        "--udp --option nop --option nop --option eol",
        &[(20, &[1, 1, 0, 0])],
    ),
    ("--udp --option 0x07ff04", &[(20, &[7, 255, 4, 0])]),
    ("--udp --option 30:aabb", &[(20, &[30, 4, 0xaa, 0xbb])]),
    (
        "--udp --sport 65535 --udp-length 3 --udp-checksum 1",
        &[(20, &[255, 255]), (24, &[0, 3, 0, 1])],
    ),
    ("--udp --destination 10.77.1.9", &[(16, &[10, 77, 1, 9])]),
    (
        "--udp --option ts-address:1",
        &[(20, &[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0])],
    ),
    ("--udp --option ra:1", &[(20, &[148, 4, 0, 1])]),
    // Options that end within a word are filled up by what follows.
    (
        "--udp --option 7:ff --ihl 6",
        &[(0, &[0x46]), (20, &[7, 3, 0xff])],
    ),
    ("--icmp", &[(20, &[8, 0, 0xf7, 0xfe, 0, 1, 0, 0])]),
    (
        "--icmp --icmp-id 0",
        &[(20, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0])],
    ),
    (
        "--icmp --icmp-id 258 --icmp-sequence 772",
        &[(24, &[1, 2, 3, 4])],
    ),
    (
        "--icmp-type parameter-problem --icmp-pointer 20",
        &[(20, &[12, 0]), (24, &[20, 0, 0, 0])],
    ),
    (
        "--icmp-type unreachable --icmp-length 17 --icmp-quote 4500001c",
        &[(24, &[0, 17, 0, 0]), (28, &[0x45, 0, 0, 0x1c])],
    ),
    (
        "--icmp-type extended-echo --icmp-extension 3/1:65746830 --icmp-extensions-checksum 0xbeef",
        &[
            (20, &[42, 0]),
            (28, &[0x20, 0, 0xbe, 0xef, 0, 8, 3, 1]),
            (36, b"eth0"),
        ],
    ),
    (
        "--icmp --icmp-type 255 --icmp-code 7 --icmp-rest 0x01020304",
        &[(20, &[255, 7]), (24, &[1, 2, 3, 4])],
    ),
    (
        "--icmp-type redirect --icmp-code 1 --icmp-gateway 10.0.0.9",
        &[(20, &[5, 1]), (24, &[10, 0, 0, 9])],
    ),
    (
        "--icmp-type unreachable --icmp-code 4 --icmp-mtu 1400 --icmp-quote 4500001c000100004011000a0a0000010a000002000100020008ffff",
        &[(20, &[3, 4]), (26, &[5, 0x78]), (28, &[0x45])],
    ),
    (
        "--icmp-type time-exceeded --icmp-quote 4500001c --icmp-extension mpls:24001/5/1/1",
        &[
            (20, &[11, 0]),
            (25, &[32]),
            (156, &[0x20, 0]),
            (160, &[0, 8, 1, 1, 0x05, 0xdc, 0x1b, 0x01]),
        ],
    ),
    ("--icmp --icmp-checksum 0x1234", &[(22, &[0x12, 0x34])]),
    (
        "--igmp --igmp-group 239.1.2.3",
        &[(9, &[2]), (20, &[0x11, 100]), (24, &[239, 1, 2, 3])],
    ),
    // RFC 2236 section 2.2: only queries give a time to answer within.
    (
        "--igmp-type 0x16 --igmp-group 239.1.2.3",
        &[(20, &[0x16, 0, 0xf8, 0xfa, 239, 1, 2, 3])],
    ),
    (
        "--igmp --igmp-type 0x16 --igmp-code 9 --igmp-checksum 0x1234 --igmp-group 224.0.0.251",
        &[(20, &[0x16, 9, 0x12, 0x34, 224, 0, 0, 251])],
    ),
    // RFC 9776 section 4.1: resv, S and QRV in one byte, QQIC, number of sources.
    (
        "--igmp-group 239.1.2.3 --igmp-reserved 8 --igmp-suppress --igmp-qrv 2 --igmp-qqic 125 --igmp-source 10.0.0.7",
        &[
            (20, &[0x11, 100]),
            (24, &[239, 1, 2, 3, 0x8a, 125, 0, 1, 10, 0, 0, 7]),
        ],
    ),
    ("--igmp-source 10.0.0.7 --igmp-count 9", &[(30, &[0, 9])]),
    // RFC 9776 section 4.2: reserved, number of records; type, words, number of sources.
    (
        "--igmp-record to-exclude:239.1.2.3 --igmp-record allow:239.1.2.4:10.0.0.7,10.0.0.8:0a0b0c0d",
        &[
            (20, &[0x22, 0]),
            (24, &[0, 0, 0, 2, 4, 0, 0, 0, 239, 1, 2, 3]),
            (36, &[5, 1, 0, 2, 239, 1, 2, 4, 10, 0, 0, 7, 10, 0, 0, 8]),
            (52, &[10, 11, 12, 13]),
        ],
    ),
    (
        "--igmp-record 0x0409ffff --igmp-reserved 0x8000 --igmp-count 7",
        &[(24, &[0x80, 0, 0, 7, 4, 9, 255, 255])],
    ),
    ("--tcp --tcp-checksum 0xdead", &[(36, &[0xde, 0xad])]),
    ("--tcp --flags 0 --data-offset 15", &[(32, &[0xf0, 0])]),
    (
        "--tcp --tcp-option sack:1-2,3-4 --tcp-option 30:0011 --tcp-option eol",
        &[
            (40, &[5, 18, 0, 0, 0, 1, 0, 0, 0, 2]),
            (58, &[30, 4, 0, 0x11, 0, 0]),
        ],
    ),
    (
        "--tcp --sport 1 --dport 80 --seq 0x01020304 --ack 0x05060708 --flags FSRPAUEC --window 1 --urgent 9",
        &[
            (20, &[0, 1, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0xff, 0, 1]),
            (38, &[0, 9]),
        ],
    ),
    (
        "--tcp --flags 0xfff --data-offset 4",
        &[(32, &[0x4f, 0xff])],
    ),
    (
        "--tcp --tcp-option mss:1460 --tcp-option sackok --tcp-option ts:1,2 --tcp-option nop --tcp-option ws:7",
        &[
            (32, &[0xa0, 2]),
            (
                40,
                &[
                    2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7,
                ],
            ),
        ],
    ),
    ("--tcp --tcp-option 0x0200", &[(40, &[2, 0, 0, 0])]),
    (
        "--udp --data-len 300",
        &[(28, &[0, 1, 2, 3]), (283, &[255, 0, 1])],
    ),
    (
        "--udp --data-len 5 --data-pattern c0ff",
        &[(28, &[0xc0, 0xff, 0xc0, 0xff, 0xc0])],
    ),
    // Any file: this one is 14 bytes long and begins with its own name.
    ("--udp --data-file FILE", &[(28, b"FILE of a test")]),
    ("--udp --ethernet-source 02:00:00:00:00:77", &[]),
    (
        "--udp --data-hex 00:ff --trailer c0ffee",
        &[(28, &[0, 255, 0xc0, 0xff, 0xee])],
    ),
    ("--udp --truncate 10", &[(0, &[0x45, 0])]),
    ("--udp --vlan 100/5 --data tagged", &[(28, b"tagged")]),
    (
        "--udp --ethertype 0x8847 --shim 05dc1b01 --data labelled",
        &[(28, b"labelled")],
    ),
    (
        "--udp --vlan 7@0x88a8 --vlan 100 --data twice",
        &[(28, b"twice")],
    ),
    ("--udp --ethertype 0x88b5 --data other", &[(28, b"other")]),
];

fn arrives_as_asked() -> Result<(), Failed> {
    let pair = Pair::new("dqs1");
    let (_, mut wire) = pair.listen();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("FILE");
    std::fs::write(&file, "FILE of a test")?;
    let file = file.to_str().unwrap();
    for (words, facts) in ROWS {
        let mut args = vec!["send", "10.77.1.2", "-i", &pair.a, "--ethernet", MAC_B];
        if !words.contains("--ethernet-source") {
            args.extend(["--ethernet-source", MAC_A]);
        }
        if !words.contains("--source") {
            args.extend(["--source", "10.77.1.1"]);
        }
        let words_of = words.split(' ');
        args.extend(words_of.map(|word| if word == "FILE" { file } else { word }));
        let asked = built(&args);
        let (_, err) = good(&args);
        assert!(
            err.contains("1 packet sent; 1 seen to leave as built"),
            "{words}: {err}"
        );
        let seen = wire.next().unwrap().to_vec();
        assert_eq!(seen, untagged(asked.clone()), "{words}");
        let more = words.matches("--vlan").count() + words.matches("--shim").count();
        let datagram = &asked[14 + 4 * more..];
        for (at, bytes) in *facts {
            assert!(
                datagram[*at..].starts_with(bytes),
                "{words}: {datagram:02x?} at {at}"
            );
        }
    }
    Ok(())
}

/// Fragments, right and wrong: where each begins, in bytes, and whether more are said to follow
/// (RFC 791 section 3.2), of 108 bytes of data in pieces of at most 48.
fn fragments_arrive() -> Result<(), Failed> {
    let pair = Pair::new("dqsd");
    let (_, mut wire) = pair.listen();
    let whole: &[(u16, bool)] = &[(0, true), (48, true), (96, false)];
    for (words, places) in [
        ("--fragment 68", whole),
        (
            "--fragment 68 --fragment-order reverse",
            &[(96, false), (48, true), (0, true)],
        ),
        (
            "--fragment 68 --fragment-overlap 8",
            &[(0, true), (40, true), (80, false)],
        ),
        ("--fragment 68 --fragment-gap 16", &[(0, true), (64, false)]),
        (
            "--fragment 68 --mf --offset 800",
            &[(800, true), (848, true), (896, true)],
        ),
    ] {
        let mut args = vec![
            "send",
            "10.77.13.2",
            "-i",
            &pair.a,
            "--source",
            "10.77.13.1",
        ];
        args.extend(["--ethernet", MAC_B, "--ethernet-source", MAC_A]);
        args.extend(["--udp", "--data-len", "100"]);
        args.extend(words.split(' '));
        let asked = built_frames(&args);
        good(&args);
        assert_eq!(asked.len(), places.len(), "{words}");
        for (frame, (start, more)) in asked.iter().zip(places) {
            assert_eq!(wire.next()?, frame, "{words}");
            let word = (start / 8) | (u16::from(*more) << 13);
            assert_eq!(frame[20..22], word.to_be_bytes(), "{words}");
        }
    }
    Ok(())
}

/// The flags of single fields are those of the manual's headings that name a header; each of them
/// has a row.
fn every_flag_has_a_row() -> Result<(), Failed> {
    let (manual, _) = good(&["send", "--help"]);
    let mut of_header = false;
    let mut flags = Vec::new();
    for line in manual.lines() {
        if let Some(heading) = line.strip_suffix(':').filter(|it| !it.starts_with(' ')) {
            let headings = ["Frame", "IPv4", "ICMP", "IGMP", "UDP", "TCP", "Payload"];
            of_header = headings.contains(&heading);
        }
        let flag = line.trim_start().strip_prefix("--").filter(|_| of_header);
        flags.extend(flag.and_then(|rest| rest.split([' ', '[', '=']).next()));
    }
    assert!(flags.len() >= 60, "{flags:?}");
    for flag in flags {
        // All of them go to this MAC address.
        let there = flag == "ethernet"
            || ROWS.iter().any(|(words, _)| {
                let mut words = words.split(' ');
                words.any(|word| word.strip_prefix("--") == Some(flag))
            });
        assert!(there, "--{flag} has no row");
    }
    Ok(())
}
