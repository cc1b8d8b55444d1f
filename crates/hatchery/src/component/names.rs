//! Names of interfaces and their versions.
//!
//! `namespace:package/interface@1.2.3` is compatible with every `1.x`, `0.2.3` with every `0.2.x`, `0.0.3` with itself only,
//! and a version with anything behind its numbers with itself only.

/// A name without what does not matter for compatibility, and the version's numbers.
pub(crate) fn track(name: &str) -> Option<(&str, &str, [u64; 3])> {
    let (path, version) = name.split_once('@')?;
    let mut numbers = version.splitn(3, '.').map(|number| number.parse::<u64>().ok());
    let version_numbers = [numbers.next()??, numbers.next()??, numbers.next()??];
    let kept = match version_numbers {
        [0, 0, _] => return None,
        [0, _, _] => 2,
        _ => 1,
    };
    let dots = version.match_indices('.').nth(kept - 1).map_or(version.len(), |(at, _)| at);
    Some((path, &version[..dots], version_numbers))
}

/// Of several names, those that mean this one, the best first: the same, then compatible ones, the newest first.
pub(crate) fn matching<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let key = |name: &str| track(name).map(|(path, kept, _)| (path.to_owned(), kept.to_owned()));
    let of = key(wanted);
    let mut found: Vec<&str> = names.filter(|name| *name == wanted || (of.is_some() && key(name) == of)).collect();
    found.sort_by_key(|name| std::cmp::Reverse((*name == wanted, track(name).map(|(_, _, numbers)| numbers))));
    found
}

/// An import as messages have it.
pub(super) fn import_name(interface: Option<&str>, name: &str) -> String {
    match interface {
        Some(interface) => format!("`{interface}` `{name}`"),
        None => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_match_as_semver_says() {
        let check = |wanted: &str, names: &[&str], expected: &[&str]| {
            assert_eq!(matching(wanted, names.iter().copied()), expected, "{wanted}");
        };
        check("a:b/c@0.2.3", &["a:b/c@0.2.0", "a:b/c@0.3.3", "a:b/c@0.2.10"], &["a:b/c@0.2.10", "a:b/c@0.2.0"]);
        check("a:b/c@0.2.0", &["a:b/c@0.2.6", "a:b/c@0.2.0"], &["a:b/c@0.2.0", "a:b/c@0.2.6"]);
        check("a:b/c@1.0.0", &["a:b/c@1.5.2", "a:b/c@2.0.0", "a:b/d@1.0.0"], &["a:b/c@1.5.2"]);
        check("a:b/c@0.0.1", &["a:b/c@0.0.2"], &[]);
        check("a:b/c@0.2.0-rc.1", &["a:b/c@0.2.0", "a:b/c@0.2.0-rc.1"], &["a:b/c@0.2.0-rc.1"]);
        check("a:b/c", &["a:b/c@1.0.0", "a:b/c"], &["a:b/c"]);
        check("plain", &["plain", "other"], &["plain"]);
    }
}
