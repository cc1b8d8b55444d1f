//! From a file to a program: an artifact is opened, everything else is compiled or found in the cache.

#![expect(unsafe_code, reason = "opens artifacts that the user names, and those of the user's own cache")]

use crate::cache::Cache;
use crate::program::{Compiled, Source, is_component};
use crate::progress;
use anyhow::{Context, bail};
use hatchery::component::ComponentSource;
use hatchery::{Artifact, Config, Engine, ModuleSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// What is in a file.
pub(crate) enum Program {
    /// Something compiled.
    Artifact(Artifact),
    /// WebAssembly, in one of its forms.
    Source(Vec<u8>),
}

/// Reads a program; what it is, its first bytes tell.
pub(crate) fn read(path: &Path) -> anyhow::Result<Program> {
    let cannot_read = || format!("cannot read `{}`", path.display());
    let mut file = File::open(path).with_context(cannot_read)?;
    // With room to spare, one read is enough.
    let mut bytes = Vec::with_capacity(2 * Artifact::RECOGNIZED_BY);
    file.by_ref().take(Artifact::RECOGNIZED_BY as u64).read_to_end(&mut bytes).with_context(cannot_read)?;
    if Artifact::recognizes(&bytes) {
        // SAFETY: whoever names a file to be run trusts it, as with any program; that nobody writes to it meanwhile
        // is the same trust, and neither `build` nor the cache ever does.
        let artifact = unsafe { Artifact::open(path) };
        return Ok(Program::Artifact(artifact.with_context(|| format!("cannot open `{}`", path.display()))?));
    }
    file.read_to_end(&mut bytes).with_context(cannot_read)?;
    if bytes.starts_with(b"\x7fELF") {
        bail!(
            "`{}` is no program for Hatchery: an ELF file, but no artifact, or only the beginning of one",
            path.display()
        );
    }
    if !bytes.starts_with(b"\0asm") && std::str::from_utf8(&bytes).is_err() {
        bail!("`{}` is no WebAssembly: neither the binary nor the text format, and no artifact", path.display());
    }
    Ok(Program::Source(bytes))
}

/// What is to be compiled of these bytes.
fn source(engine: &Engine, path: &Path, bytes: &[u8]) -> anyhow::Result<Source> {
    if is_component(bytes) {
        let source = ComponentSource::of_file(engine, path, bytes);
        return source.map(Source::Component).with_context(|| cannot_compile(path));
    }
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut set = ModuleSet::new(engine);
    let module = set.module_of(path, bytes).with_context(|| cannot_compile(path))?;
    set.instance(module, Some(&name), &[]);
    Ok(Source::Module(set))
}

fn cannot_compile(path: &Path) -> String {
    format!("cannot compile `{}`", path.display())
}

/// An engine with this configuration and the program made of these bytes.
pub(crate) fn compile(
    config: &Config,
    path: &Path,
    bytes: &[u8],
    cache: Option<&Cache>,
) -> anyhow::Result<(Engine, Compiled)> {
    let engine = Engine::new(config)?;
    let source = source(&engine, path, bytes)?;
    let entry = cache.and_then(|cache| cache.entry(&source));
    let found = entry.as_deref().filter(|entry| Cache::is_private(entry));
    if let Some(program) = found.and_then(|entry| open_entry(&source, entry)) {
        return Ok((engine, program));
    }
    let program = progress::show(|progress| source.compile(progress)).with_context(|| cannot_compile(path))?;
    if let (Some(cache), Some(entry)) = (cache, entry) {
        cache.put(&program, &entry);
    }
    Ok((engine, program))
}

/// Compiles into a file what nobody runs now.
pub(crate) fn save(config: &Config, path: &Path, bytes: &[u8], output: &Path) -> anyhow::Result<()> {
    let source = source(&Engine::new(config)?, path, bytes)?;
    match progress::show(|progress| source.save(output, progress)) {
        Err(error) if error.io_kind().is_some() => {
            Err(error).with_context(|| format!("cannot write `{}`", output.display()))
        }
        result => result.with_context(|| cannot_compile(path)),
    }
}

/// What the cache has under this name, if it is what it should be. It is private.
fn open_entry(source: &Source, path: &Path) -> Option<Compiled> {
    let opened = match source {
        // SAFETY: the cache is the user's own, and nobody else can write to it; its files are only replaced.
        Source::Module(set) => unsafe { set.open(path) }.map(Compiled::Module),
        // SAFETY: as above.
        Source::Component(source) => unsafe { source.open(path) }.map(Compiled::Component),
    };
    match opened {
        Ok(program) => {
            Cache::used(path);
            Some(program)
        }
        Err(error) => {
            if error.io_kind() != Some(ErrorKind::NotFound) {
                tracing::warn!(path = %path.display(), %error, "an entry of the compilation cache is of no use");
            }
            None
        }
    }
}
