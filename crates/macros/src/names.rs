//! Names of Rust as names of components.

/// The kebab case of a Rust name, of the words that the crate `heck` finds in it.
pub(crate) fn kebab(name: &str) -> String {
    let name = name.strip_prefix("r#").unwrap_or(name);
    let words = name.split('_').filter(|words| !words.is_empty());
    words.map(hyphenated).collect::<Vec<_>>().join("-")
}

/// The same for a name without `_`.
fn hyphenated(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    // The last character that has a case: digits belong to what is in front of them.
    let mut before = None;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        if starts_word(before, letter, letters.peek().copied()) {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
        if letter.is_uppercase() || letter.is_lowercase() {
            before = Some(letter);
        }
    }
    kebab
}

/// Whether a word starts with a letter, by what is on both sides of it.
fn starts_word(before: Option<char>, letter: char, next: Option<char>) -> bool {
    let follows_word = before.is_some_and(char::is_lowercase);
    let follows_acronym = before.is_some_and(char::is_uppercase) && next.is_some_and(char::is_lowercase);
    letter.is_uppercase() && (follows_word || follows_acronym)
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
            ("type_", "type"),
            ("field_2", "field-2"),
        ] {
            assert_eq!(kebab(rust), component);
        }
    }

    /// What `heck` makes of them, too.
    #[test]
    fn acronyms_are_words() {
        for (rust, component) in [
            ("IPAddress", "ip-address"),
            ("HTTPError", "http-error"),
            ("IOError", "io-error"),
            ("InvalidURL", "invalid-url"),
            ("HTTP", "http"),
            ("HTTP2Error", "http2-error"),
            ("Base64URL", "base64-url"),
            ("E2ETest", "e2e-test"),
            ("X86Y", "x86y"),
            ("ABTest_XMLPart", "ab-test-xml-part"),
            ("IPv4", "i-pv4"),
        ] {
            assert_eq!(kebab(rust), component);
        }
    }
}
