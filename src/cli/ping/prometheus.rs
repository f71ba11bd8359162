//! The sums as Prometheus' text exposition format 0.0.4, for a textfile collector or a pipe.

use super::output::{MUCH, Output};
use super::show::{Shared, Show};
use crate::cli::text::Text;
use crate::error::Result;
use crate::probe::ping::{Report, Summary, Sums};

/// A number of a summary, as a metric.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&Summary) -> Option<f64>,
}

const SECOND: f64 = 1e9;

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles")]
fn double(value: u64) -> f64 {
    value as f64
}

const METRICS: [Metric; 13] = [
    Metric {
        name: "dotquad_ping_up",
        kind: "gauge",
        help: "1 when one of the last three probes was answered.",
        value: |it| Some(if it.recent { 1.0 } else { 0.0 }),
    },
    Metric {
        name: "dotquad_ping_transmitted_total",
        kind: "counter",
        help: "Probes sent.",
        value: |it| Some(double(it.transmitted)),
    },
    Metric {
        name: "dotquad_ping_received_total",
        kind: "counter",
        help: "Probes answered.",
        value: |it| Some(double(it.answered())),
    },
    Metric {
        name: "dotquad_ping_lost_total",
        kind: "counter",
        help: "Probes given up, or ended by an error.",
        value: |it| Some(double(it.lost.saturating_add(it.failed))),
    },
    Metric {
        name: "dotquad_ping_duplicates_total",
        kind: "counter",
        help: "Answers to probes that had been answered.",
        value: |it| Some(double(it.duplicates)),
    },
    Metric {
        name: "dotquad_ping_corrupted_total",
        kind: "counter",
        help: "Answers that are not what was sent.",
        value: |it| Some(double(it.corrupted)),
    },
    Metric {
        name: "dotquad_ping_reordered_total",
        kind: "counter",
        help: "Answers overtaken by those of later probes.",
        value: |it| Some(double(it.reordered)),
    },
    Metric {
        name: "dotquad_ping_errors_total",
        kind: "counter",
        help: "ICMP errors, and probes that could not be sent.",
        value: |it| Some(double(it.errors)),
    },
    Metric {
        name: "dotquad_ping_rtt_min_seconds",
        kind: "gauge",
        help: "The shortest round trip.",
        value: |it| it.rtt.map(|rtt| double(rtt.min) / SECOND),
    },
    Metric {
        name: "dotquad_ping_rtt_mean_seconds",
        kind: "gauge",
        help: "The mean round trip.",
        value: |it| it.rtt.map(|rtt| rtt.mean / SECOND),
    },
    Metric {
        name: "dotquad_ping_rtt_max_seconds",
        kind: "gauge",
        help: "The longest round trip.",
        value: |it| it.rtt.map(|rtt| double(rtt.max) / SECOND),
    },
    Metric {
        name: "dotquad_ping_rtt_stddev_seconds",
        kind: "gauge",
        help: "The standard deviation of round trips.",
        value: |it| it.rtt.map(|rtt| rtt.stddev / SECOND),
    },
    Metric {
        name: "dotquad_ping_rtt_variation_seconds",
        kind: "gauge",
        help: "Round-trip delay variation, by the formula of RFC 3550.",
        value: |it| it.rtt.map(|rtt| rtt.jitter / SECOND),
    },
];

const QUANTILES: [&str; 3] = ["0.5", "0.9", "0.99"];

/// Waits for the end: the machine keeps the sums.
#[derive(Debug)]
pub(super) struct Prometheus;

impl Show for Prometheus {
    fn report(&mut self, _report: &Report, _shared: &Shared, _out: &mut Text, _err: &mut Text) {}

    fn end(&mut self, sums: &dyn Sums, shared: &Shared, output: &mut Output<'_, '_>) -> Result<()> {
        write(sums, shared, &mut |text| output.pass(text))
    }
}

/// All metrics, handed to `pass` whenever there is much.
///
/// # Errors
/// What `pass` says.
pub(super) fn write(
    sums: &dyn Sums,
    shared: &Shared,
    pass: &mut dyn FnMut(&mut Text) -> Result<()>,
) -> Result<()> {
    let head = |out: &mut Text, name: &str, kind: &str, help: &str| {
        out.display(&format_args!(
            "# HELP {name} {help}\n# TYPE {name} {kind}\n"
        ));
    };
    let summaries = || (0..shared.config.targets.len()).filter_map(|index| sums.summary(index));
    let mut out = Text::default();
    for metric in &METRICS {
        head(&mut out, metric.name, metric.kind, metric.help);
        for summary in summaries() {
            if let Some(value) = (metric.value)(&summary) {
                out.str(metric.name);
                labels(&mut out, shared, &summary, None);
                out.display(&format_args!(" {value}\n"));
            }
            if out.len() >= MUCH {
                pass(&mut out)?;
            }
        }
    }
    let name = "dotquad_ping_rtt_seconds";
    let mut headed = false;
    for summary in summaries() {
        let Some(percentiles) = summary.rtt.and_then(|rtt| rtt.percentiles) else {
            continue;
        };
        if !std::mem::replace(&mut headed, true) {
            head(&mut out, name, "gauge", "Percentiles of round trips.");
        }
        for (quantile, value) in QUANTILES.iter().zip(percentiles) {
            out.str(name);
            labels(&mut out, shared, &summary, Some(quantile));
            out.display(&format_args!(" {}\n", double(value) / SECOND));
        }
        if out.len() >= MUCH {
            pass(&mut out)?;
        }
    }
    let strays = sums.strays();
    let name = "dotquad_ping_strays_total";
    let help = "Messages that belong to no probe, or only seem to.";
    head(&mut out, name, "counter", help);
    for (kind, count) in [
        ("foreign", strays.foreign),
        ("strange", strays.strange),
        ("unproven", strays.unproven),
    ] {
        out.display(&format_args!("{name}{{kind=\"{kind}\"}} {count}\n"));
    }
    let name = "dotquad_ping_local_drops_total";
    head(
        &mut out,
        name,
        "counter",
        "Messages that our own receive buffer had no room for.",
    );
    out.display(&format_args!("{name} {}\n", strays.local_drops));
    pass(&mut out)
}

fn labels(out: &mut Text, shared: &Shared, summary: &Summary, quantile: Option<&str>) {
    out.str("{target=\"");
    // What the format would read as its own is escaped.
    for character in shared.label(summary.index, summary.target).chars() {
        match character {
            '\\' => out.str("\\\\"),
            '"' => out.str("\\\""),
            '\n' => out.str("\\n"),
            other => out.display(&other),
        }
    }
    out.str("\",address=\"");
    out.ipv4(summary.target.octets());
    out.push(b'"');
    if let Some(quantile) = quantile {
        out.str(",quantile=\"");
        out.str(quantile);
        out.push(b'"');
    }
    out.push(b'}');
}
