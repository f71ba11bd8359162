//! Hears a whole capture, every word of it, and holds the description to what every output relies
//! on. Shared by the mutation test and the fuzz target; it knows no protocol.

use std::fmt::Write as _;
use std::io::Cursor;

use dotquad::capture::{FrameSource, Reader};
use dotquad::error::Kind;
use dotquad::survey::reassembly::{Options, Policy, Reassembly};
use dotquad::survey::tracks::{Origin, Passing, Tracks};
use dotquad::wire::field::{Field, Group, Head, Shape, Visitor};
use dotquad::wire::frame::Frame;
use dotquad::wire::packet::{Judge, Packet, Protocol, dissect, visit};

/// What one hearing amounts to.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Frames handed out.
    pub(crate) frames: u64,
    /// The reader's last word, when it is a complaint.
    pub(crate) complaint: Option<String>,
}

/// Reads `bytes` as a capture, dissects every frame and listens to all of its description.
///
/// # Panics
/// When a promise is broken: that is what a test wants to see.
pub(crate) fn hear(bytes: Vec<u8>) -> Heard {
    let mut heard = Heard::default();
    let mut reader = match Reader::new("any", Cursor::new(bytes)) {
        Ok(reader) => reader,
        Err(error) => {
            heard.complaint = Some(error.to_string());
            return heard;
        }
    };
    let mut packet = Packet::new();
    let mut whole = Packet::new();
    let mut reassembly = Reassembly::new(Options {
        assemble: true,
        policy: Policy::Last,
        ..Options::default()
    });
    let mut tracks = Tracks::new([1, 2], true);
    let origin = Origin::new([1, 2], None);
    let mut listener = Listener::default();
    loop {
        let batch = match reader.next_batch() {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => {
                assert_eq!(error.kind(), Kind::Damaged, "{error}");
                heard.complaint = Some(error.to_string());
                continue;
            }
        };
        for frame in batch.frames() {
            heard.frames += 1;
            assert_eq!(frame.number, heard.frames, "frames are numbered in a row");
            assert!(
                batch.interface(&frame).is_some(),
                "a frame has an interface"
            );
            dissect(&frame, Judge::ALL, &mut packet);
            let length = frame.bytes.len() as u64;
            for layer in packet.layers() {
                let header_end = u64::from(layer.start) + u64::from(layer.header_len);
                assert!(header_end <= length, "{layer:?} leaves its frame");
                assert!(u64::from(layer.end) <= length, "{layer:?} leaves its frame");
            }
            let layers = packet.layers().len();
            for found in packet.anomalies() {
                assert!(usize::from(found.layer) < layers, "{found:?} has no layer");
            }
            if let Some(stopped) = packet.stopped() {
                harmless(&stopped.reason.to_string());
            }
            let seen = reassembly.track(&frame, &packet);
            drop(reassembly.overdue(&packet));
            if let Some(made) = seen.whole {
                assert!(made.frames.is_sorted() && made.frames.contains(&frame.number));
                assert!(made.bytes.len() >= made.length as usize && made.length <= 65_535);
                let datagram = Frame {
                    link_type: made.link_type,
                    wire_len: u32::try_from(made.bytes.len()).unwrap_or(u32::MAX),
                    bytes: &made.bytes,
                    ..frame
                };
                dissect(&datagram, Judge::ALL, &mut whole);
                let outer = whole
                    .layers()
                    .iter()
                    .find(|layer| layer.protocol == Protocol::Ipv4);
                assert!(outer.is_some(), "it is a datagram");
            }
            let passing = Passing::read(&frame, &packet, &origin);
            let tracked = passing.map(|passing| tracks.add(&passing));
            let tracked = tracked.into_iter().flatten();
            for (anomaly, layer, frames) in seen.together.into_iter().chain(tracked) {
                assert!(
                    !frames.is_empty() && usize::from(layer) < layers,
                    "{anomaly:?}"
                );
                assert!(frames.iter().all(|other| *other <= frame.number));
            }
            listener.places.clear();
            visit(&frame, &packet, &mut listener);
            assert!(listener.places.is_empty(), "all that was opened is closed");
        }
    }
    heard
}

/// Our own words go to terminals and into JSON as they are.
fn harmless(words: &str) {
    let wrong = |c: char| c.is_control() || c == '"' || c == '\\';
    assert!(!words.contains(wrong), "{words:?} would need escaping");
}

/// Where in the description we are.
enum Place {
    /// In an object with these keys so far.
    Named(Vec<&'static str>),
    /// In a list.
    Row,
}

#[derive(Default)]
struct Listener {
    places: Vec<Place>,
    words: String,
}

impl Listener {
    /// A key, or an entry without one: what JSON can hold at this place.
    fn key(&mut self, name: &'static str) {
        match self.places.last_mut() {
            Some(Place::Named(keys)) => {
                let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(
                    !name.is_empty() && name.chars().all(snake),
                    "the key {name:?}"
                );
                assert!(!keys.contains(&name), "the key {name:?} comes twice");
                keys.push(name);
            }
            Some(Place::Row) => assert_eq!(name, "", "an entry of a list has no name"),
            None => panic!("{name:?} stands in no layer"),
        }
    }

    fn leave(&mut self) -> Place {
        self.places.pop().expect("what is closed was open")
    }
}

impl Visitor for Listener {
    fn layer(&mut self, head: Head) -> bool {
        // A layer stands in the frame's own list, or in that of a quoted datagram.
        assert!(
            !matches!(self.places.last(), Some(Place::Named(_))),
            "{head:?}"
        );
        self.places.push(Place::Named(vec!["layer"]));
        harmless(head.protocol.label());
        true
    }

    fn field(&mut self, field: Field<'_>) {
        self.key(field.name);
        self.words.clear();
        let _ = write!(self.words, "{:?}", field.value);
        self.words.clear();
        if let Some(meaning) = field.meaning {
            let _ = write!(self.words, "{meaning}");
            let wrong = self.words.contains(char::is_control);
            assert!(!wrong, "{}: {:?}", field.name, self.words);
        }
        harmless(field.label);
    }

    fn open(&mut self, group: Group) {
        self.key(group.name);
        harmless(group.label);
        self.places.push(match group.shape {
            Shape::List => Place::Row,
            Shape::Object | Shape::Item | Shape::Quote => Place::Named(Vec::new()),
        });
    }

    fn close(&mut self, shape: Shape) {
        let row = matches!(self.leave(), Place::Row);
        assert_eq!(row, shape == Shape::List, "a group closes as it opened");
    }

    fn end_layer(&mut self) {
        assert!(matches!(self.leave(), Place::Named(_)));
    }

    fn say(&mut self, words: &dyn std::fmt::Display) {
        self.words.clear();
        let _ = write!(self.words, "{words}");
        assert!(!self.words.contains(char::is_control), "{:?}", self.words);
    }
}
