//! The values that options take.

use std::env::VarError;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// A host directory that the guest may use, and the guest's name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dir {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
}

/// `HOST` or `HOST::GUEST`. The host may have any name for it.
pub(crate) fn dir(text: OsString) -> Result<Dir, String> {
    let bytes = text.as_bytes();
    let separator = bytes.windows(2).position(|pair| pair == b"::");
    let (host, guest) = separator.map_or((bytes, bytes), |at| (&bytes[..at], &bytes[at + 2..]));
    match (host, std::str::from_utf8(guest)) {
        (b"", _) => Err("the host directory is missing in front of `::`".into()),
        (_, Ok("")) => Err("the guest's name for the directory is missing behind `::`".into()),
        (_, Err(_)) => Err("the guest's name for the directory must be UTF-8; give it one behind `::`".into()),
        (_, Ok(guest)) => Ok(Dir { host: OsStr::from_bytes(host).into(), guest: guest.into() }),
    }
}

/// `NAME=VALUE`, or `NAME` for the value that the host has.
pub(crate) fn env(text: OsString) -> Result<(String, String), String> {
    let text = text.into_string().map_err(|_| "a program's environment is UTF-8, and this is not")?;
    match text.split_once('=') {
        Some(("", _)) => Err("the variable's name is missing in front of `=`".into()),
        Some((name, value)) => Ok((name.into(), value.into())),
        None => match std::env::var(&text) {
            Ok(value) => Ok((text, value)),
            Err(VarError::NotPresent) => {
                Err(format!("the host has no variable `{text}`; give it a value with `{text}=VALUE`"))
            }
            Err(VarError::NotUnicode(_)) => {
                Err(format!("a program's environment is UTF-8, and the host's value of `{text}` is not"))
            }
        },
    }
}

/// A number and a unit; which units there are, and what they multiply by.
fn with_unit(text: &str, units: &[(&str, u64)], example: &str) -> Result<(f64, u64), String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 =
        number.parse().map_err(|_| format!("expected a number, with or without a unit, such as `{example}`"))?;
    let factor = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()));
    match factor {
        Some((_, factor)) => Ok((number, *factor)),
        None => {
            let names: Vec<_> = units.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
            Err(format!("unknown unit `{unit}`: use one of {}", names.join(", ")))
        }
    }
}

/// `10s`, `500ms`, `2m`, `1h`; seconds without a unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [
        ("", 1_000_000_000),
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let (number, factor) = with_unit(text, &units, "10s")?;
    let nanos = number * factor as f64;
    if nanos > u64::MAX as f64 {
        return Err("longer than five centuries".into());
    }
    Ok(Duration::from_nanos(nanos as u64))
}

/// `64MiB`, `1GiB`, `65536`; bytes without a unit.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let units = [
        ("", 1),
        ("B", 1),
        ("K", 1 << 10),
        ("KiB", 1 << 10),
        ("M", 1 << 20),
        ("MiB", 1 << 20),
        ("G", 1 << 30),
        ("GiB", 1 << 30),
    ];
    let (number, factor) = with_unit(text, &units, "64MiB")?;
    Ok((number * factor as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_the_same_name_unless_given_another() {
        assert_eq!(dir("/tmp".into()), Ok(Dir { host: "/tmp".into(), guest: "/tmp".into() }));
        assert_eq!(dir("a::/b".into()), Ok(Dir { host: "a".into(), guest: "/b".into() }));
        assert!(dir("::b".into()).is_err());
        assert!(dir("a::".into()).is_err());
    }

    #[test]
    fn the_host_s_names_need_not_be_utf8_and_the_guest_s_are() {
        let bytes = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        assert_eq!(dir(bytes(b"d\xff::/d")), Ok(Dir { host: bytes(b"d\xff").into(), guest: "/d".into() }));
        assert!(dir(bytes(b"d\xff")).unwrap_err().contains("behind `::`"));
        assert!(dir(bytes(b"d::\xff")).unwrap_err().contains("must be UTF-8"));
        assert!(env(bytes(b"A=\xff")).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert!(duration("10 parsecs").unwrap_err().contains("parsecs"));
        assert!(duration("").is_err());
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("65536"), Ok(65536));
        assert_eq!(bytes("1MiB"), Ok(1 << 20));
        assert_eq!(bytes("2g"), Ok(2 << 30));
        assert!(bytes("x").is_err());
    }

    #[test]
    fn a_variable_without_a_value_must_exist() {
        assert_eq!(env("A=b=c".into()), Ok(("A".into(), "b=c".into())));
        assert!(env("=x".into()).is_err());
        assert!(env("HATCHERY_NO_SUCH_VARIABLE".into()).unwrap_err().contains("no variable"));
    }
}
