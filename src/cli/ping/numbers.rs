//! Times and shares as ping(8) writes them.

use crate::cli::text::Text;

/// Microseconds, to the nearest.
pub(super) fn microseconds(nanoseconds: u64) -> u64 {
    nanoseconds.saturating_add(500) / 1000
}

/// A mean of nanoseconds as a whole number of them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast stops at the ends, and a fraction of a nanosecond is nothing"
)]
pub(super) fn whole(nanoseconds: f64) -> u64 {
    nanoseconds as u64
}

/// Milliseconds with three decimals.
pub(super) fn milliseconds(out: &mut Text, nanoseconds: u64) {
    let time = microseconds(nanoseconds);
    out.number(time / 1000);
    out.push(b'.');
    out.padded((time % 1000) as u32, 3);
}

/// Milliseconds with three digits or so: more decimals the shorter it is. Each step begins where
/// rounding would reach it.
pub(super) fn three_digits(out: &mut Text, nanoseconds: u64) {
    let time = microseconds(nanoseconds);
    let mut fraction = |time: u64, unit: u64, digits: usize| {
        out.number(time / 1000);
        if digits > 0 {
            out.push(b'.');
            out.padded((time % 1000 / unit) as u32, digits);
        }
    };
    match time {
        99_950.. => fraction(time.saturating_add(500), 1000, 0),
        9_995.. => fraction(time + 50, 100, 1),
        1_000.. => fraction(time + 5, 10, 2),
        _ => fraction(time, 1, 3),
    }
}

/// A number as C's `%g` writes it: six digits, no zeros at the end.
pub(super) fn general(value: f32) -> String {
    let value = f64::from(value);
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let scientific = format!("{value:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |digits: &str| {
        if digits.contains('.') {
            digits
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
        } else {
            digits.to_owned()
        }
    };
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(5 - exponent).unwrap_or(0);
        return trim(&format!("{value:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(digits), exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_ping_shortens_them() {
        let shown = |nanoseconds| {
            let mut out = Text::default();
            three_digits(&mut out, nanoseconds);
            out.into_string()
        };
        // Each bound of ping(8)'s four forms.
        assert_eq!(shown(0), "0.000");
        assert_eq!(shown(34_000), "0.034");
        assert_eq!(shown(999_499), "0.999");
        assert_eq!(shown(999_500), "1.00");
        assert_eq!(shown(9_994_000), "10.00");
        assert_eq!(shown(9_995_000), "10.0");
        assert_eq!(shown(99_949_000), "100.0");
        assert_eq!(shown(99_950_000), "100");
        assert_eq!(shown(1_234_567_890), "1235");
    }

    #[test]
    fn shares_as_c_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (100.0, "100"),
            (33.333_332, "33.3333"),
            (50.0, "50"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.000_012_345_678, "1.23457e-05"),
            (99.9999, "99.9999"),
            (99.999_99, "100"),
        ] {
            assert_eq!(general(value), text);
        }
    }
}
