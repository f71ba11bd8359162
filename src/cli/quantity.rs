//! Numbers with a unit, as people type them: `30s`, `1h`, `100M`, `2GiB`.
//!
//! Knows units, and nothing of what they are used for.

use std::num::NonZeroU64;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// A duration above zero: a number and `ms`, `s`, `m`, `h` or `d`; seconds without a unit.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let nanoseconds = match unit {
        "ms" => SECOND / 1000,
        "" | "s" => SECOND,
        "m" | "min" => 60 * SECOND,
        "h" => 3600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => {
            return Err(format!(
                "{unit:?} is no unit of time here: ms, s, m, h or d"
            ));
        }
    };
    let nanoseconds = scaled(number, nanoseconds)?;
    if nanoseconds == 0 {
        return Err("nothing happens in no time at all".to_owned());
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// A whole number of seconds above zero, as [`duration`].
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn seconds(text: &str) -> Result<NonZeroU64, String> {
    let duration = duration(text)?;
    match NonZeroU64::new(duration.as_secs()) {
        Some(seconds) if duration.subsec_nanos() == 0 => Ok(seconds),
        _ => Err("whole seconds are the finest".to_owned()),
    }
}

/// A number of bytes above zero: `k`, `M`, `G`, `T` are powers of 1000, `KiB`, `MiB`, `GiB`, `TiB`
/// powers of 1024; bytes without a unit.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn bytes(text: &str) -> Result<NonZeroU64, String> {
    let (number, unit) = split(text);
    let lower = unit.to_ascii_lowercase();
    let (base, prefix) = match lower.strip_suffix("ib") {
        Some(prefix) => (1024_u64, prefix),
        None => (1000, lower.strip_suffix('b').unwrap_or(&lower)),
    };
    let power = match prefix {
        "" if base == 1000 => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => {
            return Err(format!(
                "{unit:?} is no unit of size here: k, M, G, T, KiB, MiB, GiB or TiB"
            ));
        }
    };
    let bytes = scaled(number, base.pow(power))?;
    NonZeroU64::new(bytes).ok_or_else(|| "nothing fits in no bytes at all".to_owned())
}

/// The number and what follows it.
fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// A decimal number times a unit, in whole parts of it, without going through a float.
fn scaled(number: &str, unit: u64) -> Result<u64, String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !(fraction.is_empty() && !number.contains('.') || digits(fraction)) {
        return Err("this is no number with a unit behind it".to_owned());
    }
    // Nine digits behind the point are finer than any unit here.
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let shift = u32::try_from(fraction.len()).unwrap_or(0);
    let part =
        u128::from(fraction.parse::<u64>().unwrap_or(0)) * u128::from(unit) / 10_u128.pow(shift);
    whole
        .parse::<u64>()
        .ok()
        .and_then(|whole| whole.checked_mul(unit))
        .and_then(|sum| sum.checked_add(u64::try_from(part).ok()?))
        .ok_or_else(|| "this is too much".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ok = |text| duration(text).map(|it| it.as_nanos());
        assert_eq!(ok("30"), Ok(30_000_000_000));
        assert_eq!(ok("1.5s"), Ok(1_500_000_000));
        assert_eq!(ok("250ms"), Ok(250_000_000));
        assert_eq!(ok("0.25ms"), Ok(250_000));
        assert_eq!(ok("2h"), Ok(7_200_000_000_000));
        assert_eq!(ok("1d"), Ok(86_400_000_000_000));
        for bad in [
            "",
            "s",
            "-1",
            "1e9",
            "0",
            "0.0s",
            "1.",
            ".5",
            "1.2.3",
            "5 s",
            "NaN",
            "1y",
            "99999999999999999999",
            "18446744073709551615d",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("1h").map(NonZeroU64::get), Ok(3600));
        assert!(seconds("1.5s").is_err() && seconds("10ms").is_err());
    }

    #[test]
    fn sizes() {
        let ok = |text| bytes(text).map(NonZeroU64::get);
        assert_eq!(ok("65536"), Ok(65_536));
        assert_eq!(ok("100M"), Ok(100_000_000));
        assert_eq!(ok("100MB"), Ok(100_000_000));
        assert_eq!(ok("1MiB"), Ok(1_048_576));
        assert_eq!(ok("1.5k"), Ok(1500));
        assert_eq!(ok("0.5KiB"), Ok(512));
        assert_eq!(ok("1.25KiB"), Ok(1280));
        assert_eq!(ok("2gib"), Ok(2 << 30));
        for bad in ["", "0", "M", "1X", "1iB", "-5k", "1e3", "20000000000G"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
