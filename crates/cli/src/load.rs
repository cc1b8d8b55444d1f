//! From a file to a program: an artifact is opened, everything else is compiled or found in the cache.

#![expect(unsafe_code, reason = "opens artifacts that the user names, and those of the user's own cache")]

use crate::cache::Cache;
use crate::output::Output;
use crate::program::{Compiled, Source, is_component};
use crate::progress;
use anyhow::{Context, bail};
use hatchery::component::ComponentSource;
use hatchery::{Artifact, Config, Engine, ModuleSet};
use rustix::fs::MemfdFlags;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

/// What is in a file.
pub(crate) enum Program {
    /// Something compiled.
    Artifact(Artifact),
    /// WebAssembly, in one of its forms.
    Source(Vec<u8>),
}

/// What a program is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It is to run.
    Run,
    /// It is looked at: an artifact may be for another CPU.
    Look,
}

/// Whether a path means standard input or output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether both are names of one file.
pub(crate) fn is_same(a: &Path, b: &Path) -> bool {
    !is_standard(a) && matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A file by its name, or standard input.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if is_standard(path) { io::stdin().as_fd().try_clone_to_owned().map(File::from) } else { File::open(path) }
}

/// Reads a program; what it is, its first bytes tell.
pub(crate) fn read(path: &Path, purpose: Purpose) -> anyhow::Result<Program> {
    let cannot_read = || format!("cannot read `{}`", path.display());
    let mut file = open(path).with_context(cannot_read)?;
    // With room to spare, one read is enough.
    let mut bytes = Vec::with_capacity(2 * Artifact::RECOGNIZED_BY);
    Read::by_ref(&mut file).take(Artifact::RECOGNIZED_BY as u64).read_to_end(&mut bytes).with_context(cannot_read)?;
    if Artifact::recognizes(&bytes) {
        let file = if is_standard(path) || !file.metadata().with_context(cannot_read)?.is_file() {
            Mappable::InMemory(in_memory(&bytes, file).with_context(cannot_read)?)
        } else {
            Mappable::Named(path)
        };
        // SAFETY: whoever names a file to be run trusts it, as with any program; that nobody writes to it meanwhile
        // is the same trust, and neither `build` nor the cache ever does.
        let artifact = unsafe { file.open(purpose) };
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

/// An artifact's file.
enum Mappable<'a> {
    Named(&'a Path),
    /// Only this process has it.
    InMemory(File),
}

impl Mappable<'_> {
    /// # Safety
    ///
    /// Nobody may write to the file; and whoever wrote it is trusted with the user's rights, if it is to run.
    unsafe fn open(&self, purpose: Purpose) -> Result<Artifact, hatchery::Error> {
        let path = match self {
            Mappable::Named(path) => path.to_path_buf(),
            Mappable::InMemory(file) => PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())),
        };
        // SAFETY: the caller's promise.
        unsafe {
            match purpose {
                Purpose::Run => Artifact::open(path),
                Purpose::Look => Artifact::open_to_read(path),
            }
        }
    }
}

/// A file with what comes from a stream, of which these are the first bytes: a pipe cannot be mapped.
fn in_memory(first: &[u8], mut rest: File) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("hatchery-artifact", MemfdFlags::CLOEXEC)?);
    file.write_all(first)?;
    io::copy(&mut rest, &mut file)?;
    Ok(file)
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
pub(crate) fn save(config: &Config, path: &Path, bytes: &[u8], output: &Output) -> anyhow::Result<()> {
    let source = source(&Engine::new(config)?, path, bytes)?;
    let saved =
        progress::show(|progress| output.put(|file| source.save(file, progress), || source.serialize(progress)));
    match saved {
        Err(error) if error.io_kind().is_some() => Err(error).with_context(|| format!("cannot write {output}")),
        result => result.with_context(|| cannot_compile(path)),
    }
}

/// Reads all of a program and checks every hash.
pub(crate) fn verify(path: &Path, program: &Compiled) -> anyhow::Result<()> {
    program.verify().with_context(|| format!("`{}` is not what was written", path.display()))
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
