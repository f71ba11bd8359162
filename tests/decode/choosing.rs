//! What the options choose: which frames, which words, which colours, and what is refused.

use super::{Said, decode, dotquad};

const ECHO: &str = "captures/icmp_echo.pcap";

/// The lines of a run that must go well.
fn lines(words: &str) -> Vec<String> {
    let Said { out, err, code } = decode(words);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{words}");
    out.lines().map(str::to_owned).collect()
}

#[test]
fn limit_and_skip_choose_frames_in_every_format() {
    let all = lines(ECHO);
    assert_eq!(all.len(), 4);
    assert_eq!(lines(&format!("-c 2 {ECHO}")), all[..2]);
    assert_eq!(lines(&format!("--skip 1 {ECHO}")), all[1..]);
    assert_eq!(lines(&format!("--skip 1 -c 2 {ECHO}")), all[1..3]);
    assert_eq!(lines(&format!("--skip 9 {ECHO}")), all[..0]);
    assert_eq!(lines(&format!("-c 18446744073709551615 {ECHO}")), all);
    let objects = lines(&format!("--format ndjson {ECHO}"));
    assert_eq!(
        lines(&format!("--format ndjson --skip 1 -c 2 {ECHO}")),
        objects[1..3]
    );
    let rows = lines(&format!("--format csv {ECHO}"));
    let chosen = [&rows[..1], &rows[2..4]].concat();
    assert_eq!(lines(&format!("--format csv --skip 1 -c 2 {ECHO}")), chosen);
    let second = lines(&format!("-v --skip 1 -c 1 {ECHO}"));
    assert!(
        second[0].starts_with("Frame 2 ") && second.len() > 20,
        "{second:?}"
    );
}

#[test]
fn a_limit_ends_the_reading_before_the_damage() {
    let said = decode("-c 2 captures/damaged_caplen_huge.pcap");
    assert_eq!(
        (said.out.lines().count(), said.code),
        (2, Some(0)),
        "{}",
        said.err
    );
}

#[test]
fn count_is_a_number_and_nothing_else() {
    for (options, count) in [
        ("", 4),
        ("-c 3", 3),
        ("--skip 3", 1),
        ("--skip 1 -c 2", 2),
        ("--skip 5", 0),
    ] {
        let found = lines(&format!("--count {options} {ECHO}"));
        assert_eq!(found, [count.to_string()], "{options}");
    }
    let said = decode("--count captures/damaged_caplen_huge.pcap");
    assert_eq!((said.out.as_str(), said.code), ("2\n", Some(1)));
    assert_eq!(lines("--count captures/header_only.pcap"), ["0"]);
}

#[test]
fn a_filter_chooses_frames_and_keeps_their_numbers() {
    let all = lines(ECHO);
    assert_eq!(
        lines(&format!("{ECHO} src 192.0.2.1")),
        [all[0].clone(), all[2].clone()]
    );
    assert_eq!(
        lines(&format!("{ECHO} src 192.0.2.1 and icmp[6:2] = 2")),
        [all[2].clone()]
    );
    assert_eq!(lines(&format!("--count {ECHO} tcp")), ["0"]);
    assert_eq!(
        lines(&format!("--skip 1 -c 1 {ECHO} src 198.51.100.2")),
        [all[3].clone()]
    );
    let whole = dotquad(&["decode", ECHO, "not (src 192.0.2.1 or tcp)"]);
    assert_eq!(whole.out.lines().collect::<Vec<_>>(), [&all[1], &all[3]]);
    let said = decode(&format!("{ECHO} host"));
    assert_eq!(
        (said.out.as_str(), said.code),
        ("", Some(2)),
        "{}",
        said.err
    );
    assert!(
        said.err.starts_with("dotquad: reading the filter: "),
        "{}",
        said.err
    );
}

#[test]
fn a_word_that_is_a_file_is_no_filter() {
    let said = decode(&format!("{ECHO} icmp and captures/arp.pcap"));
    assert_eq!((said.out.as_str(), said.code), ("", Some(2)));
    assert!(said.err.contains("-r captures/arp.pcap"), "{}", said.err);
}

#[test]
fn workers_never_change_the_output() {
    for capture in [
        "tour.pcapng",
        "fragments_overlap.pcap",
        "pcapng_interfaces.pcapng",
        "damaged_gzip.pcap.gz",
        "pcap_odd_times.pcap",
    ] {
        for format in [
            "",
            "-v",
            "--format diagram",
            "--format table",
            "--format ndjson",
            "--format csv",
            "--time delta",
            "--time relative",
            "-X",
            "--count",
            "-c 3 --skip 1",
        ] {
            let one = decode(&format!("-j 1 {format} captures/{capture}"));
            for workers in [2, 7] {
                let many = decode(&format!("-j {workers} {format} captures/{capture}"));
                assert_eq!(many, one, "{capture} {format} with {workers}");
            }
        }
    }
}

