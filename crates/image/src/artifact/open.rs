//! From a file to a view: read the root and the surface, map the text and the rest, look at nothing else.

#![expect(unsafe_code, reason = "maps files, one of them executable")]

use super::encode::encode;
use super::error::ArtifactError;
use super::image::{Image, addresses};
use super::memfd;
use super::parts::ImageParts;
use super::pins;
use super::root::{MAGIC, ROOT_START, RootRecord, TEXT_START};
use super::surface::Surface;
use super::withdrawal::Watch;
use crate::pages::{PAGE, PageRun, Pages};
use crate::text::Text;
use crate::tunables::Tunables;
use memmap2::{Mmap, MmapOptions};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

/// Whether the host vouches that a file keeps its contents while it is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FileTrust {
    /// It does not: the pages are copied, so that no slot depends on the file. Text and maps still do; see
    /// [`Image::mapped_ranges`].
    #[default]
    Copy,
    /// It does: slots map the file itself.
    Immutable,
}

/// What an artifact is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Purpose {
    /// Instances are made of it.
    #[default]
    Run,
    /// It is looked at. It may be for another CPU, and none of it is mapped executable: see [`Image::is_runnable`].
    Read,
}

/// What an artifact must be to be opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// What it is opened for.
    pub purpose: Purpose,
    /// Whether the file stays as it is.
    pub trust: FileTrust,
    /// The choices it must have been compiled under, if that matters.
    pub tunables: Option<Tunables>,
    /// The hash of what it must have been compiled from, if that matters.
    pub source: Option<[u8; 32]>,
}

/// What opening an artifact had to do differently.
#[derive(Debug)]
#[non_exhaustive]
pub enum Note {
    /// The file may not be mapped executable, as on a file system mounted `noexec`; its text was copied to
    /// memory, at a cost that follows its size.
    TextCopied {
        /// The kernel's answer.
        reason: io::Error,
    },
}

impl core::fmt::Display for Note {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Note::TextCopied { reason } => {
                write!(f, "the file cannot be mapped executable ({reason}), so its code was copied to memory")
            }
        }
    }
}

/// Bytes from the start of a file that [`is_artifact`] needs.
pub const RECOGNIZED_BY: usize = ROOT_START as usize + MAGIC.len();

/// Whether a file that begins with these bytes claims to be an artifact, of whatever version.
pub fn is_artifact(first: &[u8]) -> bool {
    first.get(ROOT_START as usize..RECOGNIZED_BY) == Some(&MAGIC)
}

impl Image {
    /// Opens the artifact at `path`.
    ///
    /// # Errors
    ///
    /// When it is no artifact, is damaged where opening looks, or was not made for this system, this
    /// version, these options or, unless it is only read, this CPU. Nothing but the root and the surface is looked at: [`Image::verify`]
    /// looks at the rest.
    ///
    /// # Safety
    ///
    /// The file holds machine code that will run with all rights of the process: it must come from
    /// somebody who is trusted with them. Nobody may write to it while the view exists, and with
    /// [`FileTrust::Immutable`] while any slot made of it exists; replacing it by renaming is no writing.
    pub unsafe fn open(path: &Path, options: &OpenOptions) -> Result<Image, ArtifactError> {
        // Not to wait for the writer of a pipe.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(ArtifactError::system("open the file"))?;
        // SAFETY: the caller's promise.
        unsafe { Self::open_file(File::from(fd), options) }
    }

