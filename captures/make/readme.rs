//! `captures/README.md`, from what each capture says it shows.

use std::fmt::Write;

use super::{Capture, Oddity};

const HEAD: &str = "\
# Captures

Small captures, each showing one thing. `make.rs` and the files in `make/` make all of them, and
this page, byte for byte the same each time:

    cargo run --example captures

With `-- --check` it writes nothing and says what differs; `cargo test --test captures` does the
same. The maker builds every byte itself, from the RFCs, and uses neither the library nor a crate
that builds packets: a capture is a second opinion. Only the compressed ones go through the
compressors that the library reads them with.

Addresses are those set aside for documentation (RFC 5737, RFC 3849, RFC 6676) or for private use,
hardware addresses are locally administered, and time starts at 1700000000 s and goes on by a
millisecond a frame.
";

const ANOMALIES: &str = "
## Anomalies

`anomalies/ID.pcap` for every id of the catalogue: frame 1 fires it, frame 2 is the near miss
that does not. Where it takes several frames, `--track` may be needed. Where the table names frames, they are as it says; the others fire nothing.

| id | fires | near miss |
|---|---|---|
";

/// The page.
pub(crate) fn text(tour: &Capture, themes: &[(&str, Vec<Capture>)], oddities: &[Oddity]) -> String {
    let mut out = String::from(HEAD);
    let mut say = |line: std::fmt::Arguments<'_>| {
        out.write_fmt(line)
            .expect("a string takes what it is given");
    };
    say(format_args!(
        "\n## The tour\n\n| file | shows |\n|---|---|\n"
    ));
    say(format_args!("| `{}` | {} |\n", tour.path, tour.shows));
    for (theme, captures) in themes {
        say(format_args!(
            "\n## {theme}\n\n| file | shows |\n|---|---|\n"
        ));
        for capture in captures {
            say(format_args!("| `{}` | {} |\n", capture.path, capture.shows));
        }
    }
    say(format_args!("{ANOMALIES}"));
    for oddity in oddities {
        say(format_args!(
            "| `{}` | {} | {} |\n",
            oddity.id, oddity.odd, oddity.near
        ));
    }
    out
}
