//! Names that are as cheap to copy, compare and find as numbers, however long they are: a component has few of them, and
//! what is made of it refers to each of them often.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A name. Copies share the text, which is read once for hashing.
#[derive(Clone)]
pub struct Name {
    text: Arc<str>,
    hash: u64,
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Name { text: text.into(), hash: hasher.finish() }
    }
}

impl From<String> for Name {
    fn from(text: String) -> Name {
        text.as_str().into()
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn equal_names_are_one_and_copies_share_the_text() {
        let (one, same, other) = (Name::from("memory"), Name::from("memory".to_owned()), Name::from("realloc"));
        assert!(one == same && one != other && one.starts_with("mem"));
        assert_eq!(one.as_ptr(), one.clone().as_ptr());
        assert_eq!(HashSet::from([one, same, other]).len(), 2);
    }
}
