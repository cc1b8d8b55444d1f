//! Stands between guest code and the host's functions while a snapshot is made.

use crate::image;
use crate::policy::ImportPolicy;
use hatchery_image::{Image, Shown};
use hatchery_vm::{HostFunction, HostSignature};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The import, by module and name, that answers with a number of the instance's own. Every host has it, but no attempt
/// to make a snapshot does: its answer would be what all instances have.
pub const GENERATION: (&str, &str) = ("hatchery:snapshot", "generation");

/// An import cannot be allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The host does not define it.
    #[error(
        "unknown import: `{}` `{}` is allowed during initialization, but it is not defined",
        Shown(module),
        Shown(name)
    )]
    Unknown {
        /// The import's module name.
        module: Arc<str>,
        /// The import's field name.
        name: Arc<str>,
    },
    /// It is [`GENERATION`], and the host does not define another.
    #[error(
        "`{}` `{}` cannot be allowed during initialization: its answer is each instance's own, so no snapshot contains it",
        GENERATION.0,
        GENERATION.1
    )]
    Generation,
}

/// What the guest gets from an import that is denied: the end of its call, which guest code cannot catch. Host code
/// further out could, so the gate's count is what tells.
#[derive(Debug, thiserror::Error)]
#[error("the import `{}` `{}` is not allowed during initialization at build time", Shown(module), Shown(name))]
struct Denied {
    module: Arc<str>,
    name: Arc<str>,
}

/// The imports of an image under a policy: those that are allowed are counted, all others end the attempt.
#[derive(Debug)]
pub struct Gate {
    imports: Vec<Import>,
}

/// An import of the image.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) module: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) allowed: bool,
    calls: Arc<AtomicU64>,
}

impl Import {
    pub(crate) fn calls(&self) -> u64 {
        // Relaxed: the guest is idle.
        self.calls.load(Ordering::Relaxed)
    }

    /// A function that denies.
    fn denying<T: 'static>(&self, signature: HostSignature) -> HostFunction<T> {
        let (module, name) = (self.module.clone(), self.name.clone());
        let deny = move |_: hatchery_vm::HostContext<'_, T>, _: &[_], _: &mut [_]| {
            Err(Denied { module: module.clone(), name: name.clone() }.into())
        };
        HostFunction::dynamic(signature, deny)
    }
}

impl Gate {
    /// A gate for the imports of an image, and the functions to prepare the image with, in the order of its imports.
    /// `find` has those of the host; one that is denied need not exist.
    ///
    /// # Errors
    ///
    /// When one that the policy names does not exist, or not at build time.
    pub fn new<T: 'static>(
        image: &Image,
        policy: &ImportPolicy,
        find: impl Fn(&str, &str) -> Option<HostFunction<T>>,
    ) -> Result<(Gate, Vec<HostFunction<T>>), GateError> {
        let (mut imports, mut functions) = (Vec::new(), Vec::new());
        for (module, name, signature) in image::imports(image) {
            let found = if policy.allows(module, name) { Some(find(module, name)) } else { None };
            let is_generation = (module, name) == GENERATION;
            let (module, name) = (Arc::<str>::from(module), Arc::<str>::from(name));
            if let (Some(None), ImportPolicy::Allow(_)) = (&found, policy) {
                return Err(if is_generation { GateError::Generation } else { GateError::Unknown { module, name } });
            }
            let function = found.flatten();
            let import = Import { module, name, allowed: function.is_some(), calls: Arc::default() };
            let function = function.unwrap_or_else(|| import.denying(signature));
            functions.push(function.counted(import.calls.clone()));
            imports.push(import);
        }
        Ok((Gate { imports }, functions))
    }

    /// Forgets the calls of the last attempt.
    pub(crate) fn reset(&self) {
        self.imports.iter().for_each(|import| import.calls.store(0, Ordering::Relaxed));
    }

    /// A denied import that was called in this attempt.
    pub(crate) fn denied(&self) -> Option<&Import> {
        self.imports.iter().find(|import| !import.allowed && import.calls() > 0)
    }

    /// The imports that were called in this attempt.
    pub(crate) fn called(&self) -> impl Iterator<Item = &Import> {
        self.imports.iter().filter(|import| import.calls() > 0)
    }
}