#[test]
fn workers_never_change_the_output_of_many_frames() {
    let mut frames = Vec::new();
    for number in 0..20_000_u32 {
        frames.push(super::udp(&number.to_be_bytes()));
        if number % 100 == 0 {
            // Fragments of one datagram, far apart: the in-order stage has to see them in order.
            let mut piece = super::udp(&[7; 12]);
            super::put(&mut piece, 6, 0x2000);
            frames.push(piece);
        }
    }
    let capture = super::file(&super::pcap(super::IPV4, &frames));
    let run = |workers: &str| {
        dotquad(&[
            "decode",
            "-j",
            workers,
            "--time",
            "delta",
            &capture.path().to_string_lossy(),
        ])
    };
    let one = run("1");
    assert_eq!((one.code, one.out.lines().count()), (Some(0), frames.len()));
    assert!(run("2") == one && run("7") == one);
}

#[test]
fn times_are_shown_in_five_ways() {
    let shown = |words: &str| -> Vec<String> {
        let second = |line: String| line.split(' ').nth(1).unwrap_or_default().to_owned();
        lines(&format!("{words} {ECHO}"))
            .into_iter()
            .map(second)
            .collect()
    };
    // 1700000000 s is 2023-11-14T22:13:20Z; frames come a millisecond apart.
    let utc = [
        "22:13:20.000000",
        "22:13:20.001000",
        "22:13:20.002000",
        "22:13:20.003000",
    ];
    assert_eq!(shown(""), utc);
    assert_eq!(shown("--time utc"), utc);
    assert_eq!(shown("--time epoch")[1], "1700000000.001000");
    assert_eq!(
        shown("--time relative"),
        ["0.000000", "0.001000", "0.002000", "0.003000"]
    );
    assert_eq!(
        shown("--time delta"),
        ["0.000000", "0.001000", "0.001000", "0.001000"]
    );
    // Relative to the first frame of the capture, delta to the line before.
    assert_eq!(shown("--time relative --skip 2"), ["0.002000", "0.003000"]);
    assert_eq!(shown("--time delta --skip 2"), ["0.000000", "0.001000"]);
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("dotquad");
    command.current_dir(super::root()).env("TZ", "EST5");
    command.args(["decode", "--time", "local", "-c", "1", ECHO]);
    let said = Said::from(command.output().expect("it runs"));
    assert!(said.out.starts_with("1 17:13:20.000000 "), "{}", said.out);
    let said = decode("--time noon captures/icmp_echo.pcap");
    assert_eq!((said.out.as_str(), said.code), ("", Some(2)));
}

#[test]
fn the_bytes_stand_below_their_frame() {
    let hex = lines(&format!("-x -c 1 {ECHO}"));
    assert_eq!(hex[1], "\t0x0000:  0200 0000 0002 0200 0000 0001 0800 4500");
    assert_eq!(hex.len(), 1 + 98_usize.div_ceil(16));
    let both = lines(&format!("-X -c 1 {ECHO}"));
    assert_eq!(
        both[6],
        "\t0x0050:  2627 2829 2a2b 2c2d 2e2f 3031 3233 3435  &'()*+,-./012345"
    );
    assert_eq!(
        both[7],
        "\t0x0060:  3637                                     67"
    );
    let ascii = decode(&format!("-A -c 1 {ECHO}"));
    assert!(
        ascii.out.contains("!\"#$%&'()*+,-./01234567\n"),
        "{}",
        ascii.out
    );
    // Every byte of the frame, whatever the format above it.
    let bytes = std::fs::read(super::root().join(ECHO)).expect("it is there");
    let detail = lines(&format!("-v -x -c 1 {ECHO}"));
    let dump: String = detail
        .iter()
        .filter_map(|line| Some(line.strip_prefix("\t0x")?.split_once(": ")?.1))
        .collect();
    let frame: String = bytes[40..138]
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(dump.replace(' ', ""), frame);
    for format in ["ndjson", "csv", "table"] {
        let said = decode(&format!("--format {format} -x {ECHO}"));
        assert_eq!((said.out.as_str(), said.code), ("", Some(2)), "{format}");
    }
}

#[test]
fn the_link_layer_comes_on_the_line_when_asked_for() {
    let line = &lines(&format!("-e -c 1 {ECHO}"))[0];
    assert!(
        line.contains("02:00:00:00:00:01 > 02:00:00:00:00:02"),
        "{line}"
    );
    let line = &lines(&format!("-c 1 {ECHO}"))[0];
    assert!(!line.contains("02:00"), "{line}");
}

