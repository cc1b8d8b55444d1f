//! Modules in files.

#![expect(unsafe_code, reason = "opens files of machine code, which the caller must trust")]

use crate::component::{Component, ComponentSource};
use crate::config::Config;
use crate::convert;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::module::{Module, ModuleSet};
use hatchery_image::Image;
use hatchery_image::artifact::{self, ArtifactError, Durability, Note, OpenOptions, Purpose};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A compiled module that was opened and that no engine has taken yet.
///
/// It says how it was compiled; [`Artifact::config`] makes an engine that it fits.
pub struct Artifact {
    image: Arc<Image>,
}

impl Artifact {
    /// Bytes from the start of a file that [`recognizes`](Artifact::recognizes) needs.
    pub const RECOGNIZED_BY: usize = artifact::RECOGNIZED_BY;

    /// Whether a file that begins with these bytes claims to be an artifact, of whatever version.
    pub fn recognizes(first_bytes: &[u8]) -> bool {
        artifact::is_artifact(first_bytes)
    }

    /// Opens an artifact. Nothing of it runs, and most of it is not read.
    ///
    /// # Errors
    ///
    /// When the file is no artifact, is damaged where opening looks, or was made for another machine or version;
    /// the message names what differs.
    ///
    /// # Safety
    ///
    /// The file holds machine code that will run with all rights of the process: it must come from somebody who
    /// is trusted with them. Nobody may write to it while anything that was made of it exists; putting another file in
    /// its place by renaming is no writing. Shortening it is, though what is then missed is noticed: the module is withdrawn, and
    /// calls fail with [`ErrorKind::Withdrawn`].
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Artifact, Error> {
        // SAFETY: the caller's promise.
        unsafe { Artifact::open_as(path.as_ref(), &OpenOptions::default()) }
    }

    /// As [`open`](Artifact::open), to look at what is in it: the artifact may be for another CPU, and nothing of it is mapped
    /// executable. What is made of it can be inspected and verified; preparing it is an error of the kind
    /// [`Usage`](ErrorKind::Usage).
    ///
    /// # Errors
    ///
    /// As for [`open`](Artifact::open), except for the CPU.
    ///
    /// # Safety
    ///
    /// Nobody may write to the file while anything that was made of it exists, as for [`open`](Artifact::open). What it
    /// contains is not trusted.
    pub unsafe fn open_to_read(path: impl AsRef<Path>) -> Result<Artifact, Error> {
        let options = OpenOptions { purpose: Purpose::Read, ..OpenOptions::default() };
        // SAFETY: the caller's promise; none of the code runs.
        unsafe { Artifact::open_as(path.as_ref(), &options) }
    }

    /// # Safety
    ///
    /// As for [`Artifact::open`], or as for [`Artifact::open_to_read`] where the options are for that.
    unsafe fn open_as(path: &Path, options: &OpenOptions) -> Result<Artifact, Error> {
        // What is mapped may vanish from now on.
        hatchery_vm::handle_faults().map_err(|error| Error::source_of(ErrorKind::Host, error))?;
        // SAFETY: the caller's promise.
        let image = unsafe { Image::open(path, options) }.map_err(artifact_error)?;
        Ok(Artifact { image: Arc::new(image) })
    }

    /// The configuration of an engine that it fits: the choices it was compiled under, and defaults for the rest.
    pub fn config(&self) -> Config {
        convert::config(self.image.tunables())
    }

    /// What opening it had to do differently, in sentences.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.image.notes().iter().map(Note::to_string)
    }

    /// The module in it.
    ///
    /// # Errors
    ///
    /// When it is a component, or was compiled under other choices than the engine's; the message names the first that
    /// differs.
    pub fn into_module(self, engine: &Engine) -> Result<Module, Error> {
        if self.is_component() {
            return Err(Error::message(ErrorKind::Artifact, "it is a component, and no module"));
        }
        self.into_image(engine)
    }

    /// The component in it.
    ///
    /// # Errors
    ///
    /// When it is a module, or was compiled under other choices than the engine's; the message names the first that differs.
    pub fn into_component(self, engine: &Engine) -> Result<Component, Error> {
        Component::of_module(self.into_image(engine)?)
    }

    /// Whether it is a component; it is a module otherwise.
    pub fn is_component(&self) -> bool {
        !self.image.extension().is_empty()
    }

    fn into_image(self, engine: &Engine) -> Result<Module, Error> {
        self.image.check_tunables(&engine.inner.tunables).map_err(artifact_error)?;
        Ok(Module::of_image(engine, self.image))
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact").field("producer", &self.image.producer()).finish_non_exhaustive()
    }
}

