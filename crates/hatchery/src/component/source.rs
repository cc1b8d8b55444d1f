//! Components that are yet to be compiled.

use super::adapter::{Adapter, wrap};
use super::compiled::Component;
use super::description::{self, VERSION};
use super::wit::Wit;
use crate::artifact::artifact_error;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::module::{Module, binary, compile_error};
use hatchery_compile::{CompileError, LinkSet};
use hatchery_component::TranslateError;
use hatchery_component::glue::{GlueError, glue};
use hatchery_component::meta::Meta;
use hatchery_component::wrap::has_types;
use hatchery_image::Image;
use hatchery_image::artifact::{ArtifactError, Durability, ImageParts, encode};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A component that is yet to be compiled, and the engine that will: what a cache of compiled components needs to find one
/// without translating anything.
///
/// ```
/// use hatchery::component::ComponentSource;
/// use hatchery::{Config, Engine};
///
/// let engine = Engine::new(&Config::new())?;
/// let source = ComponentSource::new(&engine, r#"
///     (component
///       (core module $m (func (export "f")))
///       (core instance $i (instantiate $m))
///       (func (export "f") (canon lift (core func $i "f"))))
/// "#)?;
/// let name = source.cache_key()?;
/// let component = source.compile()?;
/// assert_eq!((name.len(), component.exports().iter().count()), (64, 1));
/// # Ok::<(), hatchery::Error>(())
/// ```
#[derive(Clone)]
pub struct ComponentSource {
    engine: Engine,
    bytes: Arc<[u8]>,
}