#[test]
fn anomalies_are_left_out_when_not_wanted() {
    let words = "captures/anomalies/ipv4.checksum.bad.pcap";
    assert!(lines(words)[0].contains("!ipv4.checksum.bad"));
    for format in ["line", "detail", "ndjson", "csv"] {
        let said = decode(&format!("--no-anomalies --format {format} {words}"));
        assert!(!said.out.contains("ipv4.checksum.bad"), "{}", said.out);
    }
    // What the checksum is worth is a field, and stays.
    let said = decode(&format!("--no-anomalies --format ndjson {words}"));
    let ipv4 = super::layer(&said.objects()[0], "ipv4")
        .cloned()
        .unwrap_or_default();
    assert_eq!(ipv4["checksum_ok"], false);
}

#[test]
fn columns_are_what_was_asked_for() {
    let rows = lines(
        "--format csv --fields frame,ipv4.ttl,icmpv4.sequence,tcp.flags.syn,layers captures/icmp_echo.pcap",
    );
    assert_eq!(
        rows[0],
        "frame,ipv4.ttl,icmpv4.sequence,tcp.flags.syn,layers"
    );
    assert_eq!(rows[1], "1,64,1,,ethernet/ipv4/icmpv4/payload");
    let rows = lines(
        "--format csv --fields tcp.flags.syn,tcp.source_port captures/tcp_handshake_options.pcap",
    );
    assert_eq!(rows[1].split(',').next(), Some("1"));
    // What an error quotes is named by where it stands.
    let rows = lines(
        "--format csv --fields ipv4.ttl,icmpv4.quoted.ipv4.ttl captures/icmp_time_exceeded.pcap",
    );
    assert!(
        rows[1].split(',').all(|cell| cell.parse::<u8>().is_ok()),
        "{}",
        rows[1]
    );
}

#[test]
fn columns_that_cannot_be_are_refused() {
    for fields in [
        "nope",
        "ipv4",
        "ipv4.nope",
        "frame.x",
        "",
        "frame,,time",
        "tcp.flags.nope",
        "ipv4.source.x",
    ] {
        let said = dotquad(&["decode", "--format", "csv", "--fields", fields, ECHO]);
        assert_eq!((said.out.as_str(), said.code), ("", Some(2)), "{fields:?}");
        assert!(said.err.contains("--fields"), "{}", said.err);
    }
    let said = decode(&format!("--fields frame {ECHO}"));
    assert_eq!((said.out.as_str(), said.code), ("", Some(2)));
    assert!(said.err.contains("--format csv"), "{}", said.err);
}

#[test]
fn colour_helps_and_is_never_needed() {
    for format in ["line", "detail", "diagram"] {
        let never = decode(&format!(
            "--color never --format {format} captures/tour.pcapng"
        ));
        let auto = decode(&format!("--format {format} captures/tour.pcapng"));
        assert_eq!(auto, never, "a pipe is no terminal");
        assert!(!never.out.contains('\x1b'), "{format}");
        let always = decode(&format!(
            "--color always --format {format} captures/tour.pcapng"
        ));
        assert!(always.out.contains('\x1b'), "{format}");
        assert_eq!(plain(&always.out), never.out, "{format}");
    }
    for format in ["ndjson", "csv", "table"] {
        let said = decode(&format!(
            "--color always --format {format} captures/tour.pcapng"
        ));
        assert!(!said.out.contains('\x1b'), "{format}");
    }
    let said = decode(&format!("--color sometimes {ECHO}"));
    assert_eq!(said.code, Some(2));
}

/// Text without the sequences that colour it (ECMA-48: CSI to `m`).
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    out + rest
}

#[test]
fn words_that_make_no_sense_are_usage_errors() {
    for words in [
        "",
        "--bogus captures/icmp_echo.pcap",
        "-c 0 captures/icmp_echo.pcap",
        "-c -1 captures/icmp_echo.pcap",
        "-c 18446744073709551616 captures/icmp_echo.pcap",
        "-c many captures/icmp_echo.pcap",
        "-j 0 captures/icmp_echo.pcap",
        "-j 65536 captures/icmp_echo.pcap",
        "--skip -1 captures/icmp_echo.pcap",
        "--format pdf captures/icmp_echo.pcap",
        "--count --format ndjson captures/icmp_echo.pcap",
        "--count -w out.pcap captures/icmp_echo.pcap",
    ] {
        let said = decode(words);
        assert_eq!((said.out.as_str(), said.code), ("", Some(2)), "{words}");
        assert!(!said.err.is_empty(), "{words}");
    }
    assert!(!super::root().join("out.pcap").exists());
    let said = dotquad(&["decrypt"]);
    assert_eq!((said.out.as_str(), said.code), ("", Some(2)));
}
