//! Names of interfaces and their versions.
//!
//! `namespace:package/interface@1.2.3` is compatible with every `1.x`, `0.2.3` with every `0.2.x`, and `0.0.3` with itself
//! only, as is a version with a pre-release label. Build metadata does not matter.
//!
//! Source: component model, `Explainer.md`, *Canonical Interface Name*. An instance in another one has the name of that
//! before its own, so that what follows a version can be more of the name: `a:b/c@0.2.1/inner`.

use std::cmp::Reverse;

/// The numbers of a version.
type Numbers = [u64; 3];

/// A version: the part of it that all compatible ones have, and its numbers. `None` for what is no version.
fn canonical(version: &str) -> Option<(&str, Numbers)> {
    let (version, _) = version.split_once('+').unwrap_or((version, ""));
    let (core, label) = version.split_once('-').map_or((version, None), |(core, label)| (core, Some(label)));
    let mut numbers = core.splitn(3, '.').map(|number| number.parse::<u64>().ok());
    let numbers = [numbers.next()??, numbers.next()??, numbers.next()??];
    let kept = match (label, numbers) {
        (Some(_), _) | (None, [0, 0, _]) => return Some((version, numbers)),
        (None, [0, ..]) => 2,
        (None, _) => 1,
    };
    let end = core.match_indices('.').nth(kept - 1).map_or(core.len(), |(at, _)| at);
    Some((&core[..end], numbers))
}

/// A name that all compatible ones have, and the numbers of the versions in it. `None` where nothing is compatible with it but
/// itself.
fn track(name: &str) -> Option<(String, Vec<Numbers>)> {
    let mut parts = name.split('@');
    let (mut track, mut numbers) = (parts.next()?.to_owned(), Vec::new());
    for part in parts {
        let (version, rest) = part.split_at(part.find('/').unwrap_or(part.len()));
        let (version, of) = canonical(version)?;
        track.extend(["@", version, rest]);
        numbers.push(of);
    }
    Some((track, numbers)).filter(|(_, numbers)| !numbers.is_empty())
}

/// Of several names, those that mean this one, the best first: the same, then compatible ones, the newest first.
pub(crate) fn matching<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let of = track(wanted).map(|(track, _)| track);
    let mut found: Vec<_> = names
        .filter_map(|name| match (name == wanted, track(name)) {
            (true, _) => Some((true, Vec::new(), name)),
            (false, Some((track, numbers))) if of.as_ref() == Some(&track) => Some((false, numbers, name)),
            (false, _) => None,
        })
        .collect();
    found.sort_by_key(|(same, numbers, _)| Reverse((*same, numbers.clone())));
    found.into_iter().map(|(.., name)| name).collect()
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

    fn check(wanted: &str, names: &[&str], expected: &[&str]) {
        assert_eq!(matching(wanted, names.iter().copied()), expected, "{wanted}");
    }

    #[test]
    fn versions_match_as_semver_says() {
        check("a:b/c@0.2.3", &["a:b/c@0.2.0", "a:b/c@0.3.3", "a:b/c@0.2.10"], &["a:b/c@0.2.10", "a:b/c@0.2.0"]);
        check("a:b/c@0.2.0", &["a:b/c@0.2.6", "a:b/c@0.2.0"], &["a:b/c@0.2.0", "a:b/c@0.2.6"]);
        check("a:b/c@1.0.0", &["a:b/c@1.5.2", "a:b/c@2.0.0", "a:b/d@1.0.0"], &["a:b/c@1.5.2"]);
        check("a:b/c@0.0.1", &["a:b/c@0.0.2", "a:b/c@0.0.1"], &["a:b/c@0.0.1"]);
        check("a:b/c@0.2.0-rc.1", &["a:b/c@0.2.0", "a:b/c@0.2.0-rc.2", "a:b/c@0.2.0-rc.1"], &["a:b/c@0.2.0-rc.1"]);
        check("a:b/c@0.2.0", &["a:b/c@0.2.0-rc.1"], &[]);
        check("a:b/c", &["a:b/c@1.0.0", "a:b/c"], &["a:b/c"]);
        check("plain", &["plain", "other"], &["plain"]);
        check("a:b/c@old", &["a:b/c@older", "a:b/c@old", "a:b/c@1.2"], &["a:b/c@old"]);
    }

    #[test]
    fn build_metadata_is_no_part_of_a_version() {
        check("a:b/c@1.2.3+x", &["a:b/c@1.0.0", "a:b/c@1.2.3+y-1.z"], &["a:b/c@1.2.3+y-1.z", "a:b/c@1.0.0"]);
        check("a:b/c@0.2.6+build.1", &["a:b/c@0.2.6", "a:b/c@0.3.6+build.1"], &["a:b/c@0.2.6"]);
        check("a:b/c@0.2.6", &["a:b/c@0.2.6+x", "a:b/c@0.2.6"], &["a:b/c@0.2.6", "a:b/c@0.2.6+x"]);
        check("a:b/c@0.0.1+x", &["a:b/c@0.0.2+x", "a:b/c@0.0.1"], &["a:b/c@0.0.1"]);
        check("a:b/c@0.0.1-a+x", &["a:b/c@0.0.1", "a:b/c@0.0.1-b+x", "a:b/c@0.0.1-a"], &["a:b/c@0.0.1-a"]);
    }

    #[test]
    fn instances_inside_others_have_the_versions_of_these() {
        check("a:b/c@0.2.1/inner", &["a:b/c@0.2.6/other", "a:b/c@0.2.6/inner", "a:b/c@0.2.6"], &["a:b/c@0.2.6/inner"]);
        check("a:b/c@0.2.1+x/inner", &["a:b/c@0.3.1/inner", "a:b/c@0.2.0/inner"], &["a:b/c@0.2.0/inner"]);
        let both = "a:b/c@0.2.1/d:e/f@1.0.0";
        check(both, &["a:b/c@0.2.6/d:e/f@2.0.0", "a:b/c@0.2.6/d:e/f@1.3.0"], &["a:b/c@0.2.6/d:e/f@1.3.0"]);
    }
}