    /// Opens the artifact in `file`.
    ///
    /// # Errors
    ///
    /// As for [`Image::open`].
    ///
    /// # Safety
    ///
    /// As for [`Image::open`].
    pub unsafe fn open_file(file: File, options: &OpenOptions) -> Result<Image, ArtifactError> {
        let file_bytes = regular_file_bytes(&file)?;
        let root = RootRecord::read(&first_page(&file)?).map(Box::new)?;
        root.check(file_bytes)?;
        if options.purpose == Purpose::Run {
            root.check_cpu()?;
        }
        let tunables = pins::decode(&root.tunables)?;
        options.tunables.iter().try_for_each(|expected| pins::compare(&tunables, expected))?;
        options.source.iter().try_for_each(|expected| root.check_source(expected))?;

        let mut surface = vec![0; root.surface_bytes.get() as usize].into_boxed_slice();
        file.read_exact_at(&mut surface, root.meta.start.get()).map_err(ArtifactError::system("read the metadata"))?;
        let surface = Surface::new(&root, surface)?;
        let mut notes = Vec::new();
        // SAFETY: nobody writes to the file while the view exists, by the caller's promise.
        let (text, code_map) =
            unsafe { (map_text(&file, &root, options.purpose, &mut notes)?, map_code_tables(&file, &root)?) };
        let maps = code_map.as_deref().unwrap_or(&[]);
        // SAFETY: the image drops the watch before its mappings. Reading maps is sound whatever they contain, and code that
        // reads as zeros does not run.
        let watch = unsafe { Watch::new([addresses(text.bytes()), addresses(maps)]) };
        Ok(Image {
            watch,
            pages: stored_pages(&file, &root, surface.runs(), options.trust)?,
            layout: surface.layout_plan(),
            producer: pins::text("producer", &root.producer)?.into(),
            types: OnceLock::new(),
            plan: OnceLock::new(),
            named: OnceLock::new(),
            file,
            root,
            surface,
            code_map,
            text,
            purpose: options.purpose,
            tunables,
            notes,
        })
    }

    /// Makes an image of parts: writes an artifact to memory and opens that, as if it were a file.
    ///
    /// # Errors
    ///
    /// When the parts contradict each other, need more than this machine has, or memory is short.
    pub fn from_parts(parts: &ImageParts) -> Result<Image, ArtifactError> {
        let encoded = encode(parts)?;
        let file = memfd::sealed("hatchery-image", |file| encoded.write_to(file))?;
        let options = OpenOptions { trust: FileTrust::Immutable, ..OpenOptions::default() };
        // SAFETY: the file is sealed against every change, and its code is what a compiler of ours made.
        unsafe { Self::open_file(file, &options) }
    }
}

impl Image {
    /// Whether its code can run: it was not opened to be read only.
    pub fn is_runnable(&self) -> bool {
        self.purpose == Purpose::Run
    }

    /// Errors unless it was compiled under these choices, naming the first that differs.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn check_tunables(&self, expected: &Tunables) -> Result<(), ArtifactError> {
        pins::compare(self.tunables(), expected)
    }
}

fn regular_file_bytes(file: &File) -> Result<u64, ArtifactError> {
    let metadata = file.metadata().map_err(ArtifactError::system("examine the file"))?;
    if metadata.is_dir() {
        return Err(ArtifactError::Foreign { what: "it is a directory" });
    }
    if !metadata.is_file() {
        return Err(ArtifactError::Foreign { what: "it is no regular file" });
    }
    Ok(metadata.len())
}

/// As much of the first page as there is.
fn first_page(file: &File) -> Result<Vec<u8>, ArtifactError> {
    let mut page = vec![0; PAGE as usize];
    let mut filled = 0;
    while filled < page.len() {
        match file.read_at(&mut page[filled..], filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(ArtifactError::System { step: "read the root", source }),
        }
    }
    page.truncate(filled);
    Ok(page)
}

/// # Safety
///
/// Nobody may write to the file while the text exists.
unsafe fn map_text(
    file: &File,
    root: &RootRecord,
    purpose: Purpose,
    notes: &mut Vec<Note>,
) -> Result<Text, ArtifactError> {
    let bytes = root.text.bytes.get() as usize;
    if bytes == 0 {
        return copy_text(&[]);
    }
    let mut range = MmapOptions::new();
    range.offset(TEXT_START).len(bytes);
    match purpose {
        // SAFETY: the caller's promise. The root's check found the range inside the file.
        Purpose::Run => text_or_copy(unsafe { range.map_exec(file) }, file, bytes, notes),
        // SAFETY: as above.
        Purpose::Read => unsafe { range.map(file) }.map(Text::mapped).map_err(ArtifactError::system("map the text")),
    }
}

