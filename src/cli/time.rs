//! How a moment is written: five ways, one cache.
//!
//! Knows zones (through jiff) and digits; it never reads a clock, as a saved frame brings its own
//! time.

use super::text::Text;
use crate::wire::frame::Time;

/// The ways `--time` offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Time of day, UTC
    #[default]
    Utc,
    /// Time of day in the local zone
    Local,
    /// Seconds since 1970
    Epoch,
    /// Seconds since the first frame of the capture
    Relative,
    /// Seconds since the line before
    Delta,
}

/// Writes times of one format. Keeps the last second it wrote, since frames come in crowds.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    format: Format,
    zone: Option<jiff::tz::TimeZone>,
    first: Option<Time>,
    second: Option<i64>,
    shown: [u8; 8],
}

impl Clock {
    /// `first` is the time of the capture's first frame, the zero of relative times.
    pub(super) fn new(format: Format, first: Option<Time>) -> Self {
        let zone = (format == Format::Local).then(jiff::tz::TimeZone::system);
        Self {
            format,
            zone,
            first,
            second: None,
            shown: *b"00:00:00",
        }
    }

    /// Sets the zero of relative times, if it is not set yet.
    pub(super) fn start(&mut self, first: Option<Time>) {
        if self.first.is_none() {
            self.first = first;
        }
    }

    /// Writes `time` with 6 or 9 digits. A delta is not known here: nothing is written, and the
    /// in-order stage fills the gap.
    #[inline]
    pub(super) fn write(&mut self, out: &mut Text, time: Option<Time>, digits: usize) {
        let Some(time) = time else {
            out.push(b'-');
            return;
        };
        match self.format {
            Format::Utc | Format::Local => {
                if self.second != Some(time.seconds) {
                    self.day(time.seconds);
                }
                out.raw(&self.shown);
                fraction(out, time.nanoseconds, digits);
            }
            Format::Epoch => epoch(out, time, digits),
            Format::Relative => {
                seconds(out, self.first.map_or(0, |first| time.since(first)), digits);
            }
            Format::Delta => {}
        }
    }

    /// The time of day of a second, in the zone of this clock.
    fn day(&mut self, second: i64) {
        self.second = Some(second);
        let offset = self.zone.as_ref().map_or(0, |zone| {
            jiff::Timestamp::from_second(second)
                .map_or(0, |moment| i64::from(zone.to_offset(moment).seconds()))
        });
        let of_day = second.saturating_add(offset).rem_euclid(86_400);
        let mut text = Text::default();
        for (at, part) in [of_day / 3600, of_day / 60 % 60, of_day % 60]
            .into_iter()
            .enumerate()
        {
            if at > 0 {
                text.push(b':');
            }
            text.padded(u32::try_from(part).unwrap_or(0), 2);
        }
        if let Some(shown) = text.as_bytes().first_chunk() {
            self.shown = *shown;
        }
    }
}

/// Seconds since 1970 with a fraction; `-0.5` for half a second before.
pub(super) fn epoch(out: &mut Text, time: Time, digits: usize) {
    if let Ok(whole) = u64::try_from(time.seconds) {
        out.number(whole);
        fraction(out, time.nanoseconds, digits);
    } else {
        seconds(out, time.total_nanoseconds(), digits);
    }
}

/// A signed number of nanoseconds, as seconds with a fraction.
pub(super) fn seconds(out: &mut Text, nanoseconds: i128, digits: usize) {
    if nanoseconds < 0 {
        out.push(b'-');
    }
    let magnitude = nanoseconds.unsigned_abs();
    out.number(u64::try_from(magnitude / 1_000_000_000).unwrap_or(u64::MAX));
    fraction(
        out,
        u32::try_from(magnitude % 1_000_000_000).unwrap_or(0),
        digits,
    );
}

#[inline]
fn fraction(out: &mut Text, nanoseconds: u32, digits: usize) {
    out.push(b'.');
    if digits == 9 {
        out.padded(nanoseconds, 9);
    } else {
        out.padded(nanoseconds / 1000, 6);
    }
}

/// The date and time of day, UTC, with nine digits: for people who look at one packet.
pub(super) fn date(out: &mut Text, time: Time) {
    match jiff::Timestamp::from_second(time.seconds) {
        Ok(moment) => {
            out.display(
                &moment
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .strftime("%Y-%m-%d %H:%M:%S"),
            );
            fraction(out, time.nanoseconds, 9);
            out.str(" UTC");
        }
        Err(_) => epoch(out, time, 9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, first: Option<Time>, seconds: i64, nanoseconds: u32) -> String {
        let mut out = Text::default();
        Clock::new(format, first).write(
            &mut out,
            Some(Time {
                seconds,
                nanoseconds,
            }),
            6,
        );
        String::from_utf8_lossy(out.as_bytes()).into_owned()
    }

    #[test]
    fn every_format_at_its_edges() {
        let at = |seconds, nanoseconds| {
            Some(Time {
                seconds,
                nanoseconds,
            })
        };
        assert_eq!(
            written(Format::Utc, None, 1_700_000_000, 16_000),
            "22:13:20.000016"
        );
        assert_eq!(written(Format::Utc, None, -1, 0), "23:59:59.000000");
        assert_eq!(
            written(Format::Epoch, None, 4_294_967_295, 999_999_999),
            "4294967295.999999"
        );
        assert_eq!(written(Format::Epoch, None, -1, 500_000_000), "-0.500000");
        assert_eq!(
            written(Format::Epoch, None, i64::MIN, 0),
            "-9223372036854775808.000000"
        );
        assert_eq!(
            written(Format::Relative, at(10, 0), 9, 750_000_000),
            "-0.250000"
        );
        assert_eq!(
            written(Format::Relative, at(i64::MIN, 0), i64::MAX, 0),
            "18446744073709551615.000000"
        );
        assert_eq!(written(Format::Relative, at(10, 0), 12, 1000), "2.000001");
    }

    #[test]
    fn a_date_beyond_the_calendar_is_shown_as_seconds() {
        let mut out = Text::default();
        date(
            &mut out,
            Time {
                seconds: i64::MAX,
                nanoseconds: 1,
            },
        );
        assert_eq!(out.as_bytes(), b"9223372036854775807.000000001");
    }
}
