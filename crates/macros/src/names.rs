//! Names of Rust as names of components.

/// The kebab case of a Rust name.
pub(crate) fn kebab(name: &str) -> String {
    let name = name.strip_prefix("r#").unwrap_or(name);
    let mut kebab = String::with_capacity(name.len() + 4);
    let mut previous = None;
    for c in name.chars() {
        let starts_word = c.is_uppercase() && previous.is_some_and(|p: char| p.is_lowercase() || p.is_ascii_digit());
        if c == '_' || starts_word {
            kebab.push('-');
        }
        if c != '_' {
            kebab.extend(c.to_lowercase());
        }
        previous = Some(c);
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::kebab;

    #[test]
    fn words_are_joined_by_hyphens() {
        for (rust, component) in [
            ("size", "size"),
            ("link_count", "link-count"),
            ("NotFound", "not-found"),
            ("Ipv4", "ipv4"),
            ("r#type", "type"),
            ("Utf8Text", "utf8-text"),
        ] {
            assert_eq!(kebab(rust), component);
        }
    }
}
