//! The sums as Prometheus' text exposition format 0.0.4, for a textfile collector or a pipe.

use super::show::{Shared, Show};
use crate::cli::text::Text;
use crate::probe::ping::{Report, Strays, Summary};

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
        help: "1 when the target has answered.",
        value: |it| Some(if it.answered() > 0 { 1.0 } else { 0.0 }),
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

/// Collects the sums until the end.
#[derive(Debug, Default)]
pub(super) struct Prometheus {
    summaries: Vec<Summary>,
}

impl Show for Prometheus {
    fn report(&mut self, report: &Report, _shared: &Shared, _out: &mut Text, _err: &mut Text) {
        if let Report::Summary(summary) = report {
            self.summaries.push(Summary::clone(summary));
        }
    }

    fn end(&mut self, shared: &Shared, strays: Strays, out: &mut Text) {
        write(out, shared, &self.summaries, strays);
    }
}

/// All metrics of these sums.
pub(super) fn write(out: &mut Text, shared: &Shared, summaries: &[Summary], strays: Strays) {
    let head = |out: &mut Text, name: &str, kind: &str, help: &str| {
        out.display(&format_args!(
            "# HELP {name} {help}\n# TYPE {name} {kind}\n"
        ));
    };
    for metric in &METRICS {
        head(out, metric.name, metric.kind, metric.help);
        for summary in summaries {
            if let Some(value) = (metric.value)(summary) {
                out.str(metric.name);
                labels(out, shared, summary, None);
                out.display(&format_args!(" {value}\n"));
            }
        }
    }
    let name = "dotquad_ping_rtt_seconds";
    if summaries.iter().any(|it| percentiles(it).is_some()) {
        head(out, name, "gauge", "Percentiles of round trips.");
    }
    for summary in summaries {
        for (quantile, value) in QUANTILES
            .iter()
            .zip(percentiles(summary).unwrap_or_default())
        {
            out.str(name);
            labels(out, shared, summary, Some(quantile));
            out.display(&format_args!(" {}\n", double(value) / SECOND));
        }
    }
    let name = "dotquad_ping_local_drops_total";
    head(
        out,
        name,
        "counter",
        "Messages that our own receive buffer had no room for.",
    );
    out.display(&format_args!("{name} {}\n", strays.local_drops));
}

/// A vector that is empty where no histogram was kept, so that nothing is made up.
fn percentiles(summary: &Summary) -> Option<Vec<u64>> {
    summary.rtt?.percentiles.map(Vec::from)
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
