//! An image made ready for instances: everything that does not differ between them is done once.

#![expect(unsafe_code, reason = "holds code and closure addresses")]

use crate::call::{Callee, CalleeError};
use crate::exception_roots::ExceptionItems;
use crate::exports::Exports;
use crate::host::{HostFunction, HostTable, ImportError};
use crate::limits::Limits;
use crate::machine::{Program, StackPool};
use crate::striped::Striped;
use crate::templates::{Isolation, Templates};
use hatchery_alloc::{
    Hints, InstanceAllocator, LayoutFlaw, LayoutRefused, Learning, Region, RegionKind, Run, SlotLayout, Tails,
    Template, TemplateError,
};
use hatchery_image::abi::{HEADER_BYTES, HEADER_USED_BYTES, PackedFuncRef};
use hatchery_image::{
    Bounds, Image, LayoutPlan, Learned, MAX_RUNS, MemoryId, MemoryPlace, PAGE, Pages, TypeId, ValType,
};
use std::any::Any;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Position of the first memory's region in a slot; the header's and the state's come before it.
pub(crate) const FIRST_MEMORY_REGION: usize = 2;

/// Why no instance of an image can ever be made.
#[derive(Debug, thiserror::Error)]
pub enum PrepareImageError {
    /// Its code cannot run.
    #[error("the image was opened to be read, so none of it can run")]
    ReadOnly,
    /// The allocator does not give such slots.
    #[error(transparent)]
    Layout(#[from] LayoutRefused),
    /// The image's memories alone exceed the limits.
    #[error("the memories have {needed} bytes from the start, and the limit is {limit}")]
    Memory {
        /// Bytes from the start.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A table alone exceeds the limits.
    #[error("a table has {needed} elements from the start, and the limit is {limit}")]
    Table {
        /// Elements from the start.
        needed: u64,
        /// Elements allowed.
        limit: u64,
    },
    /// The image's contents are too scattered: each run is a mapping per slot.
    #[error("the image's pages lie in {needed} runs, and the limit is {limit}")]
    Runs {
        /// Runs of pages.
        needed: usize,
        /// Runs allowed.
        limit: usize,
    },
    /// An import has no function, or one of another type.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The image's pages cannot be read.
    #[error("cannot read the image's pages: {0}")]
    Pages(#[from] std::io::Error),
    /// The image's pages cannot be shared.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The image contradicts itself.
    #[error("the image has an impossible layout: {0}")]
    Flaw(#[from] LayoutFlaw),
}

/// An image made ready, with the host functions that its instances call. `T` is the host data of each.
pub struct Prepared<T> {
    pub(crate) core: Arc<PreparedCore>,
    /// What instances have of it.
    pub(crate) handles: Arc<Striped<Arc<PreparedCore>>>,
    /// What slots are made from.
    pub(crate) template: Arc<Template>,
    pub(crate) data: PhantomData<fn(T)>,
}

impl<T> Clone for Prepared<T> {
    fn clone(&self) -> Prepared<T> {
        let (core, handles, template) = (self.core.clone(), self.handles.clone(), self.template.clone());
        Prepared { core, handles, template, data: PhantomData }
    }
}

impl<T> std::fmt::Debug for Prepared<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("id", &self.core.id).finish_non_exhaustive()
    }
}

/// What all instances of a prepared image share, whatever their isolation.
///
/// Invariant: the regions of its templates are the header, the state, and the image's memories, in this order.
pub(crate) struct PreparedCore {
    /// Unique in the process: what a [`Callee`] is recognized by.
    pub(crate) id: u64,
    pub(crate) image: Arc<Image>,
    templates: Arc<Templates>,
    pub(crate) allocator: Arc<dyn InstanceAllocator>,
    /// Image and allocator, as running code is judged by them.
    pub(crate) program: Program,
    pub(crate) stacks: Arc<StackPool>,
    pub(crate) host: HostTable,
    pub(crate) limits: Limits,
    /// Bytes of all memories from the start.
    pub(crate) memory_bytes: u64,
    /// Types of the thunks of host imports by text offset, sorted.
    thunks: Box<[(u32, TypeId)]>,
    /// Types of the host imports, by their number.
    pub(crate) import_types: Box<[TypeId]>,
    /// Main memories of the core instances, by their number.
    pub(crate) main_memories: Box<[Option<MemoryId>]>,
    /// By core instance.
    pub(crate) exports: Box<[Exports]>,
    /// Where references to exceptions can be.
    pub(crate) exception_items: OnceLock<ExceptionItems>,
    /// See [`Prepared::keep`].
    pub(crate) kept: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl<T: 'static> Prepared<T> {
    /// Makes an image ready. `functions` are its imports', in the order of its import table.
    ///
    /// The image is trusted as its code is: it must be what the compiler made.
    ///
    /// # Errors
    ///
    /// When no instance could ever be made.
    pub fn new(
        image: Arc<Image>,
        allocator: Arc<dyn InstanceAllocator>,
        stacks: Arc<StackPool>,
        functions: Vec<HostFunction<T>>,
        limits: Limits,
    ) -> Result<Prepared<T>, PrepareImageError> {
        Prepared::sharing(Arc::new(Templates::new(image)), allocator, stacks, functions, limits)
    }

    /// As [`new`](Prepared::new), with the slots of everything that was made ready with the same templates.
    ///
    /// # Errors
    ///
    /// When no instance could ever be made.
    pub fn sharing(
        templates: Arc<Templates>,
        allocator: Arc<dyn InstanceAllocator>,
        stacks: Arc<StackPool>,
        functions: Vec<HostFunction<T>>,
        limits: Limits,
    ) -> Result<Prepared<T>, PrepareImageError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let image = templates.image().clone();
        if !image.is_runnable() {
            return Err(PrepareImageError::ReadOnly);
        }
        let lengths = initial_lengths(&image)?;
        check_limits(&image, &lengths, &limits)?;
        allocator.validate(&slot_layout(image.layout(), &lengths)?)?;
        check_runs(image.pages())?;
        let template = templates.get(&Isolation::default())?;
        let host = HostTable::new(&image, functions)?;
        let mut thunks: Box<[_]> = image.imports().iter().map(|import| (import.thunk, import.ty)).collect();
        thunks.sort_unstable();
        let import_types = image.imports().iter().map(|import| import.ty).collect();
        let main_memories = image.instances().iter().map(|instance| instance.main_memory).collect();
        let exports = (0..image.instances().len()).map(|_| Exports::default()).collect();
        let core = PreparedCore {
            // Relaxed: only uniqueness matters.
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            program: Program { image: image.clone(), allocator: allocator.clone() },
            image,
            templates,
            allocator,
            stacks,
            host,
            limits,
            memory_bytes: lengths.iter().sum(),
            thunks,
            import_types,
            main_memories,
            exports,
            exception_items: OnceLock::new(),
            kept: OnceLock::new(),
        };
        Ok(Prepared { core: Arc::new(core), handles: Arc::default(), template, data: PhantomData })
    }

    /// The same, in slots of another isolation.
    ///
    /// # Errors
    ///
    /// When the image's pages cannot be read or shared.
    pub fn isolated(&self, isolation: &Isolation) -> Result<Prepared<T>, PrepareImageError> {
        let template = self.core.templates.get(isolation)?;
        Ok(Prepared { core: self.core.clone(), handles: self.handles.clone(), template, data: PhantomData })
    }

    /// The image.
    pub fn image(&self) -> &Arc<Image> {
        &self.core.image
    }

    /// What instances were found to do with their slots; nothing where the allocator does not learn.
    pub fn learned(&self) -> Learned {
        let learned = self.core.allocator.learned(&self.template);
        let ranges = |ranges: Vec<Range<usize>>| ranges.into_iter().map(|r| r.start as u64..r.end as u64).collect();
        Learned { written: ranges(learned.written), grown: ranges(learned.grown) }
    }

    /// The function behind a funcref word, ready to be called in any instance of this.
    ///
    /// # Errors
    ///
    /// When the word is null, or no function of the image has this place and type.
    pub fn callee(&self, word: PackedFuncRef) -> Result<Callee, CalleeError> {
        self.core.callee(word)
    }
}

impl PreparedCore {
    pub(crate) fn callee(&self, word: PackedFuncRef) -> Result<Callee, CalleeError> {
        if word.is_null() {
            return Err(CalleeError::Null);
        }
        let ty = self.check_funcref(word).ok_or(CalleeError::Unknown)?;
        let trampoline = self.image.entry_trampoline(ty);
        let trampoline = trampoline.ok_or(CalleeError::NotCallable)?;
        let signature = self.image.types().get(ty);
        // SAFETY: the offsets are of the image's trampoline for this type and of a function that has it.
        Ok(unsafe { Callee::new(self.id, self.image.text().base(), trampoline, word.code_offset(), ty, signature) })
    }

