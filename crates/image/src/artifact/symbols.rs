//! What tools call the code: a name for every function, thunk, shim and trampoline, each only once.

use super::parts::ImageParts;
use std::collections::{BTreeMap, HashSet};

/// Some code and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) start: u32,
    pub(super) length: u32,
    pub(super) name: String,
}

/// The symbols of these parts by ascending offset.
pub(super) fn symbols(parts: &ImageParts) -> Vec<Symbol> {
    let code_bytes = u32::try_from(parts.code.len()).unwrap_or(u32::MAX);
    let named = named_offsets(parts);
    let lengths = parts.functions.iter().map(|function| (function.start, function.length)).collect::<BTreeMap<_, _>>();
    let mut used = HashSet::new();
    let mut symbols: Vec<Symbol> = Vec::with_capacity(named.len());
    let mut following = named.keys().copied().skip(1).chain([code_bytes]);
    for (start, name) in &named {
        // Only functions say how long they are; other code goes on to what follows.
        let next = following.next().unwrap_or(code_bytes);
        let length = lengths.get(start).copied().unwrap_or(next.saturating_sub(*start));
        if *start < code_bytes {
            symbols.push(Symbol { start: *start, length, name: unique(name, *start, &mut used) });
        }
    }
    symbols
}

/// One name for each offset. Shims and thunks may be shared: the last name wins, a function's always.
fn named_offsets(parts: &ImageParts) -> BTreeMap<u32, String> {
    let mut named = BTreeMap::new();
    for symbol in &parts.symbols {
        named.insert(symbol.offset, symbol.name.clone());
    }
    for ((_, ty), offset) in parts.types.iter().zip(&parts.entry_trampolines) {
        if let Some(offset) = offset {
            named.insert(*offset, format!("entry:{ty}").replace(' ', ""));
        }
    }
    for import in &parts.imports {
        if let Some(shim) = import.spill_shim {
            named.insert(shim, format!("spill:{}.{}", import.module, import.name));
        }
        named.insert(import.thunk, format!("host:{}.{}", import.module, import.name));
    }
    for function in &parts.functions {
        let unnamed = || format!("wasm[{}].function[{}]", function.instance.0, function.index);
        let name = function.name.as_deref().filter(|name| !name.is_empty());
        named.insert(function.start, name.map_or_else(unnamed, str::to_owned));
    }
    named
}

/// The name without what tools cannot show, and with its offset behind it when somebody else has it.
fn unique(name: &str, offset: u32, used: &mut HashSet<String>) -> String {
    let mut name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    while !used.insert(name.clone()) {
        name.push_str(&format!("@{offset:x}"));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::CodeSymbol;
    use crate::items::InstanceId;
    use crate::layout::{LayoutNeeds, LayoutPlan};
    use crate::maps::FunctionRecord;
    use crate::tunables::Tunables;
    use crate::types::TypeId;

    fn parts(functions: &[(u32, Option<&str>)], symbols: &[(u32, &str)]) -> ImageParts {
        let layout = LayoutPlan::new(&LayoutNeeds::default(), &Tunables::default()).expect("layout");
        let mut parts = ImageParts::new(Tunables::default(), layout);
        parts.code = vec![0; 256];
        parts.functions = functions
            .iter()
            .map(|(start, name)| FunctionRecord {
                start: *start,
                length: 10,
                instance: InstanceId(1),
                index: 7,
                ty: TypeId::from_index(0),
                name: name.map(Into::into),
            })
            .collect();
        parts.symbols =
            symbols.iter().map(|(offset, name)| CodeSymbol { offset: *offset, name: (*name).into() }).collect();
        parts
    }

    fn names(parts: &ImageParts) -> Vec<(u32, u32, String)> {
        symbols(parts).into_iter().map(|s| (s.start, s.length, s.name)).collect()
    }

    #[test]
    fn every_piece_of_code_has_a_name_of_its_own() {
        let parts = parts(&[(0, Some("f")), (64, Some("f")), (128, None)], &[(192, "builtin:raise")]);
        let expected = [(0, 10, "f"), (64, 10, "f@40"), (128, 10, "wasm[1].function[7]"), (192, 64, "builtin:raise")];
        assert_eq!(names(&parts), expected.map(|(start, length, name)| (start, length, name.to_owned())));
    }

    #[test]
    fn names_cannot_end_a_string_or_a_line() {
        assert_eq!(names(&parts(&[(0, Some("a\0b\nc"))], &[]))[0].2, "a?b?c");
    }

    #[test]
    fn code_outside_the_text_has_no_symbol() {
        assert!(names(&parts(&[], &[(256, "behind")])).is_empty());
    }
}
