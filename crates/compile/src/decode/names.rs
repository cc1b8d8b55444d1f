//! Names for messages and backtraces, from the name section. Nothing depends on them: what is
//! malformed is ignored from there on, what is too long is cut.

use std::collections::HashMap;
use wasmparser::{Name, NameSectionReader};

/// Most bytes of one name.
const MAX_NAME: usize = 1024;

/// Most bytes of all names of a module; others have none.
const MAX_NAMES: usize = 32 << 20;

/// Names that a module gives.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The module's own.
    pub(crate) module: Option<Box<str>>,
    /// By function index.
    pub(crate) functions: HashMap<u32, Box<str>>,
}

impl Names {
    /// Reads as much of the section as is well-formed.
    pub(crate) fn read(&mut self, section: NameSectionReader<'_>) {
        let mut left = MAX_NAMES;
        for name in section.into_iter().map_while(Result::ok) {
            match name {
                Name::Module { name, .. } => self.module = Some(cut(name).into()),
                Name::Function(names) => {
                    for naming in names.into_iter().map_while(Result::ok) {
                        let name = cut(naming.name);
                        let Some(rest) = left.checked_sub(name.len()) else { return };
                        left = rest;
                        self.functions.insert(naming.index, name.into());
                    }
                }
                _ => {}
            }
        }
    }
}

fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = format!("{}é", "x".repeat(MAX_NAME - 1));
        assert_eq!(cut(&long).len(), MAX_NAME - 1);
    }
}
