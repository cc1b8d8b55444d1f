//! Compiled modules, alone or linked into sets.

use crate::artifact::artifact_error;
use crate::config::Version;
use crate::convert;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::val::FuncType;
use hatchery_compile::{CompileError, LinkSet, ModuleIndex};
use hatchery_image::artifact::{self, Durability, HostImportRef, ImageParts};
use hatchery_image::{Image, InstanceId};
use hatchery_vm::Templates;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A compiled module, or a set of modules that were linked to each other.
///
/// Cloning it is cheap and gives another handle of the same module.
#[derive(Clone)]
pub struct Module {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) image: Arc<Image>,
    /// The instance whose exports are the module's own: the last of a set.
    pub(crate) root: InstanceId,
    /// What slots are made from: the same for everything that is prepared of the module.
    pub(crate) templates: Arc<Templates>,
}

impl Inner {
    pub(crate) fn new(engine: Engine, image: Arc<Image>, root: InstanceId) -> Inner {
        let templates = Arc::new(Templates::new(image.clone()));
        Inner { engine, image, root, templates }
    }
}

impl Module {
    /// Compiles a module from its binary form, or from the text format.
    ///
    /// # Errors
    ///
    /// When the bytes are no valid WebAssembly, need a proposal that is not supported, or exceed a limit.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module, Error> {
        Module::compile(engine, None, bytes.as_ref())
    }

    /// As [`new`](Module::new), with a name for messages and backtraces, which a name of the module's own
    /// precedes.
    ///
    /// # Errors
    ///
    /// As for [`new`](Module::new).
    pub fn with_name(engine: &Engine, name: &str, bytes: impl AsRef<[u8]>) -> Result<Module, Error> {
        Module::compile(engine, Some(name), bytes.as_ref())
    }

    /// Of an image whose exports are those of its last instance.
    pub(crate) fn of_image(engine: &Engine, image: Arc<Image>) -> Module {
        let root = InstanceId(image.instances().len().saturating_sub(1) as u32);
        Module { inner: Arc::new(Inner::new(engine.clone(), image, root)) }
    }

    fn compile(engine: &Engine, name: Option<&str>, bytes: &[u8]) -> Result<Module, Error> {
        let mut set = ModuleSet::new(engine);
        let module = set.module(bytes)?;
        set.instance(module, name, &[]);
        set.compile()
    }

    /// Whether the bytes are a valid module of the supported kind.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn validate(bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        hatchery_compile::validate(&binary(None, bytes.as_ref())?).map_err(compile_error)
    }

    /// Whether the bytes are a valid module of a particular version of WebAssembly.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn validate_as(bytes: impl AsRef<[u8]>, version: Version) -> Result<(), Error> {
        let features = convert::features(version);
        hatchery_compile::validate_as(&binary(None, bytes.as_ref())?, features).map_err(compile_error)
    }

    /// The functions that the host must provide: module name, name, type.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = (&str, &str, FuncType)> {
        let image = &self.inner.image;
        let ty = |import: HostImportRef<'_>| convert::func_type(image.types().get(import.ty));
        let imports: Vec<_> = image.imports().iter().map(|i| (i.module, i.name, ty(i))).collect();
        imports.into_iter()
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("instances", &self.inner.image.instances().len()).finish_non_exhaustive()
    }
}

/// A module of a [`ModuleSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModuleRef(ModuleIndex);

/// An instance of a module in a [`ModuleSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InstanceRef(pub(crate) InstanceId);

/// Modules that are compiled and linked together: calls between them are direct, and one instance of the
/// result contains one instance of each.
///
/// ```
/// use hatchery::{Config, Engine, Linker, ModuleSet};
///
/// let engine = Engine::new(&Config::new())?;
/// let mut set = ModuleSet::new(&engine);
/// let library = set.module(r#"(module (func (export "one") (result i32) (i32.const 1)))"#)?;
/// let library = set.instance(library, Some("library"), &[]);
/// let program = set.module(r#"
///     (module
///       (import "library" "one" (func $one (result i32)))
///       (func (export "two") (result i32) (i32.add (call $one) (call $one))))
/// "#)?;
/// set.instance(program, None, &[("library", library)]);
///
/// let mut instance = Linker::new(&engine).prepare(&set.compile()?)?.instantiate(())?;
/// let two = instance.func::<(), (i32,)>("two")?;
/// assert_eq!(two.call(&mut instance, ())?, (2,));
/// # Ok::<(), hatchery::Error>(())
/// ```
#[derive(Debug)]
pub struct ModuleSet {
    pub(crate) engine: Engine,
    pub(crate) set: LinkSet,
    last: Option<InstanceId>,
}

impl ModuleSet {
    /// An empty set.
    pub fn new(engine: &Engine) -> ModuleSet {
        ModuleSet { engine: engine.clone(), set: LinkSet::new(), last: None }
    }

    /// An empty set for a specification script: its instances are initialized one by one, when the script
    /// says so, and one that fails leaves its effects behind.
    pub fn script(engine: &Engine) -> ModuleSet {
        ModuleSet { engine: engine.clone(), set: LinkSet::script(), last: None }
    }