    /// The type of a funcref word, if the image has a function of that type at that place.
    pub(crate) fn check_funcref(&self, word: PackedFuncRef) -> Option<TypeId> {
        self.type_at(word.code_offset()).filter(|ty| ty.get() == word.type_id())
    }

    /// The type of the function at this place, if there is one.
    pub(crate) fn type_at(&self, offset: u32) -> Option<TypeId> {
        let thunk = || self.thunks.binary_search_by_key(&offset, |(at, _)| *at).ok().map(|at| self.thunks[at].1);
        self.image.functions().type_at(offset).or_else(thunk)
    }

    /// Whether a word is a value of this type, when it comes from the host.
    pub(crate) fn accepts(&self, ty: ValType, word: u64) -> bool {
        use hatchery_image::HeapType::{Concrete, Exn, Extern, Func, NoExn, NoExtern, NoFunc};
        let ValType::Ref(reference) = ty else { return true };
        if word == 0 {
            return reference.nullable;
        }
        match reference.heap {
            Func => self.check_funcref(PackedFuncRef(word)).is_some(),
            Concrete(id) => self.check_funcref(PackedFuncRef(word)) == Some(id),
            // An index that was never given out is no value, and harmless.
            Extern => true,
            // The host never has a reference to an exception.
            NoFunc | NoExtern | Exn | NoExn => false,
        }
    }
}

/// What slots of an image are made from.
pub(crate) fn make_template(image: &Image, learning: Learning) -> Result<Template, PrepareImageError> {
    let layout = slot_layout(image.layout(), &initial_lengths(image)?)?;
    let template = Template::new(layout, image.pages().duplicate()?, &runs(image.pages()))?;
    Ok(template.with_hints(Hints { learning, ..hints(image) }))
}

/// Whether an allocator can ever give slots of this layout. For images that are yet to be made; one that was made is
/// checked when it is [prepared](Prepared::new).
///
/// # Errors
///
/// What is needed and what the limit is.
pub fn fits(allocator: &dyn InstanceAllocator, plan: &LayoutPlan) -> Result<(), PrepareImageError> {
    let lengths: Vec<_> = plan.memories.iter().map(|memory| memory.minimum).collect();
    Ok(allocator.validate(&slot_layout(plan, &lengths)?)?)
}

/// Lengths of the memories in bytes, as the image's pages have them; and no more than there is room for, whatever they say.
fn initial_lengths(image: &Image) -> Result<Vec<u64>, PrepareImageError> {
    let length = |place: &MemoryPlace| {
        let needed = state_word(image, place.length_offset)?;
        if needed > place.limit {
            return Err(PrepareImageError::Memory { needed, limit: place.limit });
        }
        Ok(needed)
    };
    image.layout().memories.iter().map(length).collect()
}

/// A word of the state, as the image's pages have it.
fn state_word(image: &Image, offset: u32) -> std::io::Result<u64> {
    let mut word = [0; 8];
    image.pages().read(image.layout().vmctx + u64::from(offset), &mut word)?;
    Ok(u64::from_le_bytes(word))
}

fn check_limits(image: &Image, lengths: &[u64], limits: &Limits) -> Result<(), PrepareImageError> {
    let needed: u64 = lengths.iter().sum();
    if needed > limits.memory_bytes {
        return Err(PrepareImageError::Memory { needed, limit: limits.memory_bytes });
    }
    for place in &image.layout().tables {
        // What the pages say, as tables of a snapshot may have grown; and no more than there is room for, whatever they say.
        let needed = state_word(image, place.length_offset)?;
        let limit = limits.table_elements.min(place.limit);
        if needed > limit {
            return Err(PrepareImageError::Table { needed, limit });
        }
    }
    Ok(())
}

fn check_runs(pages: &Pages) -> Result<(), PrepareImageError> {
    let (needed, limit) = (pages.runs().len(), MAX_RUNS);
    if needed > limit { Err(PrepareImageError::Runs { needed, limit }) } else { Ok(()) }
}

fn slot_layout(plan: &LayoutPlan, lengths: &[u64]) -> Result<SlotLayout, LayoutFlaw> {
    let region = |kind, offset: u64, accessible: u64, limit: u64| Region {
        offset: offset as usize,
        kind,
        accessible: accessible.next_multiple_of(PAGE) as usize,
        limit: limit.next_multiple_of(PAGE) as usize,
    };
    let header = HEADER_BYTES as u64;
    let mut regions = vec![
        region(RegionKind::Volatile, plan.vmctx - header, header, header),
        region(RegionKind::Image, plan.vmctx, plan.state_bytes, plan.state_bytes),
    ];
    for (memory, length) in plan.memories.iter().zip(lengths) {
        regions.push(region(RegionKind::Image, plan.vmctx + memory.offset, *length, memory.limit));
    }
    SlotLayout::new(plan.slot_bytes as usize, regions)
}

/// What allocators can rely on: the machine writes no other bytes of the header page than its words, and code with
/// explicit checks needs no guard at a memory's end; and what is stored with the image.
fn hints(image: &Image) -> Hints {
    let (plan, learned) = (image.layout(), image.learned());
    let ranges = |ranges: Vec<Range<u64>>| ranges.into_iter().map(|r| r.start as usize..r.end as usize).collect();
    let mut growing = plan.memories.iter().filter(|memory| memory.minimum < memory.limit);
    let explicit = growing.all(|memory| memory.bounds == Bounds::Explicit);
    let vmctx = plan.vmctx as usize;
    Hints {
        volatile: Some(vmctx - HEADER_USED_BYTES..vmctx),
        tails: if explicit { Tails::Keep } else { Tails::Shrink },
        written: ranges(learned.written),
        grown: ranges(learned.grown),
        ..Hints::default()
    }
}

fn runs(pages: &Pages) -> Vec<Run> {
    let run = |run: &hatchery_image::PageRun| Run {
        slot_offset: run.slot_offset as usize,
        file_offset: run.file_offset,
        len: run.length as usize,
    };
    pages.runs().iter().map(run).collect()
}
