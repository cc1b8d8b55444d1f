//! What is to be linked: modules, their instances, and who gives whom what.

use hatchery_image::{InstanceId, TrapCode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A module's number in its [`LinkSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleIndex(pub(crate) usize);

/// How instances come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    /// All of them at once; the set is one tree.
    #[default]
    Tree,
    /// One after the other, with calls in between, as in specification scripts. A failed step keeps its
    /// effects, so nothing is folded into the pages, and lengths of imports are checked by steps.
    Script,
}

/// What an import of an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An export of an earlier instance.
    Export {
        /// Whose.
        instance: InstanceId,
        /// Its name there.
        name: Box<str>,
    },
    /// A function of the host.
    Host {
        /// Module name under which the host provides it.
        module: Box<str>,
        /// Its name.
        name: Box<str>,
    },
    /// A function of type `(i32) -> ()` that stops the guest with this trap, which is about its argument.
    Trap(TrapCode),
}

/// Modules to compile together, and the instances to make of them.
///
/// A module can have several instances; it is parsed once and compiled once for each, since all
/// addresses are constants of the code.
#[derive(Debug, Clone, Default)]
pub struct LinkSet {
    pub(crate) modules: Vec<Arc<[u8]>>,
    /// By module: whether we wrote it.
    pub(crate) generated: Vec<bool>,
    pub(crate) instances: Vec<InstanceSpec>,
    pub(crate) mode: Mode,
    pub(crate) extension: Vec<u8>,
}

/// One instance of the set.
#[derive(Debug, Clone)]
pub(crate) struct InstanceSpec {
    pub(crate) module: ModuleIndex,
    pub(crate) name: Option<Box<str>>,
    /// Module names of imports, and whose exports they mean.
    pub(crate) imports: Vec<(String, InstanceId)>,
    /// Imports that are bound one by one, by module name and name. They come first.
    pub(crate) bound: Bound,
}

/// Imports by module name and name.
pub(crate) type Bound = BTreeMap<(Box<str>, Box<str>), Source>;

impl LinkSet {
    /// An empty set, whose instances are initialized all at once.
    pub fn new() -> LinkSet {
        LinkSet::default()
    }

    /// An empty set, whose instances are initialized one after the other as a specification script says:
    /// nothing is folded into the pages, and lengths of imported memories and tables are checked when
    /// the step is reached.
    pub fn script() -> LinkSet {
        LinkSet { mode: Mode::Script, ..LinkSet::default() }
    }

    /// Adds a binary. It is decoded and validated by [`compile`](crate::compile).
    pub fn add_module(&mut self, bytes: impl Into<Arc<[u8]>>) -> ModuleIndex {
        self.modules.push(bytes.into());
        self.generated.push(false);
        ModuleIndex(self.modules.len() - 1)
    }

    /// Adds a binary that the host wrote and no guest has seen. A memory that it defines reserves its declared maximum
    /// and no more, and code compares with its length.
    pub fn add_generated_module(&mut self, bytes: impl Into<Arc<[u8]>>) -> ModuleIndex {
        self.modules.push(bytes.into());
        self.generated.push(true);
        ModuleIndex(self.modules.len() - 1)
    }

    /// Adds an instance of `module`, after all that are there.
    ///
    /// Imports whose module name is in `imports` are that earlier instance's exports. All others are the
    /// host's, and must be functions.
    pub fn add_instance(
        &mut self,
        module: ModuleIndex,
        name: Option<&str>,
        imports: &[(String, InstanceId)],
    ) -> InstanceId {
        let (name, bound) = (name.map(Into::into), Bound::new());
        self.push(InstanceSpec { module, name, imports: imports.to_vec(), bound })
    }

    /// Adds an instance of `module`, after all that are there, with imports bound one by one, by module name and name.
    ///
    /// Imports that are not in `imports` are the host's, and must be functions.
    pub fn add_bound_instance(
        &mut self,
        module: ModuleIndex,
        name: Option<&str>,
        imports: impl IntoIterator<Item = (Box<str>, Box<str>, Source)>,
    ) -> InstanceId {
        let bound = imports.into_iter().map(|(module, name, source)| ((module, name), source)).collect();
        self.push(InstanceSpec { module, name: name.map(Into::into), imports: Vec::new(), bound })
    }

    /// Number of instances so far, which is the next one's.
    pub fn instance_count(&self) -> usize {
        self.instances.len()
    }

    fn push(&mut self, spec: InstanceSpec) -> InstanceId {
        self.instances.push(spec);
        InstanceId(self.instances.len() as u32 - 1)
    }

