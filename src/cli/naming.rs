//! What rotated files are called: strftime's words in the name of `-w`, filled with the time of a
//! file's first packet.
//!
//! Knows zones (through jiff) and names; when a file ends is capture/'s matter.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::capture::rotation::Names;
use crate::error::{self, Error, Result};
use crate::wire::frame::Time;

/// Names out of a template.
#[derive(Debug)]
pub(super) struct Template {
    path: PathBuf,
    /// The file's name, where it has words of strftime.
    format: Option<String>,
    zone: TimeZone,
}

impl Template {
    /// A template for this zone. Words of strftime count in the file's name only: the folder is one.
    ///
    /// # Errors
    /// A word that is none of strftime's, or one that brings a slash.
    pub(super) fn new(path: &Path, zone: TimeZone) -> Result<Self> {
        let refused = |why: String| {
            Error::usage(format!("reading the name {}", error::named(path)), why)
                .advice("% begins a word of strftime(3) here, %% is a percent sign")
        };
        let own = path.file_name().map(std::ffi::OsStr::to_string_lossy);
        let format = own.filter(|own| own.contains('%')).map(String::from);
        if let Some(format) = &format {
            let tried =
                fill(format, Time::default(), &zone).map_err(|why| refused(why.to_string()))?;
            if tried.contains('/') {
                return Err(refused("the time would bring slashes into it".to_owned()));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            format,
            zone,
        })
    }
}

/// The name for a moment.
fn fill(format: &str, time: Time, zone: &TimeZone) -> std::result::Result<String, jiff::Error> {
    let nanoseconds = i32::try_from(time.nanoseconds).unwrap_or(0);
    let moment = Timestamp::new(time.seconds, nanoseconds).unwrap_or_default();
    strtime::format(format, &moment.to_zoned(zone.clone()))
}

impl Names for Template {
    fn name(&mut self, first: Time) -> PathBuf {
        // What could be filled once can be filled again; the template itself is still a name.
        match self.format.as_ref().map(|it| fill(it, first, &self.zone)) {
            Some(Ok(name)) => self.path.with_file_name(name),
            _ => self.path.clone(),
        }
    }

    fn is_fixed(&self) -> bool {
        self.format.is_none()
    }

    fn offset(&self, at: Time) -> i64 {
        let moment = Timestamp::from_second(at.seconds).unwrap_or_default();
        i64::from(self.zone.to_offset(moment).seconds())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn the_time_goes_into_the_name_and_not_into_the_folder() {
        let time = Time {
            seconds: 1_700_000_000,
            nanoseconds: 5,
        };
        let name = |path: &str, zone| {
            let mut template = Template::new(Path::new(path), zone).unwrap();
            (
                template.name(time).to_str().unwrap().to_owned(),
                template.is_fixed(),
            )
        };
        let utc = || TimeZone::UTC;
        assert_eq!(
            name("a%b/x-%Y%m%d-%H%M%S.pcap", utc()),
            ("a%b/x-20231114-221320.pcap".to_owned(), false)
        );
        assert_eq!(name("x.pcap", utc()), ("x.pcap".to_owned(), true));
        assert_eq!(name("100%%.pcap", utc()), ("100%.pcap".to_owned(), false));
        let ahead = TimeZone::fixed(jiff::tz::offset(5));
        assert_eq!(name("%d-%H", ahead.clone()), ("15-03".to_owned(), false));
        let template = Template::new(Path::new("x"), ahead).unwrap();
        assert_eq!(template.offset(time), 5 * 3600);
    }

    #[test]
    fn words_that_are_none_are_refused() {
        for path in ["x-%", "x-%!", "x-%D.pcap"] {
            assert!(
                Template::new(Path::new(path), TimeZone::UTC).is_err(),
                "{path}"
            );
        }
    }
}
