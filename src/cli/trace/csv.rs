//! A path as comma separated values: a row a query, RFC 4180's quotes where they are needed.

use std::net::Ipv4Addr;

use super::Show;
use super::facts::Facts;
use crate::cli::csv::quoted;
use crate::cli::text::Text;
use crate::probe::trace::{Hop, Outcome, Query, Summary};

/// Writes rows.
#[derive(Debug)]
pub(super) struct Csv;

const HEADER: &str = "target,cycle,ttl,query,flow,address,name,asn,as_holder,rtt_ns,timestamps,\
                      icmp_type,icmp_code,reply_ttl,return_hops,quoted_ttl,tos_quoted,mpls,mark,\
                      port,unmatched_key,nat,mtu,rate_limited,loop\n";

fn number(value: Option<impl Into<u64>>) -> String {
    value.map_or(String::new(), |value| value.into().to_string())
}

fn row(cells: &[String], out: &mut Text) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        quoted(cell.as_bytes(), out);
    }
    out.push(b'\n');
}

impl Show for Csv {
    fn start(&mut self, _: &Facts, out: &mut Text) {
        out.str(HEADER);
    }

    fn hop(&mut self, hop: &Hop, facts: &Facts, out: &mut Text) {
        for (place, Query { flow, outcome }) in (1_u64..).zip(&hop.queries) {
            let mut cells = vec![
                facts.label(hop.target).into_owned(),
                hop.cycle.to_string(),
                hop.ttl.to_string(),
                place.to_string(),
                flow.to_string(),
            ];
            if let Outcome::Answered(answer) = outcome {
                let system = facts.system(answer.address);
                let asn = system.as_ref().map(|it| it.number);
                let holder = system.and_then(|it| it.holder).unwrap_or_default();
                let mut clean = Text::default();
                clean.escaped(holder.as_bytes());
                let labels: Vec<String> = answer
                    .labels
                    .iter()
                    .map(|it| it.label.to_string())
                    .collect();
                let port = answer.open.map(|open| if open { "open" } else { "closed" });
                cells.extend([
                    answer.address.to_string(),
                    facts.name(answer.address).unwrap_or_default().to_owned(),
                    number(asn),
                    clean.into_string(),
                    answer.rtt.nanoseconds.to_string(),
                    answer.rtt.source.name().to_owned(),
                    number(answer.icmp.map(|(kind, _)| kind)),
                    number(answer.icmp.map(|(_, code)| code)),
                    number(answer.reply_ttl),
                    number(answer.return_hops),
                    number(answer.quoted_ttl),
                    number(answer.tos_quoted),
                    labels.join("/"),
                    answer.mark.map(|it| it.to_string()).unwrap_or_default(),
                    port.unwrap_or_default().to_owned(),
                    answer
                        .unmatched_key
                        .map(|it| it.name().to_owned())
                        .unwrap_or_default(),
                ]);
            } else {
                cells.extend(std::iter::repeat_n(String::new(), 16));
            }
            cells.extend([
                hop.nat.to_string(),
                number(hop.mtu.map(|it| it.bytes)),
                if hop.undecided {
                    String::new()
                } else {
                    hop.rate_limited.to_string()
                },
                hop.repeated.to_string(),
            ]);
            row(&cells, out);
        }
    }

    fn summary(&mut self, _: Ipv4Addr, _: &Summary, _: &Facts, _: &mut Text) {}
}
