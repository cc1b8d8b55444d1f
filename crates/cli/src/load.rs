//! From a file to a module: an artifact is opened, everything else is compiled or found in the cache.

#![expect(unsafe_code, reason = "opens artifacts that the user names, and those of the user's own cache")]

use crate::cache::Cache;
use crate::progress;
use anyhow::{Context, bail};
use hatchery::component::Component;
use hatchery::{Artifact, Config, Engine, Module, ModuleSet};
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

/// Whether a program is a component, and no module: its header says so, or the first word of its text. A core module with
/// the types of the component that it was made for is one, too.
pub(crate) fn is_component(bytes: &[u8]) -> bool {
    if let Some(rest) = bytes.strip_prefix(b"\0asm") {
        return rest.starts_with(&[0x0d, 0, 1, 0]) || Component::recognizes_core_module(bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let code = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with(";;"));
    code.and_then(|line| line.strip_prefix('(')).is_some_and(|rest| rest.trim_start().starts_with("component"))
}

/// The set that is one program.
pub(crate) fn set(engine: &Engine, path: &Path, bytes: &[u8]) -> anyhow::Result<ModuleSet> {
    if is_component(bytes) {
        bail!("`{}` is a component, which cannot be stored yet: give it to `hatchery run` as it is", path.display());
    }
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut set = ModuleSet::new(engine);
    let module = set.module_of(path, bytes).with_context(|| cannot_compile(path))?;
    set.instance(module, Some(&name), &[]);
    Ok(set)
}

fn cannot_compile(path: &Path) -> String {
    format!("cannot compile `{}`", path.display())
}

/// An engine with this configuration and the module made of these bytes.
pub(crate) fn compile(
    config: &Config,
    path: &Path,
    bytes: &[u8],
    cache: Option<&Cache>,
) -> anyhow::Result<(Engine, Module)> {
    let engine = Engine::new(config)?;
    let set = set(&engine, path, bytes)?;
    let entry = cache.and_then(|cache| cache.entry(&set));
    if let Some(module) = entry.as_deref().and_then(|entry| open_entry(&set, entry)) {
        return Ok((engine, module));
    }
    let module = progress::show(|progress| set.compile_with(progress)).with_context(|| cannot_compile(path))?;
    if let (Some(cache), Some(entry)) = (cache, entry) {
        cache.put(&module, &entry);
    }
    Ok((engine, module))
}

/// Compiles into a file what nobody runs now.
pub(crate) fn save(config: &Config, path: &Path, bytes: &[u8], output: &Path) -> anyhow::Result<()> {
    let set = set(&Engine::new(config)?, path, bytes)?;
    match progress::show(|progress| set.save_with(output, progress)) {
        Err(error) if error.io_kind().is_some() => {
            Err(error).with_context(|| format!("cannot write `{}`", output.display()))
        }
        result => result.with_context(|| cannot_compile(path)),
    }
}

/// What the cache has under this name, if it is what it should be.
fn open_entry(set: &ModuleSet, path: &Path) -> Option<Module> {
    // SAFETY: the cache is the user's own, and nobody else can write to it; its files are only replaced.
    match unsafe { set.open(path) } {
        Ok(module) => {
            Cache::used(path);
            Some(module)
        }
        Err(error) => {
            if error.io_kind() != Some(ErrorKind::NotFound) {
                tracing::warn!(path = %path.display(), %error, "an entry of the compilation cache is of no use");
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_component;

    #[test]
    fn components_are_told_from_modules() {
        assert!(is_component(b"\0asm\x0d\0\x01\0"));
        assert!(!is_component(b"\0asm\x01\0\0\0"));
        assert!(is_component(b";; a comment\n\n  (component $c)"));
        assert!(!is_component(b"(module (func))"));
        assert!(!is_component(b""));
    }
}