impl fmt::Debug for ComponentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentSource").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl ComponentSource {
    /// Of bytes in the binary or the text format; or of a core module that says which component it is, see
    /// [`Component::recognizes_core_module`]. They are validated when they are compiled.
    ///
    /// # Errors
    ///
    /// When the text does not parse, or the module is not what it says.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<ComponentSource, Error> {
        ComponentSource::read(engine, None, bytes.as_ref())
    }

    /// As [`new`](ComponentSource::new), for bytes that were read from a file, which messages about a text name.
    ///
    /// # Errors
    ///
    /// As for [`new`](ComponentSource::new).
    pub fn of_file(engine: &Engine, file: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<ComponentSource, Error> {
        ComponentSource::read(engine, Some(file.as_ref()), bytes.as_ref())
    }

    /// Of a core module, as [`Component::from_core_module`] compiles it.
    ///
    /// # Errors
    ///
    /// When the module is not what the world says, or says nothing.
    pub fn of_core_module(engine: &Engine, bytes: impl AsRef<[u8]>, wit: Wit<'_>) -> Result<ComponentSource, Error> {
        ComponentSource::of_core_module_with(engine, bytes, wit, &[])
    }

    /// Of a core module with adapters, as [`Component::from_core_module_with`] compiles it.
    ///
    /// # Errors
    ///
    /// As for [`of_core_module`](ComponentSource::of_core_module), and when an adapter does not fit, which the message names.
    pub fn of_core_module_with(
        engine: &Engine,
        bytes: impl AsRef<[u8]>,
        wit: Wit<'_>,
        adapters: &[Adapter<'_>],
    ) -> Result<ComponentSource, Error> {
        let module = binary(None, bytes.as_ref())?;
        Ok(ComponentSource { engine: engine.clone(), bytes: wrap(&module, wit, adapters)?.into() })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    fn read(engine: &Engine, file: Option<&Path>, bytes: &[u8]) -> Result<ComponentSource, Error> {
        let bytes = binary(file, bytes)?;
        let bytes = if has_types(&bytes) { wrap(&bytes, Wit::Embedded, &[])?.into() } else { bytes.into() };
        Ok(ComponentSource { engine: engine.clone(), bytes })
    }

    /// Compiles it.
    ///
    /// # Errors
    ///
    /// When the bytes are no valid component, need a proposal that is not supported, or exceed a limit; that no slot of the
    /// engine's allocator can ever hold an instance is noticed before anything is translated to machine code.
    pub fn compile(&self) -> Result<Component, Error> {
        self.compile_with(&|_, _| ())
    }

    /// As [`compile`](ComponentSource::compile). After each function, `progress` is told how many are done, of how many, by
    /// any thread.
    ///
    /// # Errors
    ///
    /// As for [`compile`](ComponentSource::compile).
    pub fn compile_with(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Component, Error> {
        let (parts, meta) = self.parts(progress)?;
        component(&self.engine, &parts, meta)
    }

    /// Compiles it into a file, as [`Component::save`] writes it. The engine may compile for a CPU that this machine is not:
    /// nothing is opened. `progress` is as for [`compile_with`](ComponentSource::compile_with).
    ///
    /// # Errors
    ///
    /// As for [`compile`](ComponentSource::compile) and [`Component::save`].
    pub fn save_with(&self, path: impl AsRef<Path>, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<(), Error> {
        let (parts, _) = self.parts(progress)?;
        let artifact = encode(&parts).map_err(artifact_error)?;
        artifact.save(path.as_ref(), Durability::Synced).map_err(artifact_error)
    }

    /// The bytes that [`save_with`](ComponentSource::save_with) writes.
    ///
    /// # Errors
    ///
    /// As for [`compile`](ComponentSource::compile).
    pub fn serialize_with(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Vec<u8>, Error> {
        let (parts, _) = self.parts(progress)?;
        let artifact = encode(&parts).map_err(artifact_error)?;
        artifact.to_vec().map_err(|error| Error::source_of(ErrorKind::Host, error))
    }

    fn parts(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<(ImageParts, Meta), Error> {
        let (set, meta) = translate(&self.bytes)?;
        let parts = compile(&self.engine, set, &meta, progress);
        let mut parts = parts.map_err(|error| whose(error, &self.bytes))?;
        parts.source = self.origin().source();
        Ok((parts, meta))
    }

    /// A name for what it compiles to, in hexadecimal digits: it differs when the component, the engine's configuration, the
    /// version of the compiler or the CPU do.
    ///
    /// # Errors
    ///
    /// When the engine compiles for a CPU that is unknown or not this machine's kind.
    pub fn cache_key(&self) -> Result<String, Error> {
        let key = hatchery_compile::cache_key(&self.origin(), &self.engine.inner.tunables).map_err(compile_error)?;
        Ok(key.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What its image says that it was made of: the component as it is, whose translation takes longer than its hash. No
    /// set that is compiled has this form.
    pub(crate) fn origin(&self) -> LinkSet {
        let mut set = LinkSet::new();
        set.add_module(self.bytes.clone());
        set.set_extension(VERSION.to_vec());
        set
    }
}

impl Component {
    /// Compiles core modules with the description of the component that they make up.
    #[cfg(test)]
    pub(crate) fn of_set(engine: &Engine, set: LinkSet, meta: &Meta) -> Result<Component, Error> {
        component(engine, &compile(engine, set, meta, &|_, _| ())?, meta.clone())
    }
}

/// The component that was compiled to these parts.
fn component(engine: &Engine, parts: &ImageParts, meta: Meta) -> Result<Component, Error> {
    let image = Image::from_parts(parts).map_err(image_error)?;
    Ok(Component::new_described(Module::of_image(engine, Arc::new(image)), meta))
}

/// Parts that we made contradict each other only by our mistake; the rest is the kernel's and the machine's answer.
fn image_error(error: ArtifactError) -> Error {
    let kind = match &error {
        ArtifactError::System { .. } => ErrorKind::Exhausted,
        ArtifactError::CpuFeatures { .. } => ErrorKind::Usage,
        _ => ErrorKind::Bug,
    };
    Error::source_of(kind, error)
}

/// Compiles core modules, and keeps the description with them.
fn compile(
    engine: &Engine,
    mut set: LinkSet,
    meta: &Meta,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<ImageParts, Error> {
    set.set_extension(description::encode(meta)?);
    let inner = &engine.inner;
    let fits = |plan: &_| Ok(hatchery_vm::fits(&*inner.allocator, plan)?);
    hatchery_compile::compile_parts(&set, &inner.tunables, &inner.budget, &fits, progress).map_err(compile_error)
}

/// What is said of a core module that cannot be compiled. Functions are validated by who compiles them, who cannot say where in
/// the component they are; and if all of it is valid, the module that is not is one that we wrote.
fn whose(error: Error, component: &[u8]) -> Error {
    let invalid = match error.downcast_ref() {
        Some(CompileError::Invalid { .. }) => true,
        Some(CompileError::Unsupported { .. }) => false,
        _ => return error,
    };
    match hatchery_component::validate(component) {
        Err(error) => translate_error(error),
        Ok(()) if invalid => Error::message(ErrorKind::Bug, format!("bug in the code between components: {error}")),
        Ok(()) => error,
    }
}

/// The core modules that a component is, and what its host must know.
fn translate(bytes: &[u8]) -> Result<(LinkSet, Meta), Error> {
    let plan = hatchery_component::translate(bytes).map_err(translate_error)?;
    glue(&plan, bytes).map_err(|error| {
        let kind = if matches!(error, GlueError::Malformed(_)) { ErrorKind::Bug } else { ErrorKind::Compile };
        Error::source_of(kind, error)
    })
}

fn translate_error(error: TranslateError) -> Error {
    let kind = match error {
        TranslateError::RunTimeLinking { .. } => ErrorKind::Link,
        TranslateError::Internal(_) => ErrorKind::Bug,
        _ => ErrorKind::Compile,
    };
    Error::source_of(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_module_in_a_valid_component_is_a_bug() {
        let component = |body: &str| {
            let text = format!("(component (core module $m (func {body})) (core instance (instantiate $m)))");
            wat::parse_str(text).expect("is well-formed")
        };
        let invalid = || compile_error(CompileError::Invalid { module: 1, offset: 7, message: "too many".into() });
        let error = whose(invalid(), &component("nop"));
        assert_eq!(error.kind(), ErrorKind::Bug, "{error}");
        assert!(error.to_string().contains("too many"), "{error}");
        let error = whose(invalid(), &component("i32.add"));
        assert_eq!(error.kind(), ErrorKind::Compile, "{error}");
        assert!(!error.to_string().contains("too many"), "{error}");
    }
}
