//! Any text as a filter, deep or not, for any link type: what compiles runs over the rest of the
//! bytes as a frame.
#![no_main]

use dotquad::filter::{Expression, Filter, Fragments, NoNames, Options, Target, validate};
use dotquad::wire::frame::{Frame, LinkType, Offload};
use libfuzzer_sys::fuzz_target;

const LINKS: [LinkType; 8] = [
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::NULL,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::PPP,
    LinkType::IPV4,
    LinkType(9999),
];

fuzz_target!(|input: (&str, u8, bool, &[u8])| {
    let (text, link, deep, bytes) = input;
    let Ok(expression) = Expression::parse(text) else {
        return;
    };
    let _ = expression.explain().to_string();
    let link_type = LINKS[usize::from(link) % LINKS.len()];
    for target in [Target::File, Target::Live, Target::LiveCooked] {
        let options = Options {
            deep,
            target,
            link_type,
            snaplen: 0,
            netmask: None,
            resolve: &NoNames,
        };
        let filter = match Filter::compile(&expression, &options) {
            Ok(filter) => filter,
            Err(error) => {
                let _ = error.to_string();
                continue;
            }
        };
        validate(filter.program()).expect("what is compiled can be run");
        let frame = Frame {
            number: 1,
            time: None,
            link_type,
            wire_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            bytes,
            interface: None,
            direction: None,
            offload: Offload::default(),
            comments: &[],
        };
        let alone = filter.matches(&frame);
        if !deep {
            assert_eq!(alone, Fragments::new().matches(&filter, &frame));
        }
    }
});