impl Module {
    /// Opens a module that was [saved](Module::save).
    ///
    /// # Errors
    ///
    /// As for [`Artifact::open`] and [`Artifact::into_module`].
    ///
    /// # Safety
    ///
    /// As for [`Artifact::open`].
    pub unsafe fn open(engine: &Engine, path: impl AsRef<Path>) -> Result<Module, Error> {
        // SAFETY: the caller's promise.
        unsafe { Artifact::open(path) }?.into_module(engine)
    }

    /// Writes the compiled module to a new file beside `path`, and puts that in the place of the file that is there:
    /// who has the old file open keeps it. What is no file (a device, a pipe) is written to.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; nothing is left behind then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.inner.image.save(path.as_ref(), Durability::Synced).map_err(artifact_error)
    }

    /// The bytes that [`save`](Module::save) writes.
    ///
    /// # Errors
    ///
    /// When the file that the module was opened from can no longer be read.
    pub fn serialize(&self) -> Result<Vec<u8>, Error> {
        self.inner.image.to_vec().map_err(artifact_error)
    }

    /// Reads everything and checks every hash; opening looks only at what it needs.
    ///
    /// # Errors
    ///
    /// Names the first part that is not what was written.
    pub fn verify(&self) -> Result<(), Error> {
        self.inner.image.verify().map_err(artifact_error)
    }
}

impl Component {
    /// Opens a component that was [saved](Component::save).
    ///
    /// # Errors
    ///
    /// As for [`Artifact::open`] and [`Artifact::into_component`].
    ///
    /// # Safety
    ///
    /// As for [`Artifact::open`].
    pub unsafe fn open(engine: &Engine, path: impl AsRef<Path>) -> Result<Component, Error> {
        // SAFETY: the caller's promise.
        unsafe { Artifact::open(path) }?.into_component(engine)
    }
}

impl ComponentSource {
    /// Opens what this was compiled to before, by an engine of the same configuration.
    ///
    /// # Errors
    ///
    /// As for [`Component::open`], and when the file was made of something else.
    ///
    /// # Safety
    ///
    /// As for [`Artifact::open`].
    pub unsafe fn open(&self, path: impl AsRef<Path>) -> Result<Component, Error> {
        let options = OpenOptions { source: Some(self.origin().source()), ..OpenOptions::default() };
        // SAFETY: the caller's promise.
        unsafe { Artifact::open_as(path.as_ref(), &options) }?.into_component(self.engine())
    }
}

impl ModuleSet {
    /// Opens what this set was compiled to before, by an engine of the same configuration.
    ///
    /// # Errors
    ///
    /// As for [`Module::open`], and when the file was made of something else.
    ///
    /// # Safety
    ///
    /// As for [`Artifact::open`].
    pub unsafe fn open(&self, path: impl AsRef<Path>) -> Result<Module, Error> {
        let options = OpenOptions { source: Some(self.set.source()), ..OpenOptions::default() };
        // SAFETY: the caller's promise.
        unsafe { Artifact::open_as(path.as_ref(), &options) }?.into_module(&self.engine)
    }
}

/// Our error for an artifact's.
pub(crate) fn artifact_error(error: ArtifactError) -> Error {
    let kind = match &error {
        ArtifactError::System { .. } => ErrorKind::Host,
        ArtifactError::Encode { .. } => ErrorKind::Bug,
        ArtifactError::Withdrawn => ErrorKind::Withdrawn,
        _ => ErrorKind::Artifact,
    };
    Error::source_of(kind, error)
}