    /// Sets what the image keeps beside everything else, for whoever asks for it: it means nothing to the compiler.
    pub fn set_extension(&mut self, extension: Vec<u8>) {
        self.extension = extension;
    }

    /// A hash of everything in the set: what an image of it says it was made of.
    pub fn source(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[match self.mode {
            Mode::Tree => 0,
            Mode::Script => 1,
        }]);
        number(&mut hasher, self.modules.len());
        for (module, generated) in self.modules.iter().zip(&self.generated) {
            bytes(&mut hasher, module);
            hasher.update(&[u8::from(*generated)]);
        }
        number(&mut hasher, self.instances.len());
        for instance in &self.instances {
            number(&mut hasher, instance.module.0);
            // Longer by one, so that no name differs from an empty one.
            let name = instance.name.as_deref();
            number(&mut hasher, name.map_or(0, |name| name.len() + 1));
            hasher.update(name.unwrap_or_default().as_bytes());
            number(&mut hasher, instance.imports.len());
            for (module, from) in &instance.imports {
                bytes(&mut hasher, module.as_bytes());
                number(&mut hasher, from.index());
            }
            number(&mut hasher, instance.bound.len());
            for ((module, name), source) in &instance.bound {
                bytes(&mut hasher, module.as_bytes());
                bytes(&mut hasher, name.as_bytes());
                source.hash(&mut hasher);
            }
        }
        bytes(&mut hasher, &self.extension);
        *hasher.finalize().as_bytes()
    }
}

impl Source {
    fn hash(&self, hasher: &mut blake3::Hasher) {
        match self {
            Source::Export { instance, name } => {
                hasher.update(&[0]);
                number(hasher, instance.index());
                bytes(hasher, name.as_bytes());
            }
            Source::Host { module, name } => {
                hasher.update(&[1]);
                bytes(hasher, module.as_bytes());
                bytes(hasher, name.as_bytes());
            }
            Source::Trap(code) => {
                hasher.update(&[2, *code as u8]);
            }
        }
    }
}

fn number(hasher: &mut blake3::Hasher, number: usize) {
    hasher.update(&(number as u64).to_le_bytes());
}

/// Preceded by their number, so that where one ends is part of the hash.
fn bytes(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    number(hasher, bytes.len());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(modules: &[&[u8]], name: Option<&str>, import: &str) -> [u8; 32] {
        let mut set = LinkSet::new();
        let modules: Vec<_> = modules.iter().map(|module| set.add_module(*module)).collect();
        let first = set.add_instance(modules[0], name, &[]);
        set.add_instance(modules[1], None, &[(import.to_owned(), first)]);
        set.source()
    }

    #[test]
    fn the_source_differs_when_anything_does() {
        let all = [
            set(&[b"ab", b"c"], None, "m"),
            set(&[b"a", b"bc"], None, "m"),
            set(&[b"ab", b"c", b""], None, "m"),
            set(&[b"ab", b"c"], Some(""), "m"),
            set(&[b"ab", b"c"], Some("x"), "m"),
            set(&[b"ab", b"c"], None, "n"),
            LinkSet::new().source(),
            LinkSet::script().source(),
            LinkSet { extension: vec![0], ..LinkSet::default() }.source(),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(set(&[b"ab", b"c"], None, "m"), all[0]);
    }

    #[test]
    fn the_source_differs_when_a_binding_does() {
        let set = |generated, bindings: &[(&str, &str, Source)]| {
            let mut set = LinkSet::new();
            let module = if generated { set.add_generated_module(&b"a"[..]) } else { set.add_module(&b"a"[..]) };
            let bindings =
                bindings.iter().map(|(module, name, source)| ((*module).into(), (*name).into(), source.clone()));
            set.add_bound_instance(module, None, bindings);
            set.source()
        };
        let export = |instance, name: &str| Source::Export { instance: InstanceId(instance), name: name.into() };
        let host = |module: &str, name: &str| Source::Host { module: module.into(), name: name.into() };
        let all = [
            set(false, &[]),
            set(true, &[]),
            set(false, &[("m", "n", export(0, "x"))]),
            set(false, &[("mn", "", export(0, "x"))]),
            set(false, &[("m", "n", export(1, "x"))]),
            set(false, &[("m", "n", export(0, "y"))]),
            set(false, &[("m", "n", host("", "x"))]),
            set(false, &[("m", "n", host("x", ""))]),
            set(false, &[("m", "n", Source::Trap(TrapCode::CannotLeave))]),
            set(false, &[("m", "n", Source::Trap(TrapCode::UnalignedPointer))]),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
