//! What a program is, before and behind its compilation: a module or a component. Everything that both can be asked stands
//! here, so that nobody else asks which it is unless the answer differs.

use hatchery::component::{Component, ComponentSource};
use hatchery::{Artifact, Engine, Error, Inspection, Module, ModuleSet};
use std::path::Path;

/// What is told how many functions are done, of how many.
pub(crate) type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// A program that is yet to be compiled, or found in the cache.
pub(crate) enum Source {
    Module(ModuleSet),
    Component(ComponentSource),
}

/// A compiled program.
pub(crate) enum Compiled {
    Module(Module),
    Component(Component),
}

impl Source {
    /// The name of what it compiles to among all that can be compiled.
    pub(crate) fn cache_key(&self) -> Result<String, Error> {
        match self {
            Source::Module(set) => set.cache_key(),
            Source::Component(source) => source.cache_key(),
        }
    }

    pub(crate) fn compile(&self, progress: Progress<'_>) -> Result<Compiled, Error> {
        match self {
            Source::Module(set) => set.compile_with(progress).map(Compiled::Module),
            Source::Component(source) => source.compile_with(progress).map(Compiled::Component),
        }
    }

    /// Compiles it into a file; nothing is opened.
    pub(crate) fn save(&self, path: &Path, progress: Progress<'_>) -> Result<(), Error> {
        match self {
            Source::Module(set) => set.save_with(path, progress),
            Source::Component(source) => source.save_with(path, progress),
        }
    }

    /// The bytes that [`save`](Source::save) writes.
    pub(crate) fn serialize(&self, progress: Progress<'_>) -> Result<Vec<u8>, Error> {
        match self {
            Source::Module(set) => set.serialize_with(progress),
            Source::Component(source) => source.serialize_with(progress),
        }
    }
}

impl Compiled {
    /// The bytes that [`save`](Compiled::save) writes.
    pub(crate) fn serialize(&self) -> Result<Vec<u8>, Error> {
        match self {
            Compiled::Module(module) => module.serialize(),
            Compiled::Component(component) => component.serialize(),
        }
    }

    /// What is in an artifact, for an engine that it fits.
    pub(crate) fn of_artifact(artifact: Artifact, engine: &Engine) -> Result<Compiled, Error> {
        if artifact.is_component() {
            artifact.into_component(engine).map(Compiled::Component)
        } else {
            artifact.into_module(engine).map(Compiled::Module)
        }
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        match self {
            Compiled::Module(module) => module.save(path),
            Compiled::Component(component) => component.save(path),
        }
    }

    /// Reads everything and checks every hash.
    pub(crate) fn verify(&self) -> Result<(), Error> {
        match self {
            Compiled::Module(module) => module.verify(),
            Compiled::Component(component) => component.verify(),
        }
    }

    /// The core modules' point of view.
    pub(crate) fn inspect(&self) -> Inspection {
        match self {
            Compiled::Module(module) => module.inspect(),
            Compiled::Component(component) => component.inspect(),
        }
    }
}

/// Whether bytes are a component, and no module: its header says so, or the first word of its text. A core module with the
/// types of the component that it was made for is one, too.
pub(crate) fn is_component(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\0asm") {
        return Component::recognizes(bytes) || Component::recognizes_core_module(bytes);
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let word = skip_blanks(text).strip_prefix('(').map(skip_blanks).and_then(|code| code.strip_prefix("component"));
    word.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// The text behind spaces and comments.
fn skip_blanks(text: &str) -> &str {
    let mut rest = text.trim_start();
    while let Some(behind) = comment(rest) {
        rest = behind.trim_start();
    }
    rest
}

/// What follows a comment, if there is one at the start. Blocks are inside each other.
fn comment(text: &str) -> Option<&str> {
    if let Some(line) = text.strip_prefix(";;") {
        return Some(line.split_once('\n').map_or("", |(_, rest)| rest));
    }
    let (mut rest, mut depth) = (text.strip_prefix("(;")?, 1);
    while depth > 0 {
        let at = rest.find(['(', ';']).unwrap_or(rest.len());
        rest = &rest[at..];
        let (length, change) = if rest.starts_with("(;") {
            (2, 1)
        } else if rest.starts_with(";)") {
            (2, -1)
        } else {
            (1, 0)
        };
        rest = rest.get(length..).unwrap_or_default();
        depth = if rest.is_empty() { 0 } else { depth + change };
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_told_from_modules() {
        for component in [
            &b"\0asm\x0d\0\x01\0"[..],
            b";; a comment\n\n  (component $c)",
            b"(; a (; nested ;) one ;) ( component)",
            b"(;;);; (module)\n(component(core module))",
        ] {
            assert!(is_component(component), "{}", String::from_utf8_lossy(component));
        }
        for other in [
            &b"\0asm\x01\0\0\0"[..],
            b"\0asm\x0d\0\0\0",
            b"(module (func))",
            b";; (component)\n(module)",
            b"(; (component) ;)(module)",
            b"(componentry)",
            b"(; (component)",
            b"\xff(component)",
            b"(",
            b"",
        ] {
            assert!(!is_component(other), "{}", String::from_utf8_lossy(other));
        }
    }
}