    /// Adds a module, in the binary or the text format. It is validated when the set is compiled.
    ///
    /// # Errors
    ///
    /// When the text does not parse.
    pub fn module(&mut self, bytes: impl AsRef<[u8]>) -> Result<ModuleRef, Error> {
        Ok(ModuleRef(self.set.add_module(binary(None, bytes.as_ref())?.into_owned())))
    }

    /// As [`module`](ModuleSet::module), for bytes that were read from a file, which messages about a text name.
    ///
    /// # Errors
    ///
    /// As for [`module`](ModuleSet::module).
    pub fn module_of(&mut self, file: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<ModuleRef, Error> {
        Ok(ModuleRef(self.set.add_module(binary(Some(file.as_ref()), bytes.as_ref())?.into_owned())))
    }

    /// Adds an instance of a module. Each of `imports` says which earlier instance's exports the imports with this
    /// module name mean; all others are the host's.
    pub fn instance(&mut self, module: ModuleRef, name: Option<&str>, imports: &[(&str, InstanceRef)]) -> InstanceRef {
        let imports: Vec<_> = imports.iter().map(|(module, from)| (module.to_string(), from.0)).collect();
        let instance = self.set.add_instance(module.0, name, &imports);
        self.last = Some(instance);
        InstanceRef(instance)
    }

    /// Compiles and links everything. The exports of the result are those of the last instance.
    ///
    /// # Errors
    ///
    /// When a module is invalid, the instances do not fit together, or a limit is exceeded; that no slot of the engine's
    /// allocator can ever hold an instance is noticed before anything is translated.
    pub fn compile(&self) -> Result<Module, Error> {
        self.compile_with(&|_, _| ())
    }

    /// As [`compile`](ModuleSet::compile). After each function, `progress` is told how many are done, of how many, by any
    /// thread.
    ///
    /// # Errors
    ///
    /// As for [`compile`](ModuleSet::compile).
    pub fn compile_with(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Module, Error> {
        let engine = &self.engine.inner;
        let fits = |plan: &_| Ok(hatchery_vm::fits(&*engine.allocator, plan)?);
        let image = hatchery_compile::compile_for(&self.set, &engine.tunables, &engine.budget, &fits, progress);
        let image = image.map_err(compile_error)?;
        let root = self.last.unwrap_or(InstanceId(0));
        Ok(Module { inner: Arc::new(Inner::new(self.engine.clone(), Arc::new(image), root)) })
    }
}

impl ModuleSet {
    /// Compiles and links everything into a file, as [`Module::save`] writes it. The engine may compile for a CPU that this
    /// machine is not: nothing is opened. `progress` is as for [`compile_with`](ModuleSet::compile_with).
    ///
    /// # Errors
    ///
    /// As for [`compile`](ModuleSet::compile) and [`Module::save`].
    pub fn save_with(&self, path: impl AsRef<Path>, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<(), Error> {
        let parts = self.parts(progress)?;
        artifact::encode(&parts)
            .and_then(|artifact| artifact.save(path.as_ref(), Durability::Synced))
            .map_err(artifact_error)
    }

    /// The bytes that [`save_with`](ModuleSet::save_with) writes.
    ///
    /// # Errors
    ///
    /// As for [`compile`](ModuleSet::compile).
    pub fn serialize_with(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Vec<u8>, Error> {
        let parts = self.parts(progress)?;
        let artifact = artifact::encode(&parts).map_err(artifact_error)?;
        artifact.to_vec().map_err(|error| Error::source_of(ErrorKind::Host, error))
    }

    fn parts(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<ImageParts, Error> {
        let engine = &self.engine.inner;
        let fits = |plan: &_| Ok(hatchery_vm::fits(&*engine.allocator, plan)?);
        let parts = hatchery_compile::compile_parts(&self.set, &engine.tunables, &engine.budget, &fits, progress);
        parts.map_err(compile_error)
    }

    /// A name for what the set compiles to, in hexadecimal digits: it differs when the modules, the engine's
    /// configuration, the version of the compiler or the CPU do.
    ///
    /// # Errors
    ///
    /// When the engine compiles for a CPU that is unknown or not this machine's kind.
    pub fn cache_key(&self) -> Result<String, Error> {
        let key = hatchery_compile::cache_key(&self.set, &self.engine.inner.tunables).map_err(compile_error)?;
        Ok(key.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The binary form of a module that may be text.
#[cfg(feature = "wat")]
pub(crate) fn binary<'a>(file: Option<&Path>, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, Error> {
    wat::Parser::new().parse_bytes(file, bytes).map_err(|e| Error::source_of(ErrorKind::Compile, e))
}

/// The binary form, which it must be.
#[cfg(not(feature = "wat"))]
pub(crate) fn binary<'a>(_: Option<&Path>, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, Error> {
    Ok(Cow::Borrowed(bytes))
}

/// Our error for the compiler's.
pub(crate) fn compile_error(error: CompileError) -> Error {
    let kind = match &error {
        CompileError::Link(_) => ErrorKind::Link,
        CompileError::Refused(_) => ErrorKind::Limit,
        CompileError::Target(_) => ErrorKind::Usage,
        CompileError::Image(_) => ErrorKind::Exhausted,
        CompileError::Internal(_) => ErrorKind::Bug,
        _ => ErrorKind::Compile,
    };
    Error::source_of(kind, error)
}