/// The mapped text, or a copy of it where the file may not be executed.
fn text_or_copy(
    mapped: io::Result<Mmap>,
    file: &File,
    bytes: usize,
    notes: &mut Vec<Note>,
) -> Result<Text, ArtifactError> {
    match mapped {
        Ok(map) => Ok(Text::mapped(map)),
        Err(reason) if refuses_execution(&reason) => {
            let mut code = vec![0; bytes];
            file.read_exact_at(&mut code, TEXT_START).map_err(ArtifactError::system("read the text"))?;
            notes.push(Note::TextCopied { reason });
            copy_text(&code)
        }
        Err(source) => Err(ArtifactError::System { step: "map the text", source }),
    }
}

/// Whether the kernel forbids this file to be executed, rather than any mapping of it.
fn refuses_execution(error: &io::Error) -> bool {
    let refusals = [rustix::io::Errno::PERM, rustix::io::Errno::ACCESS].map(rustix::io::Errno::raw_os_error);
    error.raw_os_error().is_some_and(|number| refusals.contains(&number))
}

fn copy_text(code: &[u8]) -> Result<Text, ArtifactError> {
    Text::from_code(code)
        .map_err(|error| ArtifactError::System { step: "copy the text", source: io::Error::other(error) })
}

/// # Safety
///
/// Nobody may write to the file while the mapping exists.
unsafe fn map_code_tables(file: &File, root: &RootRecord) -> Result<Option<Mmap>, ArtifactError> {
    let surface = root.surface_bytes.get();
    let bytes = root.meta.bytes.get() - surface;
    if bytes == 0 {
        return Ok(None);
    }
    let mut options = MmapOptions::new();
    options.offset(root.meta.start.get() + surface).len(bytes as usize);
    // SAFETY: the caller's promise. The root's check found the range inside the file.
    unsafe { options.map(file) }.map(Some).map_err(ArtifactError::system("map the metadata"))
}

/// The pages where slots will map them from.
fn stored_pages(
    file: &File,
    root: &RootRecord,
    mut runs: Vec<PageRun>,
    trust: FileTrust,
) -> Result<Pages, ArtifactError> {
    let section = root.pages.range();
    if runs.is_empty() {
        return Ok(Pages::stored_in(None, runs));
    }
    let file = match trust {
        FileTrust::Copy => memfd::sealed("hatchery-pages", |to| memfd::copy(file, section, to))?,
        FileTrust::Immutable => {
            runs.iter_mut().for_each(|run| run.file_offset += section.start);
            file.try_clone().map_err(ArtifactError::system("duplicate the file"))?
        }
    };
    Ok(Pages::stored_in(Some(file), runs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::tests::sample;
    use rustix::io::Errno;

    fn refused(errno: Errno) -> (Result<Text, ArtifactError>, Vec<Note>) {
        let view = Image::from_parts(&sample()).expect("sample");
        let mut notes = Vec::new();
        let error = io::Error::from(errno);
        let text = text_or_copy(Err(error), &view.file, view.text().bytes().len(), &mut notes);
        (text, notes)
    }

    #[test]
    fn text_that_may_not_be_executed_is_copied_with_a_note() {
        let (text, notes) = refused(Errno::PERM);
        let text = text.expect("a copy");
        assert_eq!(text.bytes(), sample().code);
        assert!(matches!(notes[..], [Note::TextCopied { .. }]));
        assert!(notes[0].to_string().contains("copied to memory"), "{}", notes[0]);
        // SAFETY: the sample's second function is `mov eax, 7; ret`.
        let function: extern "C" fn() -> i32 = unsafe { core::mem::transmute(text.base().add(64)) };
        assert_eq!(function(), 7);
    }

    #[test]
    fn text_that_cannot_be_mapped_at_all_is_an_error() {
        let (text, notes) = refused(Errno::NOMEM);
        assert!(matches!(text, Err(ArtifactError::System { step: "map the text", .. })), "{text:?}");
        assert!(notes.is_empty());
    }
}
